"""Log lines say in their text what ordinary formatters would leave out: server, error and field."""

import ast
import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import redis
import redis.asyncio

import strawberry_response_cache
from strawberry_response_cache.core import RedisHandle, ResponseCache
from strawberry_response_cache.core import _interval as interval_module
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._interval import Interval
from strawberry_response_cache.core._observer import Guarded, LookedUp, Observer, Subject
from tests.conftest import Eventually, driver_of
from tests.core.logs import facts_of, ours

SECRET = "s3cret"
PACKAGE = Path(strawberry_response_cache.__file__).parent
CORE = sorted([*(PACKAGE / "core").rglob("*.py"), PACKAGE / "graphql/annotations/invalidates.py"])


# -- All lines of the core -------------------------------------------------------------------------------


def lines() -> dict[str, ast.Call]:
    found = {}
    for path in CORE:
        text = path.read_text("utf-8")
        for node in ast.walk(ast.parse(text)) if "logger." in text else ():
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "logger"
            ):
                found[f"{path.relative_to(PACKAGE)}:{node.lineno}"] = node
    return found


def test_every_log_line_of_the_core_has_a_value_in_its_text_and_in_extra() -> None:
    found = lines()
    assert len(found) > 10
    for where, line in found.items():
        text = line.args[0]
        assert isinstance(text, ast.Constant), where
        assert "%s" in str(text.value), where
        assert "purge" not in str(text.value), where
        named = {keyword.arg for keyword in line.keywords}
        assert "extra" in named, where
        assert "exc_info" not in named, where  # it holds the error's text


# -- Which server ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (f"redis://user:{SECRET}@example:6380/2", "example:6380"),
        (f"rediss://:{SECRET}@example", "example:6379"),
        ("redis://[::1]:6380", "[::1]:6380"),
        (f"unix://:{SECRET}@/run/redis.sock", "unix:///run/redis.sock"),
        (f"redis+cluster://:{SECRET}@one,two:7000", "one:6379,two:7000"),
        (
            f"redis+sentinel://:{SECRET}@one,two:7000/ledger/3",
            "ledger (through Sentinels at one:26379,two:7000)",
        ),
        ("memory://", "memory://"),
    ],
)
def test_a_handle_of_a_url_names_its_server(url: str, place: str) -> None:
    handle = RedisHandle.from_url(url)
    assert handle.place == place
    assert SECRET not in repr(handle)
    source: Any = handle._address.source(False)
    shown = getattr(source, "template", source).shown
    assert SECRET not in shown
    assert shown == (
        f"{place.partition(' at ')[0]})" if " at " in place else place.split(",", maxsplit=1)[0]
    )


@pytest.mark.parametrize("kind", [redis.Redis, redis.asyncio.Redis])
def test_a_handle_of_a_client_names_its_server(kind: Any) -> None:
    client = kind(host="example", port=6380, password=SECRET, socket_timeout=1)
    assert RedisHandle(client).place == "example:6380"
    client = kind(unix_socket_path="/run/redis.sock", socket_timeout=1)
    assert RedisHandle(client).place == "unix:///run/redis.sock"


# -- Single lines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("local_bytes", "meanwhile"), [(0, "look again"), (10**6, "memory is off")]
)
async def test_a_missing_subscription_is_logged_with_its_server(
    new_cache: Callable[..., ResponseCache],
    unused_port: int,
    face: Any,
    caplog: pytest.LogCaptureFixture,
    eventually: Eventually,
    local_bytes: int,
    meanwhile: str,
) -> None:
    cache = new_cache(f"redis://:{SECRET}@127.0.0.1:{unused_port}", local_bytes=local_bytes)
    backplane = face.driver(cache).pub_sub._backplane

    backplane.start()
    await eventually(lambda: "no subscription" in caplog.text)

    (record,) = [record for record in ours(caplog.records) if "subscription" in record.message]
    facts = facts_of(record)
    assert facts == {
        "response_cache.name": "test",
        "server.address": f"127.0.0.1:{unused_port}",
        "error.type": "redis.exceptions.ConnectionError",
    }
    assert meanwhile in record.getMessage()
    assert SECRET not in caplog.text


class Failing:
    """An observer all of whose methods raise."""

    def __getattr__(self, name: str) -> Any:
        def fail(*_: object) -> None:
            raise RuntimeError(SECRET)

        return fail

    def listening(self) -> bool:
        return True


def test_an_observer_that_fails_is_logged_once_per_interval(
    caplog: pytest.LogCaptureFixture,
) -> None:
    observer: Any = Failing()
    ResponseCache.from_url("memory://", prefix="test", telemetry=observer).close()
    (record,) = ours(caplog.records)
    assert facts_of(record) == {"error.type": "RuntimeError"}
    caplog.clear()
    told: Observer = Guarded(observer)
    event = LookedUp(Subject("test", "field", field="Query.accounts"), 0, 1, "miss")

    for _ in range(5):
        told.looked_up(event)
    (record,) = ours(caplog.records)
    assert facts_of(record) == {
        "error.type": "RuntimeError",
        "response_cache.name": "test",
        "response_cache.field": "Query.accounts",
    }
    assert "in Failing or in its exporter" in record.getMessage()
    assert SECRET not in caplog.text


def test_an_interval_counts_the_failures_that_it_does_not_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    clock = MappingProxyType({"monotonic": lambda: now[0]})
    monkeypatch.setattr(interval_module, "time", type("Clock", (), dict(clock)))
    interval = Interval()

    first = interval.counted()
    assert first is not None
    assert (first.number, first.words) == (1, "")
    for _ in range(3):
        now[0] += 3
        assert interval.counted() is None
    now[0] += 2.5
    later = interval.counted()
    assert later is not None
    assert (later.number, later.words) == (4, ", 4 failures in the last 12 seconds")


async def test_the_log_line_of_a_failed_refresh_names_the_field(
    memory_cache: ResponseCache, raw_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    subject = Subject("test", "field", field="Query.accounts")
    keys = tenant_of(memory_cache).keys(["a"])
    serializer: Any = memory_cache._serializer(1000, None, 1000, (), None)

    async def old() -> str:
        return "old"

    async def fail() -> str:
        raise LookupError(SECRET)

    await tenant_of(memory_cache).run(keys, serializer, old, subject)
    raw_of(memory_cache).pexpire(keys.entry, 900_000)
    response = await tenant_of(memory_cache).run(keys, serializer, fail, subject)

    assert response.value == "old"
    (record,) = ours(caplog.records)
    assert facts_of(record)["response_cache.field"] == "Query.accounts"
    assert "(LookupError, cache 'test', field Query.accounts)" in record.getMessage()
    assert SECRET not in caplog.text


async def test_the_log_line_of_a_value_that_cannot_be_stored_says_why(
    new_cache: Callable[..., ResponseCache], face: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cache = new_cache("memory://", strict=False)
    await face.remember(cache, ["a"], 60, lambda: {"k": (SECRET,)})

    (record,) = ours(caplog.records)
    assert record.levelno == logging.WARNING
    assert facts_of(record) == {
        "error.type": "CacheSerializationError",
        "response_cache.failures": 1,
    }
    assert "The value holds a tuple" in record.getMessage()
    assert SECRET not in caplog.text


async def test_the_log_line_of_an_invalidation_whose_caller_was_cancelled_names_its_error(
    memory_cache: ResponseCache, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    begun = asyncio.Event()

    async def fail() -> None:
        begun.set()
        await asyncio.sleep(0)
        raise RuntimeError(SECRET)

    invalidating = driver_of(memory_cache).invalidating
    caller = asyncio.create_task(invalidating.hold(fail()))
    await begun.wait()
    caller.cancel()
    await asyncio.wait({caller})
    await eventually(lambda: ours(caplog.records))

    (record,) = ours(caplog.records)
    assert facts_of(record)["error.type"] == "RuntimeError"
    assert "An invalidation on Redis at memory:// failed after its caller" in record.getMessage()
    assert SECRET not in caplog.text


async def test_an_error_in_handling_one_answer_does_not_affect_the_others(
    valkey_cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    async def generate() -> str:
        return "v"

    await valkey_cache.remember(["a"], 60, generate)
    driver: Any = driver_of(valkey_cache)
    link = driver.transport._link
    told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def raises(_: object) -> None:
        raise RuntimeError(SECRET)

    link.ask((("PING", (), ()),), raises)
    link.ask((("PING", (), ()),), told.set_result)

    async with asyncio.timeout(60):
        assert await told == (b"PONG",)
    (record,) = ours(caplog.records)
    address = tenant_of(valkey_cache).engine.handle.place
    assert f"Handling an answer of Redis at {address} failed (RuntimeError)" in record.getMessage()
    facts_of(record)
    assert SECRET not in caplog.text
