"""`on_invalidate` is called for each invalidation that Redis has taken, and its errors fail no caller."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from strawberry_response_cache import CacheConfigurationError, CacheStoreError, ResponseCache
from strawberry_response_cache.core import _announcements
from tests.conftest import UNHURRIED
from tests.core.logs import facts_of, ours

FORMS = ["sync", "async"]


class Heard:
    """A function that keeps what it is told, in either form; it may fail so many times."""

    def __init__(self, failures: int = 0, error: type[BaseException] = OSError) -> None:
        self.tags: list[tuple[str, ...]] = []
        self.loops: list[object] = []
        self.threads: list[threading.Thread] = []
        self.calls = 0
        self._failures = failures
        self._error = error

    def sync(self, tags: tuple[str, ...]) -> None:
        self.calls += 1
        self.threads.append(threading.current_thread())
        if self.calls <= self._failures:
            raise self._error
        self.tags.append(tags)

    async def asynchronous(self, tags: tuple[str, ...]) -> None:
        self.loops.append(asyncio.get_running_loop())
        await asyncio.sleep(0)
        self.sync(tags)

    def form(self, name: str) -> Callable[[tuple[str, ...]], Any]:
        return self.sync if name == "sync" else self.asynchronous


def cache_on(url: str, heard: Callable[..., Any], **settings: Any) -> ResponseCache:
    chosen: dict[str, Any] = UNHURRIED | settings
    return ResponseCache.from_url(
        url, prefix="told", telemetry=False, on_invalidate=heard, **chosen
    )


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_announcements, "PAUSES", (0, 0))


TOLD = [("Book", "Book:1"), ("*",), ("tenant's",)]


@pytest.mark.parametrize("form", FORMS)
async def test_an_invalidation_in_an_event_loop_calls_on_invalidate(
    valkey_url: str, form: str
) -> None:
    heard = Heard()
    async with cache_on(valkey_url, heard.form(form)) as cache:
        await cache.invalidate("Book", "Book:1")
        await cache.clear()
        await cache.for_tenant("acme").invalidate("tenant's", queued=True)
        await cache.forget(["a key has no tags"])
    assert sorted(heard.tags) == sorted(TOLD)
    assert set(heard.loops) <= {asyncio.get_running_loop()}, "it can use what belongs to its loop"
    assert form == "async" or threading.current_thread() not in heard.threads, "the loop goes on"


@pytest.mark.parametrize("form", FORMS)
def test_an_invalidation_in_a_thread_calls_on_invalidate(valkey_url: str, form: str) -> None:
    heard = Heard()
    with cache_on(valkey_url, heard.form(form)) as cache:
        cache.invalidate_sync("Book", "Book:1")
        cache.clear_sync()
        cache.for_tenant("acme").invalidate_sync("tenant's")
    assert heard.tags == TOLD


@pytest.mark.parametrize("form", FORMS)
async def test_an_on_invalidate_that_fails_is_called_again_and_counted_after_its_last_try(
    memory_cache: ResponseCache, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    tries = len(_announcements.PAUSES) + 1
    for failures, told, lost in ((tries - 1, [("Book",)], 0), (tries, [], 1)):
        heard = Heard(failures)
        async with cache_on("memory://", heard.form(form)) as cache:
            await cache.invalidate("Book")
        assert (heard.tags, heard.calls, cache.on_invalidate_failures) == (told, tries, lost)
    [record] = ours(caplog.records)
    assert "The on_invalidate of cache 'told' failed (OSError)" in record.getMessage()
    assert facts_of(record) == {
        "response_cache.name": "told",
        "response_cache.failures": 1,
        "error.type": "OSError",
    }
    assert "Book" not in f"{record.getMessage()}{vars(record)}"


@pytest.mark.parametrize("error", [RuntimeError, asyncio.CancelledError])
@pytest.mark.parametrize("form", FORMS)
async def test_an_error_of_on_invalidate_fails_no_invalidation(
    memory_cache: ResponseCache, form: str, error: type[BaseException]
) -> None:
    heard = Heard(1_000, error)
    async with cache_on("memory://", heard.form(form)) as cache:
        await cache.invalidate("Book")
        cache.invalidate_sync("Book")
    assert cache.on_invalidate_failures == 2


async def test_on_invalidate_sees_no_context_of_the_request_that_invalidates() -> None:
    """It tells others of every request's invalidations; and nothing keeps the request alive."""
    user = contextvars.ContextVar("user", default="nobody")
    seen: list[str] = []

    async def told(tags: tuple[str, ...]) -> None:
        seen.append(user.get())

    async with cache_on("memory://", told) as cache:
        user.set("alice")
        await cache.invalidate("Book")
    assert seen == ["nobody"]


@pytest.fixture
def replica(raw_valkey: Any) -> Iterator[Callable[[bool], None]]:
    """Let the server take no writes, or take them again."""

    def turn(is_replica: bool) -> None:
        raw_valkey.replicaof(*(("127.0.0.1", "1") if is_replica else ("NO", "ONE")))

    yield turn
    turn(False)


@pytest.mark.usefixtures("tried_once")
@pytest.mark.parametrize("face", ["async", "sync"])
async def test_on_invalidate_is_called_after_redis_has_taken_the_invalidation(
    valkey_url: str, replica: Callable[[bool], None], face: str
) -> None:
    heard = Heard()
    cache = cache_on(valkey_url, heard.sync)
    async with cache:
        await cache.invalidate("before")
        replica(True)
        with pytest.raises(CacheStoreError):
            await cache.invalidate("raised")
        if face == "async":
            await cache.invalidate("queued", queued=True)
            await cache.invalidate("later", queued=True)
        else:
            await asyncio.to_thread(cache.invalidate_sync, "queued", queued=True)
            await asyncio.to_thread(cache.invalidate_sync, "later", queued=True)
        assert heard.tags in ([], [("before",)])
        replica(False)
    told = {tag for tags in heard.tags for tag in tags}
    assert told == {"before", "queued", "later"}


@pytest.mark.usefixtures("tried_once")
async def test_on_invalidate_is_called_for_everything_when_the_queue_overflows(
    valkey_url: str, replica: Callable[[bool], None]
) -> None:
    heard = Heard()
    cache = cache_on(valkey_url, heard.sync, max_queued_invalidations=2)
    async with cache:
        replica(True)
        await cache.invalidate("a", "b", "c", queued=True)
        replica(False)
    assert heard.tags == [("*",)]


def test_an_event_loop_that_ends_before_on_invalidate_has_run_loses_no_call() -> None:
    heard = Heard()
    cache = cache_on("memory://", heard.asynchronous)

    async def job() -> None:
        await cache.invalidate("Book")

    asyncio.run(job())
    cache.close()
    assert heard.tags == [("Book",)]


async def test_the_queue_of_calls_to_on_invalidate_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_announcements, "MOST_WAITING", 2)
    go, told = threading.Event(), []

    def slow(tags: tuple[str, ...]) -> None:
        assert go.wait(60)
        told.append(tags)

    async with cache_on("memory://", slow) as cache:
        for number in range(4):
            await cache.invalidate(f"{number}")
        assert cache.on_invalidate_failures == 2
        go.set()
    assert told == [("0",), ("1",)]


async def test_a_coroutine_that_on_invalidate_returns_is_awaited() -> None:
    heard = Heard()

    def told(tags: tuple[str, ...]) -> Any:
        return heard.asynchronous(tags)

    async with cache_on("memory://", told) as cache:
        await cache.invalidate("Book")
    assert heard.tags == [("Book",)]


def test_an_on_invalidate_that_is_no_function_is_refused() -> None:
    with pytest.raises(CacheConfigurationError, match="on_invalidate is a str; pass a function"):
        ResponseCache.from_url("memory://", prefix="told", on_invalidate="purge")  # type: ignore[arg-type] # on purpose
