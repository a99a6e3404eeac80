"""The command `strawberry-response-cache`; it needs the extra `cli`."""

import os
import sys
from typing import Annotated

from graphql import GraphQLError

from strawberry_response_cache._command_line import (
    BadArgumentError,
    document_of,
    schema_of,
    variables_of,
)
from strawberry_response_cache.core import CacheConfigurationError
from strawberry_response_cache.core._user_code import Raised, called
from strawberry_response_cache.graphql._explain import explain
from strawberry_response_cache.graphql._explanation import ExplainedField, line_of

try:
    import typer
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree
except ModuleNotFoundError as missing:  # pragma: no cover - the tests install it
    sys.exit(
        f"The command needs {missing.name}: pip install 'strawberry-response-cache[cli]', or call "
        "strawberry_response_cache.explain(schema, query) and print what it returns."
    )

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def _main() -> None:
    """Explain how a Strawberry schema is cached."""


@app.command(name="explain")
def explain_command(
    schema: Annotated[str, typer.Argument(help="The schema, such as ledger.api:schema.")],
    query: Annotated[
        str, typer.Argument(help="A file that holds the document; - reads it from stdin.")
    ],
    variables: Annotated[
        str, typer.Option(help="The request's variables, as a JSON object.")
    ] = "{}",
    operation: Annotated[
        str | None, typer.Option(help="Which operation, if there are several.")
    ] = None,
    default_ttl: Annotated[
        float | None, typer.Option(help="Instead of the extension's, in seconds.")
    ] = None,
) -> None:
    """Say whether, how long and for whom an operation is cached, field by field, and why not."""
    try:
        _set_up_django()
        explanation = explain(
            schema_of(schema), document_of(query), variables_of(variables), operation, default_ttl
        )
    except (BadArgumentError, CacheConfigurationError, GraphQLError) as error:
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201 - a command speaks there
        raise typer.Exit(2) from None
    console = Console()
    style = "bold green" if explanation.cacheable else "bold red"
    console.print(Text(explanation.verdict, style=style), soft_wrap=True)
    if explanation.reason is not None:
        console.print(f"See docs/why-not-cached.md#{explanation.reason.value}", soft_wrap=True)
    tree = Tree("", hide_root=True)
    _grow(tree, explanation.fields)
    console.print(tree)
    for note in explanation.notes:
        console.print(Text(f"Note: {note}", style="yellow"), soft_wrap=True)


def main() -> None:
    """Run the command."""
    app()


def _set_up_django() -> None:
    """Set Django up, if the environment names the settings of a project."""
    if not os.environ.get("DJANGO_SETTINGS_MODULE"):
        return
    if "" not in sys.path:
        sys.path.insert(0, "")  # as `manage.py` does: a project lies where one works

    def set_up() -> None:
        import django  # noqa: PLC0415 - only a project of Django has it

        django.setup()

    done: object = called(set_up)
    if type(done) is Raised:
        msg = f"DJANGO_SETTINGS_MODULE: Django cannot be set up: {done.kind}: {done.error}"
        raise BadArgumentError(msg)


def _grow(tree: Tree, fields: tuple[ExplainedField, ...]) -> None:
    for each in fields:
        label = Text.assemble((each.name, "bold"), ": ", line_of(each))
        if each.reason is not None:
            label.stylize("red")
        _grow(tree.add(label), each.fields)
