"""The arguments that commands share, and the cache that they name."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

import typer

from strawberry_response_cache.cli.inputs import BadArgumentError, schema_of
from strawberry_response_cache.cli.terminal import Terminal, speaking
from strawberry_response_cache.core import CacheSettings, RedisHandle, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._environment import PREFIX, URL
from strawberry_response_cache.graphql._options import options_of

Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Url: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="The server. Other users of the machine see it in the list of processes: a password belongs into "
        f"{URL} in the environment.",
        show_default=False,
    ),
]
Prefix: TypeAlias = Annotated[
    str | None, typer.Option(help=f"The name of the cache, else {PREFIX}.", show_default=False)
]
OfSchema: TypeAlias = Annotated[
    str | None,
    typer.Option("--schema", help="Take the cache of this schema's extension.", show_default=False),
]
OfTenant: TypeAlias = Annotated[
    str | None, typer.Option("--tenant", help="Whose entries.", show_default=False)
]
Schema: TypeAlias = Annotated[str, typer.Argument(help="The schema, such as ledger.api:schema.")]
Variables: TypeAlias = Annotated[
    str, typer.Option(help="The request's variables, as a JSON object.")
]
OperationName: TypeAlias = Annotated[
    str | None, typer.Option(help="Which operation, if there are several.", show_default=False)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLocation:
    """Which cache a command is for.

    Attributes:
        url: The server's URL.
        prefix: The name of the cache.
        schema: The schema whose extension has it.
    """

    url: str | None = None
    prefix: str | None = None
    schema: str | None = None


@contextmanager
def asked(context: typer.Context, where: CacheLocation) -> Iterator[tuple[Terminal, ResponseCache]]:
    """Provide the terminal of a command and the cache that it is for; see `speaking` and `opened`."""
    with speaking(context) as terminal, opened(terminal, where) as cache:
        yield terminal, cache


@contextmanager
def opened(terminal: Terminal, where: CacheLocation) -> Iterator[ResponseCache]:
    """Open the cache that is named on the command line, by a schema, by a project or by the environment.

    Raises:
        BadArgumentError: If it is in the memory of another process.
        CacheConfigurationError: If none is named, or not completely.
    """
    is_of_project = where == CacheLocation() and terminal.cache is not None
    cache = _cache_of(terminal, where)
    if tenant_of(cache).engine.handle.address == "memory://":
        msg = "memory:// is a server inside each process: this one cannot reach the others."
        raise BadArgumentError(msg)
    try:
        yield cache
    finally:
        if not is_of_project:
            cache.close()


def _cache_of(terminal: Terminal, where: CacheLocation) -> ResponseCache:
    if (where.url is None) is not (where.prefix is None):
        msg = "--url and --prefix go together, or write neither: see --help."
        raise BadArgumentError(msg)
    if where.url is not None and where.prefix is not None:
        return ResponseCache(
            RedisHandle.from_url(where.url),
            prefix=where.prefix,
            settings=CacheSettings.from_environment(),
            telemetry=False,
        )
    if where.schema is not None:
        options = options_of(schema_of(where.schema))
        if options is None:
            msg = f"{where.schema} has no ResponseCacheExtension, which would name the server."
            raise BadArgumentError(msg)
        return options.cache
    if terminal.cache is not None:
        return terminal.cache()
    return ResponseCache.from_environment(telemetry=False)


def of_tenant(cache: ResponseCache, tenant: str | None) -> ResponseCache:
    """Return the cache of a tenant; the cache itself without one."""
    return cache if tenant is None else cache.for_tenant(tenant)


def values_of(pairs: list[str]) -> dict[str, Any]:
    """Read the values of ``--vary``.

    Args:
        pairs: Each ``name=value``; a value that is JSON counts as that, any other as text.

    Raises:
        BadArgumentError: If one has no name.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not name or not equals:
            msg = "--vary is a name and a value, such as --vary locale=en."
            raise BadArgumentError(msg)
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values
