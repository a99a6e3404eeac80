"""`ping` and `stats`: the servers of a cache, and what they hold of it."""

from enum import StrEnum
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, TaskProgressColumn, TextColumn

from strawberry_response_cache.cli.arguments import (
    CacheLocation,
    Json,
    OfSchema,
    OfTenant,
    Prefix,
    Url,
    asked,
    of_tenant,
)
from strawberry_response_cache.cli.terminal import Terminal, end_command
from strawberry_response_cache.core import ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._inspection import Census, Inspection, Server

_OLDEST: Final = 7
_EVICTS_WELL: Final = frozenset({"allkeys-lfu", "allkeys-lru", "volatile-lfu", "volatile-lru"})


class PingFinding(StrEnum):
    """What `ping` may fail on besides a server that does not answer."""

    ADVICE = "advice"


def ping(
    context: typer.Context,
    *,
    fail_on: Annotated[
        PingFinding | None, typer.Option(help="Exit with 1 also for this.", show_default=False)
    ] = None,
    url: Url = None,
    prefix: Prefix = None,
    schema: OfSchema = None,
    as_json: Json = False,
) -> None:
    """Ask each server what it is, how far away, and whether it is set up well for a cache."""
    with asked(context, CacheLocation(url=url, prefix=prefix, schema=schema)) as (terminal, cache):
        settings = tenant_of(cache).engine.settings
        found = [
            (server, list(advice_on_server(server, settings.read_deadline)))
            for server in Inspection(cache).servers()
        ]
        if as_json:
            terminal.json([_server_as_json(server) | {"advice": said} for server, said in found])
        else:
            for server, said in found:
                _say_server(terminal, server, said)
        has_advice = any(said for _, said in found)
        end_command(not (has_advice and fail_on is PingFinding.ADVICE))


def advice_on_server(server: Server, read_deadline: float) -> "list[str]":
    """Return what is not set up well for a cache."""
    advice = []
    if server.software == "redis" and int(server.version.partition(".")[0] or 0) < _OLDEST:
        advice.append("Redis is older than 7, which is the oldest supported.")
    if server.role == "slave":
        advice.append("It is a replica, which takes no writes: name the primary, or Sentinel.")
    if server.max_bytes == 0:
        advice.append(
            "maxmemory is not set, so it grows until the machine has no memory left: set maxmemory, and "
            "maxmemory-policy allkeys-lfu."
        )
    elif server.policy == "noeviction":
        advice.append(
            "maxmemory-policy noeviction refuses new entries when it is full: set allkeys-lfu."
        )
    elif server.policy not in _EVICTS_WELL:
        advice.append(
            f"maxmemory-policy {server.policy} evicts what is asked for often as well: allkeys-lfu keeps that."
        )
    if server.round_trip > read_deadline / 2:
        advice.append(
            f"A round trip takes more than half of read_deadline, {read_deadline * 1000:g} ms: raise it to several "
            "round trips."
        )
    return advice


def _server_as_json(server: Server) -> dict[str, object]:
    return {
        "server": server.name,
        "software": server.software,
        "version": server.version,
        "run_id": server.run_id,
        "role": server.role,
        "maxmemory": server.max_bytes,
        "maxmemory_policy": server.policy,
        "used_memory": server.used_bytes,
        "evicted_keys": server.evicted,
        "round_trip_seconds": server.round_trip,
    }


def _say_server(terminal: Terminal, server: Server, advice: list[str]) -> None:
    limit = _bytes(server.max_bytes) if server.max_bytes else "no limit"
    terminal.say(f"{server.name} answers.", "bold green")
    terminal.say(f"  server    {server.software} {server.version}, {server.role}")
    terminal.say(f"  run id    {server.run_id}")
    terminal.say(f"  memory    {_bytes(server.used_bytes)} of {limit}, {server.policy}")
    terminal.say(f"  evicted   {server.evicted} keys since its start")
    terminal.say(f"  distance  {server.round_trip * 1000:.2f} ms")
    for each in advice:
        terminal.say(f"  {each}", "yellow")


def stats(
    context: typer.Context,
    *,
    tenant: OfTenant = None,
    url: Url = None,
    prefix: Prefix = None,
    schema: OfSchema = None,
    as_json: Json = False,
) -> None:
    """Count entries, tenants and tags, and what they take. It reads the servers in small steps."""
    with asked(context, CacheLocation(url=url, prefix=prefix, schema=schema)) as (terminal, cache):
        census = _counted(terminal, of_tenant(cache, tenant), only_this_tenant=tenant is not None)
        if as_json:
            terminal.json(_census_as_json(census))
        else:
            whose = "" if tenant is None else "for this tenant "
            _say_census(
                terminal, census, f"{whose}under the prefix {tenant_of(cache).keyspace.prefix}"
            )


def _counted(terminal: Terminal, cache: ResponseCache, *, only_this_tenant: bool) -> Census:
    inspection = Inspection(cache)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    census = Census()
    with terminal.progress("Reading keys", *columns, total=inspection.all_keys()) as update:
        for step in inspection.census(only_this_tenant=only_this_tenant):
            if isinstance(step, Census):
                census = step
            else:
                update(advance=step)
    return census


def _census_as_json(census: Census) -> dict[str, object]:
    return {
        "entries": census.entries,
        "entry_bytes": census.entry_bytes,
        "leases": census.leases,
        "tenants": census.tenants,
        "tag_tables": census.tag_tables,
        "tag_table_bytes": census.table_bytes,
        "invalidated_tags": census.invalidated_tags,
        "largest_tenants": [
            {"tenant": name, "entries": entries, "bytes": size}
            for name, entries, size in census.largest
        ],
    }


def _say_census(terminal: Terminal, census: Census, whose: str) -> None:
    if not census.tenants:
        terminal.say(f"Nothing is stored {whose}.")
        return
    each = f", {census.entry_bytes // census.entries} bytes each" if census.entries else ""
    terminal.say(f"entries     {census.entries} in {_bytes(census.entry_bytes)}{each}")
    terminal.say(f"leases      {census.leases}, each for a value that is being generated")
    terminal.say(f"tenants     {census.tenants}")
    terminal.say(f"tag tables  {census.tag_tables} in {_bytes(census.table_bytes)}")
    terminal.say(
        f"tags        {census.invalidated_tags} invalidated, with their families: Account:1 and Account:* are two"
    )
    if len(census.largest) > 1:
        terminal.say("The largest tenants, by the hash of their name:")
        for name, entries, size in census.largest:
            terminal.say(f"  {name or '(no tenant)':16}  {entries:>8} entries  {_bytes(size)}")


def _bytes(number: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if number < 1024:  # noqa: PLR2004 - of the units
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"
