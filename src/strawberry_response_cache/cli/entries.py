"""`key` and `forget`: the entry of one operation, or of one key of `ResponseCache.remember`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final, NoReturn, TypeAlias

import typer

from strawberry_response_cache.cli.arguments import (
    CacheLocation,
    Json,
    OfTenant,
    OperationName,
    Prefix,
    Url,
    Variables,
    of_tenant,
    opened,
    values_of,
)
from strawberry_response_cache.cli.inputs import (
    BadArgumentError,
    document_of,
    schema_of,
    variables_of,
)
from strawberry_response_cache.cli.terminal import Code, Terminal, end_command, speaking
from strawberry_response_cache.core import ResponseCache
from strawberry_response_cache.core._inspection import EntryState, InspectedEntry, Inspection
from strawberry_response_cache.graphql._inspect import OperationEntry, Requester

_OfSchema: TypeAlias = Annotated[
    str | None, typer.Argument(metavar="[SCHEMA]", help="The schema, such as ledger.api:schema.")
]
_Query: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="[QUERY]", help="A file that holds the document; - reads it from stdin."
    ),
]
_Part: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        help="A part of a key of ResponseCache.remember, in place of a schema and a document; once for each part.",
        show_default=False,
    ),
]
_Session: TypeAlias = Annotated[
    str | None, typer.Option(help="Whose session, for PRIVATE data.", show_default=False)
]
_Vary: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(help="What the extension's vary returns, as name=value.", show_default=False),
]

_STATES: Final = {
    EntryState.FRESH: "Present, and fresh.",
    EntryState.STALE: "Present, and stale: it is served while a caller refreshes it.",
    EntryState.ABSENT: "Absent: it was never stored, its ttl ended, or the server evicted it.",
    EntryState.CLEARED: "Ended: the tenant was cleared, or the server lost or evicted its tag table.",
    EntryState.RESTARTED: "Ended: the server restarted or failed over since, and may lack an invalidation.",
    EntryState.INVALIDATED: "Ended by an invalidation.",
    EntryState.BELOW_FLOOR: "Ended: the tenant has invalidated more than max_tags tags since.",
    EntryState.UNREADABLE: "Unreadable: it is damaged, and the next request replaces it.",
}


def key(
    context: typer.Context,
    schema: _OfSchema = None,
    query: _Query = None,
    *,
    part: _Part = None,
    variables: Variables = "{}",
    operation: OperationName = None,
    tenant: OfTenant = None,
    session: _Session = None,
    vary: _Vary = None,
    url: Url = None,
    prefix: Prefix = None,
    as_json: Json = False,
) -> None:
    """Say whether an operation is stored, or why not; exit with 1 if it is not."""
    with _terminal_and_cache(context, schema, part, url, prefix) as (terminal, cache):
        if part:
            _say(terminal, Inspection(of_tenant(cache, tenant)).entry(part), as_json=as_json)
            return
        entry = _entry_of(cache, schema, query, variables, operation)
        found = entry.look(Requester(tenant, session, values_of(vary or [])))
        if found.entry is not None:
            _say(terminal, found.entry, as_json=as_json)
            return
        _say_without_entry(terminal, entry, "present", as_json=as_json)


def forget(
    context: typer.Context,
    schema: _OfSchema = None,
    query: _Query = None,
    *,
    part: _Part = None,
    variables: Variables = "{}",
    operation: OperationName = None,
    tenant: OfTenant = None,
    session: _Session = None,
    vary: _Vary = None,
    url: Url = None,
    prefix: Prefix = None,
    as_json: Json = False,
) -> None:
    """Invalidate the entry of one operation, and what was built from it; exit with 1 if it has none."""
    with _terminal_and_cache(context, schema, part, url, prefix) as (terminal, cache):
        fields: list[str] = []
        if part:
            of_tenant(cache, tenant).forget_sync(part)
        else:
            entry = _entry_of(cache, schema, query, variables, operation)
            fields = entry.fields
            if not entry.is_whole:
                _say_without_entry(terminal, entry, "forgotten", as_json=as_json)
            entry.forget(Requester(tenant, session, values_of(vary or [])))
        if as_json:
            terminal.json({"forgotten": True, "fields": fields})
        else:
            terminal.say("Forgotten.")
            _say_fields(terminal, fields)


def _say_without_entry(
    terminal: Terminal, entry: OperationEntry, answer: str, *, as_json: bool
) -> NoReturn:
    """Say that an operation has no entry, and end the command.

    Args:
        terminal: Prints the message.
        entry: The operation.
        answer: The member of the JSON document that is false.
        as_json: Whether JSON is printed.
    """
    reason = entry.explanation.reason
    if as_json:
        said = {answer: False, "reason": None if reason is None else reason.value}
        terminal.json(said | {"fields": entry.fields})
    else:
        terminal.say(entry.explanation.verdict, "red")
        _say_fields(terminal, entry.fields)
    raise typer.Exit(int(Code.NO))


def _say_fields(terminal: Terminal, fields: list[str]) -> None:
    """Say which fields have entries of their own. No command shows these: their keys depend on parent objects."""
    if fields:
        terminal.say(
            f"These fields have entries of their own: {', '.join(fields)}. Invalidate their tags to end them."
        )


@contextmanager
def _terminal_and_cache(
    context: typer.Context,
    schema: str | None,
    part: list[str] | None,
    url: str | None,
    prefix: str | None,
) -> Iterator[tuple[Terminal, ResponseCache]]:
    with speaking(context) as terminal:
        if bool(part) is (schema is not None):
            msg = "Write a schema and a document, or --part once for each part of a key."
            raise BadArgumentError(msg)
        with opened(terminal, CacheLocation(url=url, prefix=prefix, schema=schema)) as cache:
            yield terminal, cache


def _entry_of(
    cache: ResponseCache,
    schema: str | None,
    query: str | None,
    variables: str,
    operation: str | None,
) -> OperationEntry:
    if schema is None or query is None:
        msg = "Name the file that holds the document after the schema; - reads it from stdin."
        raise BadArgumentError(msg)
    return OperationEntry(
        schema_of(schema),
        document_of(query),
        variables=variables_of(variables),
        operation_name=operation,
        cache=cache,
    )


def _say(terminal: Terminal, entry: InspectedEntry, *, as_json: bool) -> None:
    if as_json:
        terminal.json(
            {
                "present": entry.is_served,
                "state": entry.state.value,
                "ttl": entry.ttl,
                "stale": entry.stale,
                "age": entry.age,
                "size": entry.size,
                "scope": "PRIVATE" if entry.is_private else "PUBLIC",
                "tags": entry.tags,
                "other_tags": entry.other_tags,
                "ended_by": entry.ended_by,
                "generated_now": entry.is_generated,
            }
        )
    else:
        for line in _lines_of_entry(entry):
            terminal.say(line)
    end_command(entry.is_served)


def _lines_of_entry(entry: InspectedEntry) -> Iterator[str]:
    ended = f" Tags: {', '.join(entry.ended_by)}." if entry.ended_by else ""
    yield _STATES[entry.state] + ended
    if entry.state not in {EntryState.ABSENT, EntryState.UNREADABLE}:
        yield f"ttl    {entry.ttl:.1f} s left, then stale for {entry.stale:g} s; stored {entry.age:.1f} s ago"
        yield f"size   {entry.size} bytes as stored"
        yield f"scope  {'PRIVATE' if entry.is_private else 'PUBLIC'}"
        others = f"{entry.other_tags} whose names are not known" if entry.other_tags else ""
        yield f"tags   {', '.join([*entry.tags, *filter(None, [others])]) or 'none'}"
    if entry.is_generated:
        yield "A caller generates it now."
