"""Where the time of one operation goes: `uv run python -m benchmarks.spent`.

Each subject of `benchmarks.execute` runs in many short windows under a profiler. For each function the window in which it
took least counts, so that other work of the machine does not. The shares are applied to the processor time of a call without
the profiler. A profiler makes small functions look larger than they are: compare the rows.

`--headers` tells instead what the headers of a hit cost beside making the framework's own response, for each framework that
is installed: the processor time of the round that had least, in rounds that alternate.
"""

import argparse
import asyncio
import cProfile
import itertools
import logging
import pstats
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, suppress
from typing import Any, Final

import strawberry
from strawberry.extensions import ParserCache, ValidationCache

from benchmarks.core.server import Server
from benchmarks.execute import CACHED, UNCACHED, Call, Preset, Query, executing
from strawberry_response_cache import ResponseCache, ResponseCacheExtension
from strawberry_response_cache.graphql.http.freshness import Freshness
from strawberry_response_cache.graphql.http.response_headers import ResponseHeaders
from strawberry_response_cache.graphql.http.rules import HeaderOptions

_WINDOWS: Final = 30
_ROUNDS: Final = 200
_RESPONSES: Final = 200
_CALLS: Final = 10
_PARTS: Final = (
    (
        "strawberry_response_cache/graphql/execution/documents",
        "the document: known text, known rules",
    ),
    ("strawberry_response_cache/core/_bounded", "the operation: recognised, or looked at"),
    ("strawberry_response_cache/graphql/keys", "the operation: recognised, or looked at"),
    (
        "strawberry_response_cache/graphql/_compat/executor",
        "the operation: recognised, or looked at",
    ),
    (
        "strawberry_response_cache/graphql/_compat/operation",
        "the operation: recognised, or looked at",
    ),
    (
        "strawberry_response_cache/graphql/execution/considered",
        "the operation: recognised, or looked at",
    ),
    ("strawberry_response_cache/graphql/policy", "the operation: recognised, or looked at"),
    (
        "strawberry_response_cache/graphql/_request",
        "who asks, and what the request asks of the cache",
    ),
    ("strawberry_response_cache/graphql/http", "who asks, and what the request asks of the cache"),
    (
        "strawberry_response_cache/core/_user_code",
        "who asks, and what the request asks of the cache",
    ),
    (
        "strawberry_response_cache/graphql/execution/serializer",
        "the entry: read or written as JSON",
    ),
    ("strawberry_response_cache/core/serialization", "the entry: read or written as JSON"),
    ("pydantic_core", "the entry: read or written as JSON"),
    (
        "strawberry_response_cache/graphql/execution",
        "the answer: key, lookup, counting, what is told",
    ),
    (
        "strawberry_response_cache/graphql/_report",
        "the answer: key, lookup, counting, what is told",
    ),
    ("strawberry_response_cache/telemetry", "the answer: key, lookup, counting, what is told"),
    ("strawberry_response_cache/graphql", "hooks, phases and the guard"),
    (
        "strawberry_response_cache/core/redis",
        "Redis: connection, commands, replies, the event loop",
    ),
    ("/asyncio/", "Redis: connection, commands, replies, the event loop"),
    ("selectors.py", "Redis: connection, commands, replies, the event loop"),
    ("strawberry_response_cache/core/protocol", "the algorithm: flights, leases, entries"),
    ("strawberry_response_cache/core/algorithm", "the algorithm: flights, leases, entries"),
    ("strawberry_response_cache/core/drivers", "the algorithm: flights, leases, entries"),
    ("strawberry_response_cache/core", "the answer: key, lookup, counting, what is told"),
    ("/strawberry/", "Strawberry"),
    ("/contextlib.py", "Strawberry"),
    ("/graphql/", "graphql-core"),
)
_OTHER: Final = "the rest: typing, functools, json"
_TOGETHER: Final = "together"
_NUMBER: Final = "calls of Python's functions"


def _part(place: str) -> str:
    return next((part for path, part in _PARTS if path in place), _OTHER)


def _least(windows: list[dict[Any, Any]]) -> Counter[str]:
    """Return the own time of each part; that of a function in C counts for who calls it."""
    own: dict[tuple[str, str], float] = {}
    for stats in windows:
        for (place, _, name), (_, _, taken, _, callers) in stats.items():
            parts = {(place, name): taken}
            if place == "~" and callers and "pydantic_core" not in name:
                parts = {}
                for (caller, _, _), (_, _, of_caller, _) in callers.items():
                    key = caller, name
                    parts[key] = parts.get(key, 0.0) + of_caller
            for (at, what), time_taken in parts.items():
                key = (what if at == "~" else at), what
                own[key] = min(own.get(key, time_taken), time_taken)
    found: Counter[str] = Counter()
    for (place, _), taken in own.items():
        found[_part(place)] += taken  # type: ignore[assignment] # seconds
    return found


async def spent(call: Call) -> dict[str, float]:
    """Return the processor time of a call, in µs, by part; and how many functions of Python it calls."""
    for _ in range(50):
        await call()
    windows: list[dict[Any, Any]] = []
    least = float("inf")
    for _ in range(_WINDOWS):
        began = time.process_time()
        for _ in range(_CALLS):
            await call()
        least = min(least, time.process_time() - began)
        profile = cProfile.Profile()
        profile.enable()
        for _ in range(_CALLS):
            await call()
        profile.disable()
        windows.append(pstats.Stats(profile).stats)  # type: ignore[attr-defined] # it is not in the stub
    parts = _least(windows)
    whole = sum(parts.values())
    found = {part: least / _CALLS * 1e6 * taken / whole for part, taken in parts.items()}
    last = windows[-1].items()
    calls = sum(number for (place, *_), (_, number, *_) in last if place != "~") / _CALLS
    return found | {_TOGETHER: sum(found.values()), _NUMBER: calls}


async def measured(server: Server) -> dict[str, dict[str, float]]:
    """Return what each subject spends, by part."""
    numbers, same = itertools.count(1), itertools.repeat(0)
    caches = [ParserCache, ValidationCache]
    bare = strawberry.Schema(Query, extensions=caches)
    Preset.data = (await bare.execute(CACHED, {"count": 1, "edition": 0})).data or {}
    preset = strawberry.Schema(Query, extensions=[*caches, Preset])

    async with AsyncExitStack() as stack:

        async def ours(local_bytes: int, query: str, editions: Iterator[int]) -> Call:
            cache = ResponseCache.from_url(server.url, prefix="spent", local_bytes=local_bytes)
            await stack.enter_async_context(cache)
            extension = ResponseCacheExtension(cache, tenant=None)
            return executing(strawberry.Schema(Query, extensions=[extension]), query, 1, editions)

        subjects = {
            "preset": executing(preset, CACHED, 1, same),
            "local hit": await ours(64_000_000, CACHED, same),
            "Redis hit": await ours(0, CACHED, same),
            "miss": await ours(0, CACHED, numbers),
            "bare": executing(bare, UNCACHED, 1, numbers),
            "uncacheable": await ours(0, UNCACHED, numbers),
        }
        return {name: await spent(call) for name, call in subjects.items()}


_BODY: Final = b'{"data": {"title": "Emma"}}'
_SENT: Final = {"host": "a", "user-agent": "b", "accept": "*/*", "content-type": "application/json"}
_OPTIONS: Final = HeaderOptions(vary={})


def frameworks() -> Iterator[tuple[str, Callable[[], Any], object]]:
    """Return what makes the response of each framework that is installed, and a request of it."""
    with suppress(ImportError):
        from starlette.requests import Request
        from starlette.responses import Response

        lines = [(name.encode(), value.encode()) for name, value in _SENT.items()]
        asked = Request({"type": "http", "method": "POST", "headers": lines})
        yield "Starlette", lambda: Response(_BODY, media_type="application/json"), asked
    with suppress(ImportError):
        import django.http
        from django.conf import settings

        settings.configure()
        names = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in _SENT.items()}
        django_request = django.http.HttpRequest()
        django_request.META = names
        yield (
            "Django",
            lambda: django.http.HttpResponse(_BODY, content_type="application/json"),
            django_request,
        )
    with suppress(ImportError):
        from aiohttp import web
        from aiohttp.test_utils import make_mocked_request

        yield (
            "aiohttp",
            lambda: web.Response(body=_BODY, content_type="application/json"),
            make_mocked_request("POST", "/", headers=_SENT),
        )
    with suppress(ImportError):  # last: where Flask is loaded, its session is looked for
        import flask

        app = flask.Flask("benchmark")
        with app.test_request_context(headers=_SENT):
            yield (
                "Flask",
                lambda: flask.Response(_BODY, mimetype="application/json"),
                flask.request,
            )


def headers_of_a_hit(response: object, request: object) -> None:
    """Write the headers of a hit, as a view does."""
    headers = ResponseHeaders(_OPTIONS)
    headers.begin()
    headers.end(Freshness(lifetime=60, stale=30, age=7, is_shared=True))
    headers.write(response, request, is_sent=True)


def show_headers() -> None:
    """Measure headers beside responses, and print a table."""
    print("| framework | its response, µs | headers, µs | ratio |\n| --- | --- | --- | --- |")
    for name, make, request in frameworks():

        def plain(make: Callable[[], Any] = make) -> None:
            make()

        def told(make: Callable[[], Any] = make, request: object = request) -> None:
            headers_of_a_hit(make(), request)

        times: dict[Callable[[], None], list[float]] = {plain: [], told: []}
        for _ in range(_ROUNDS):
            for call, found in times.items():
                began = time.process_time()
                for _ in range(_RESPONSES):
                    call()
                found.append((time.process_time() - began) / _RESPONSES * 1e6)
        alone = min(times[plain])
        more = min(times[told]) - alone
        print(f"| {name} | {alone:.1f} | {more:.1f} | {more / alone:.2f} |", flush=True)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="benchmarks.spent", description=__doc__)
    parser.add_argument("--headers", action="store_true", help="what the headers of a hit cost")
    if parser.parse_args().headers:
        show_headers()
        return
    logging.getLogger("strawberry_response_cache").setLevel(logging.ERROR)
    with Server() as server:
        found = asyncio.run(measured(server))
    parts = dict.fromkeys([*(part for _, part in _PARTS), _OTHER, _TOGETHER, _NUMBER])
    print("| µs of the processor, one object |", " | ".join(found), "|")
    print("| --- |", " | ".join("---" for _ in found), "|")
    for part in parts:
        cells = (f"{each[part]:.0f}" if part in each else "" for each in found.values())
        print(f"| {part} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
