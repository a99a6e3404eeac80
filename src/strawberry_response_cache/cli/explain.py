"""`explain`: whether, how long and for whom operations are cached, and why not."""

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Final, NamedTuple

import typer
from graphql import (
    DocumentNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    print_ast,
)
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from strawberry_response_cache.cli.arguments import Json, OperationName, Schema, Variables
from strawberry_response_cache.cli.documents import FoundOperation, operations_in
from strawberry_response_cache.cli.inputs import BadArgumentError, schema_of, variables_of
from strawberry_response_cache.cli.terminal import Terminal, end_command, speaking
from strawberry_response_cache.graphql._explain import explain as explain_one
from strawberry_response_cache.graphql._explain import explain_each
from strawberry_response_cache.graphql._explanation import ExplainedField, Explanation, line_of
from strawberry_response_cache.graphql.policy.reasons import Reason

_WIDEST: Final = 100_000
"""A width in columns that no table exceeds."""


class ExplainFinding(StrEnum):
    """What `explain` may fail on."""

    UNCACHEABLE = "uncacheable"


def explain(
    context: typer.Context,
    schema: Schema,
    query: Annotated[
        str,
        typer.Argument(
            help="A file that holds a document; a directory of .graphql files, which share their fragments; a "
            "manifest of persisted queries, Apollo's or Relay's; - reads a document from stdin."
        ),
    ],
    *,
    variables: Variables = "{}",
    operation: OperationName = None,
    default_ttl: Annotated[
        float | None,
        typer.Option(help="Instead of the extension's, in seconds.", show_default=False),
    ] = None,
    fail_on: Annotated[
        ExplainFinding | None,
        typer.Option(help="Exit with 1 if a query is not cached.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say whether, how long and for whom operations are cached, and why not.

    One operation is explained field by field. Several make a table, in which each @include and @skip leaves its field
    in.
    """
    with speaking(context) as terminal:
        loaded, values = schema_of(schema), variables_of(variables)
        found, text = operations_in(query)
        if operation is not None or len(found) == 1:
            whole = _chosen(found, operation) if text is None else text
            explanation = explain_one(loaded, whole, values, operation, default_ttl)
            if as_json:
                terminal.json(asdict(explanation))
            else:
                _say_tree(terminal, explanation)
            end_command(fail_on is None or _is_fine(explanation))
            return
        if values:
            msg = f"{query} holds {len(found)} operations: --variables needs --operation."
            raise BadArgumentError(msg)
        explained = explain_each(loaded, (each.document for each in found), default_ttl)
        rows = [_Row(one.where, *rest) for one, rest in zip(found, explained, strict=True)]
        if as_json:
            terminal.json([_row_as_json(row) for row in rows])
        else:
            _say_table(terminal, rows)
        if invalid := sum(isinstance(row.said, GraphQLError) for row in rows):
            msg = f"{invalid} of {len(rows)} operations are not valid for this schema."
            raise BadArgumentError(msg)
        end_command(fail_on is None or all(_is_fine(row.said) for row in rows))


class _Row(NamedTuple):
    """An operation of several.

    Attributes:
        where: Its file, or its id in a manifest.
        name: Its name.
        kind: What it is.
        said: Its explanation, or why it is not valid.
    """

    where: str
    name: str
    kind: OperationType
    said: Explanation | GraphQLError


def _chosen(found: list[FoundOperation], name: str | None) -> str:
    """Return the document of the operation with a name, among those of several files."""
    documents = [each.document for each in found]
    if name is not None:
        named = [each for each in documents if _name_of_operation(each) == name]
        if len(named) != 1:
            msg = f"{len(named)} operations are named {name}."
            raise BadArgumentError(msg)
        documents = named
    return print_ast(documents[0])


def _name_of_operation(document: DocumentNode) -> str | None:
    (operation,) = (
        each for each in document.definitions if isinstance(each, OperationDefinitionNode)
    )
    return None if operation.name is None else operation.name.value


def _is_fine(said: Explanation | GraphQLError) -> bool:
    """Whether an operation is cached, or is no query."""
    return isinstance(said, Explanation) and (said.cacheable or said.reason in _NO_QUERIES)


_NO_QUERIES: Final = frozenset({Reason.MUTATION, Reason.SUBSCRIPTION})


# -- For people --------------------------------------------------------------------------------------


def _say_tree(terminal: Terminal, explanation: Explanation) -> None:
    terminal.say(explanation.verdict, "bold green" if explanation.cacheable else "bold red")
    if explanation.reason is not None:
        terminal.say(f"See docs/why-not-cached.md#{explanation.reason.value}")
    tree = Tree("", hide_root=True)
    _grow(tree, explanation.fields)
    terminal.console.print(tree)
    for note in explanation.notes:
        terminal.say(f"Note: {note}", "yellow")


def _grow(tree: Tree, fields: tuple[ExplainedField, ...]) -> None:
    for each in fields:
        label = Text.assemble((each.name, "bold"), ": ", line_of(each))
        if each.reason is not None:
            label.stylize("red")
        _grow(tree.add(label), each.fields)


def _say_table(terminal: Terminal, rows: list[_Row]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in ("Operation", "Cached", "ttl", "Scope", "Limited by", "Reason"):
        table.add_column(column, no_wrap=True)
    notes: dict[str, None] = {}
    for row in rows:
        name, said = row.name or row.where, row.said
        if isinstance(said, GraphQLError):
            table.add_row(name, "invalid", "", "", "", said.message, style="red")
            continue
        notes |= dict.fromkeys(said.notes)
        style = "green" if said.cacheable else "" if said.reason in _NO_QUERIES else "red"
        table.add_row(
            name,
            "yes" if said.cacheable else "no",
            f"{said.ttl:g} s" if said.ttl is not None else "",
            said.scope.value if said.scope is not None else "",
            said.limited_by or "",
            said.reason.value if said.reason is not None else "",
            style=style,
        )
    # A table that is cut at the width of a terminal could not be read by scripts.
    # The console measures and prints no wider than itself.
    console = terminal.console
    wide = console.options.update(width=_WIDEST)
    console.width = max(console.width, console.measure(table, options=wide).maximum)
    console.print(table)
    for note in notes:
        terminal.say(f"Note: {note}", "yellow")


# -- For scripts -------------------------------------------------------------------------------------


def _row_as_json(row: _Row) -> dict[str, object]:
    said = row.said
    about: dict[str, object] = {
        "operation": row.name,
        "where": row.where,
        "type": row.kind.value,
    }
    if isinstance(said, GraphQLError):
        return about | {"invalid": said.message}
    whole = asdict(said)
    del whole["fields"]
    return about | whole
