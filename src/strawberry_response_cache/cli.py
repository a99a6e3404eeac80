"""The command `strawberry-response-cache`; it needs the extra `cli`."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

from graphql import GraphQLError
from strawberry.schema import Schema
from strawberry.utils.importer import import_module_symbol

from strawberry_response_cache.core import CacheConfigurationError
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
        explanation = explain(
            _schema(schema), _document(query), _variables(variables), operation, default_ttl
        )
    except (_BadArgumentError, CacheConfigurationError, GraphQLError) as error:
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


class _BadArgumentError(Exception):
    """An argument of the command line is not what it should be."""


def _schema(selector: str) -> Schema:
    if "" not in sys.path:
        sys.path.insert(0, "")  # as `python -m` does: a schema lies where one works
    try:
        found = import_module_symbol(selector, default_symbol_name="schema")
    except (ImportError, AttributeError, ValueError) as error:
        msg = f"{selector}: {error}. Write it as module:schema, such as ledger.api:schema."
        raise _BadArgumentError(msg) from None
    if not isinstance(found, Schema):
        msg = f"{selector} is a {type(found).__name__} and no strawberry.Schema."
        raise _BadArgumentError(msg)
    return found


def _document(path: str) -> str:
    if path == "-":
        return sys.stdin.read()
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}."
        raise _BadArgumentError(msg) from None


def _variables(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        msg = """--variables is a JSON object, such as --variables '{"first": 10}'."""
        raise _BadArgumentError(msg)
    return values


def _grow(tree: Tree, fields: tuple[ExplainedField, ...]) -> None:
    for each in fields:
        label = Text.assemble((each.name, "bold"), ": ", line_of(each))
        if each.reason is not None:
            label.stylize("red")
        _grow(tree.add(label), each.fields)
