"""What broke the core once, one attack after the other."""

import asyncio
import contextvars
import dataclasses
import enum
import gc
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import pydantic
import pytest

from strawberry_response_cache.core import (
    CacheConfigurationError,
    CacheDetail,
    CacheSerializationError,
    CacheStatus,
    ResponseCache,
)
from strawberry_response_cache.core._flights import Flight, leading_flights
from strawberry_response_cache.core._keys import EntryKeys, Keyspace
from strawberry_response_cache.core._memory import Memory
from strawberry_response_cache.core._parts import Part, Parts
from strawberry_response_cache.core._queue import InvalidationQueue
from strawberry_response_cache.core.protocol import Clear, Invalidate, Lookup, Unavailable
from strawberry_response_cache.core.protocol.entry import Entry, Recording
from strawberry_response_cache.core.redis.watchdog import Watchdog
from tests.conftest import Eventually, UntilJoined
from tests.core.logs import facts_of, ours
from tests.core.test_batches_that_wait import PATIENCE

SECRET = "hunter2"

# -- Invalidations ------------------------------------------------------------------------------------------


async def test_who_asks_after_an_invalidation_was_queued_joins_no_run_from_before_it(
    new_cache: Callable[..., ResponseCache], new_server: Callable[..., Any], eventually: Eventually
) -> None:
    server = new_server()
    cache = new_cache(
        f"redis://127.0.0.1:{server.port}", invalidate_deadline=0.2, connect_deadline=5
    )
    flights = cache._engine.async_driver().flights
    truth, read = "old", asyncio.Event()

    async def slow() -> str:
        found = truth
        await read.wait()
        return found

    async def quick() -> str:
        return truth

    leader = asyncio.create_task(cache.remember(["k"], 60, slow, tags=["t"]))
    await eventually(lambda: flights.is_open(cache._keyspace.keys(["k"]).entry))
    server.terminate()
    truth = "new"
    await cache.invalidate("t", queued=True)
    async with asyncio.timeout(PATIENCE):
        later = await cache.remember(["k"], 60, quick, tags=["t"])
    assert (later.value, later.detail) == ("new", CacheDetail.INVALIDATION_PENDING)
    read.set()
    assert (await leader).value == "old"


def test_a_child_replays_what_its_parent_was_replaying() -> None:
    queue, tenant = InvalidationQueue(max_queued=100, max_tags=10), Keyspace("test")
    queue.add(tenant, ("a", "b"), Unavailable("x"))
    parent = queue.replay()
    next(parent)
    queue.after_fork()
    assert len(queue) == 2
    effect = next(queue.replay())
    assert isinstance(effect, Invalidate)
    assert effect.tags == ("a", "b")
    queue.after_fork()
    queue.add(tenant, None, Unavailable("x"))
    assert isinstance(next(queue.replay()), Clear)


# -- Parts -------------------------------------------------------------------------------------------


async def test_a_whole_whose_generator_refreshed_its_part_is_stored(
    cache: ResponseCache, raw_of: Callable[..., Any]
) -> None:
    runs = {"part": 0, "whole": 0}

    async def part() -> int:
        runs["part"] += 1
        return runs["part"]

    async def whole() -> int:
        runs["whole"] += 1
        return (await cache.remember(["part"], 30, part, stale=1000)).value

    await cache.remember(["part"], 30, part, stale=1000)
    raw, key = raw_of(cache), cache._keyspace.keys(["part"]).entry
    raw.pexpire(key, raw.pttl(key) - 40_000)
    assert (await cache.remember(["whole"], 30, whole)).detail is CacheDetail.GENERATED
    again = await cache.remember(["whole"], 30, whole)
    assert (again.value, again.status) == (2, CacheStatus.HIT)
    assert runs == {"part": 2, "whole": 1}


def test_a_run_that_is_over_notes_no_parts() -> None:
    """A task that it started may go on for ever."""
    keys = Keyspace("test").keys(["a"])
    parts = Parts()
    parts.add(Part(keys, (), 1000, meta="seen"))
    assert parts.metas == {"seen"}
    parts.end()
    parts.add(Part(keys, (), 1000, meta="late"))
    assert parts.metas == frozenset()


# -- Errors ------------------------------------------------------------------------------------------


async def test_the_cause_of_a_generators_error_stays(
    memory_cache: ResponseCache, face: Any
) -> None:
    def fail() -> object:
        try:
            return str({"here": 1}["missing"])
        except KeyError as error:
            raise NotImplementedError from error

    with pytest.raises(NotImplementedError) as caught:
        await face.remember(memory_cache, ["a"], 60, fail)
    assert isinstance(caught.value.__cause__, KeyError)


async def test_a_shared_error_takes_nothing_along_from_one_caller_to_the_next(
    memory_cache: ResponseCache, eventually: Eventually, until_joined: UntilJoined
) -> None:
    gate = asyncio.Event()
    flights = memory_cache._engine.async_driver().flights
    key = memory_cache._keyspace.keys(["k"]).entry

    async def fail() -> object:
        await gate.wait()
        raise LookupError

    async def ask() -> BaseException:
        with pytest.raises(LookupError) as caught:
            await memory_cache.remember(["k"], 60, fail)
        return caught.value

    async def ask_while_handling_something_else() -> BaseException:
        try:
            return BaseException(int("no number"))
        except ValueError:
            return await ask()

    leader = asyncio.create_task(ask())
    await eventually(lambda: flights.is_open(key))
    joiners = [asyncio.create_task(ask_while_handling_something_else()) for _ in range(100)]
    await until_joined(memory_cache, 100, ["k"])
    gate.set()
    errors = {id(error): error for error in [await leader, *await asyncio.gather(*joiners)]}
    (error,) = errors.values()
    assert error.__context__ is None
    frames, trace = 0, error.__traceback__
    while trace is not None:
        frames, trace = frames + 1, trace.tb_next
    assert frames < 40


@pytest.mark.parametrize("epoch", ["", "two words", "\N{SNOWMAN}", "\udc80", None, 7])
def test_a_damaged_epoch_is_a_failure_of_the_store(epoch: object) -> None:
    lookup = Lookup(EntryKeys("e", "l", "t"), 1000)
    found = lookup.interpret([["granted", "-", 0, epoch, 3], None])
    assert isinstance(found, Unavailable)


def test_a_thread_after_the_end_of_the_interpreters_pools_is_served(
    valkey_cache: ResponseCache,
) -> None:
    driver = valkey_cache._engine.sync_driver()
    driver._background.shutdown()
    flow = valkey_cache.remember_sync(["a"], 60, lambda: "value", stale=60, background=True)
    assert flow.value == "value"
    raised = threading.Event()

    def fail() -> str:
        raised.set()
        raise LookupError

    with pytest.raises(LookupError):
        valkey_cache.remember_sync(["b"], 60, fail)
    assert raised.is_set()


async def test_closing_waits_for_a_thread_that_needs_the_loop(
    memory_cache: ResponseCache, eventually: Eventually
) -> None:
    loop, began = asyncio.get_running_loop(), threading.Event()

    def through_the_loop() -> str:
        began.set()
        return asyncio.run_coroutine_threadsafe(asyncio.sleep(0, "value"), loop).result(PATIENCE)

    pool = memory_cache._engine.sync_driver()._background
    refresh = pool.submit(through_the_loop)
    await eventually(began.is_set)
    async with asyncio.timeout(PATIENCE):
        await memory_cache.aclose()
    assert refresh.result(0) == "value"


# -- Values ------------------------------------------------------------------------------------------


class Base(pydantic.BaseModel):
    id: int


class Derived(Base):
    level: int = 0


class Hiding(pydantic.BaseModel):
    note: str = pydantic.Field(default="", exclude=True)


class Cat(pydantic.BaseModel):
    name: str


class Dog(pydantic.BaseModel):
    name: str


@dataclasses.dataclass
class Pair:
    left: Base
    right: dict[str, list[Base]]


@pytest.mark.parametrize(
    ("as_type", "value"),
    [
        (Base, Derived(id=1, level=7)),
        (list[Base], [Base(id=1), Derived(id=2)]),
        (Hiding, Hiding(note="kept?")),
        (Cat | Dog, Dog(name="Rex")),
        (Pair, Pair(Base(id=1), {"a": [Derived(id=2)]})),
    ],
)
async def test_what_as_type_would_change_is_refused(
    memory_cache: ResponseCache, face: Any, as_type: Any, value: object
) -> None:
    with pytest.raises(CacheSerializationError):
        await face.remember(memory_cache, ["a"], 60, lambda: value, as_type=as_type)


@pytest.mark.parametrize(
    ("as_type", "value"),
    [
        (Hiding, Hiding()),
        (Pair, Pair(Base(id=1), {"a": [Base(id=2)]})),
        (list[float], [1, 2.5]),
        (dict[int, Base], {1: Base(id=1)}),
    ],
)
async def test_what_it_gives_back_is_stored(
    memory_cache: ResponseCache, face: Any, as_type: Any, value: object
) -> None:
    await face.remember(memory_cache, ["a"], 60, lambda: value, as_type=as_type)
    again = await face.remember(memory_cache, ["a"], 60, lambda: None, as_type=as_type)
    assert (again.status, repr(again.value)) in {
        (CacheStatus.HIT, repr(value)),
        (CacheStatus.HIT, "[1.0, 2.5]"),
    }


# -- Bounds ------------------------------------------------------------------------------------------


def test_tags_count_in_local_memory() -> None:
    space = Keyspace("test")
    memory = Memory(max_bytes=1_000_000, ttl=60, is_trusted=lambda: True)
    for number in range(300):
        tags = tuple(f"{number}:{tag}" for tag in range(300))
        entry = Entry(Recording(b"1", 60_000, tags=tags), "w", "e", 1, 60_000)
        memory.keep(space.keys([str(number)]), entry, memory.ticket())
    assert memory.size <= 1_000_000
    assert len(memory._tagged) < 3000


def test_a_watchdog_that_could_not_start_starts_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    dog = Watchdog()
    with monkeypatch.context() as patched:

        def refuse(_: threading.Thread) -> None:
            raise RuntimeError

        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            dog.watch(object(), 60)
    connection = object()
    dog.watch(connection, 60)
    assert any(thread.name == "response-cache-watchdog" for thread in threading.enumerate())
    assert dog.unwatch(connection)


# -- Bad input ---------------------------------------------------------------------------------------


async def _never_true(_: object) -> bool:
    return False


@pytest.mark.parametrize("cacheable", [_never_true, True, "yes"])
async def test_cacheable_is_a_plain_function(
    memory_cache: ResponseCache, face: Any, cacheable: Any
) -> None:
    with pytest.raises(TypeError, match=r"cacheable is a plain function of the value"):
        await face.remember(memory_cache, ["a"], 60, lambda: 1, cacheable=cacheable)


def _called(function: Callable[[object], object]) -> Any:
    """Return a function that looks plain, and returns what another gives."""

    def plain(value: object) -> object:
        return function(value)

    return plain


@pytest.mark.parametrize("answer", [_never_true, lambda value: asyncio.sleep(0, value)])
async def test_what_is_awaited_is_no_answer_of_cacheable(
    memory_cache: ResponseCache, face: Any, answer: Any
) -> None:
    with pytest.raises(TypeError, match=r"cacheable is a plain function of the value"):
        await face.remember(memory_cache, ["a"], 60, lambda: 1, cacheable=_called(answer))


async def test_a_generator_is_passed_and_not_called(memory_cache: ResponseCache) -> None:
    generator: Any = _never_true(1)
    with pytest.raises(TypeError, match=r"is a coroutine; pass the function itself"):
        await memory_cache.remember(["a"], 60, generator)
    value: Any = 3
    with pytest.raises(TypeError, match=r"is a int; pass the function itself"):
        memory_cache.remember_sync(["a"], 60, value)


def test_telemetry_is_a_switch_or_an_observer() -> None:
    telemetry: Any = "yes"
    with pytest.raises(CacheConfigurationError, match=r"telemetry is a str; pass True, False or"):
        ResponseCache.from_url("memory://", prefix="test", telemetry=telemetry)


# -- Values ------------------------------------------------------------------------------------------


class Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "as_type"),
    [(Colour.RED, str), ({"a": Colour.RED}, dict[str, Any]), (True, int), ([True], list[int])],
)
async def test_what_only_equals_what_would_come_back_is_refused(
    memory_cache: ResponseCache, face: Any, value: object, as_type: Any
) -> None:
    with pytest.raises(CacheSerializationError, match="does not give back unchanged"):
        await face.remember(memory_cache, ["a"], 60, lambda: value, as_type=as_type)


@pytest.mark.parametrize("value", [Colour.RED, True, 1])
async def test_enums_and_bools_of_their_own_type_come_back(
    memory_cache: ResponseCache, face: Any, value: object
) -> None:
    for _ in range(2):
        response = await face.remember(memory_cache, ["a"], 60, lambda: value, as_type=type(value))
        assert response.value is value
    assert response.status is CacheStatus.HIT


async def test_unions_of_the_same_members_are_told_apart_by_their_order(
    memory_cache: ResponseCache, face: Any
) -> None:
    for name, as_type, value in (("a", Cat | Dog, Cat(name="x")), ("b", Dog | Cat, Dog(name="x"))):
        for _ in range(2):
            response = await face.remember(
                memory_cache, [name], 60, lambda value=value: value, as_type=as_type
            )
            assert type(response.value) is type(value)


async def test_what_can_be_read_only_once_reaches_the_caller_unread(
    new_cache: Callable[..., ResponseCache], face: Any
) -> None:
    cache = new_cache("memory://", strict=False)
    response = await face.remember(cache, ["a"], 60, lambda: iter([1, 2]), as_type=Iterable[int])
    assert list(response.value) == [1, 2]
    with pytest.raises(
        CacheSerializationError, match=r"which can be read only once. Return a list"
    ):
        await face.remember(
            new_cache("memory://"), ["a"], 60, lambda: iter([1, 2]), as_type=Iterable[int]
        )


# -- Batches -----------------------------------------------------------------------------------------


async def many(cache: ResponseCache, face: Any, keys: list[str], load: Callable[..., Any]) -> Any:
    parts = [[key] for key in keys]
    if face.synchronous:
        return cache.remember_many_sync(parts, 30, load, stale=1000)

    async def loaded(wanted: Any) -> Any:
        return load(wanted)

    return await cache.remember_many(parts, 30, loaded, stale=1000)


async def test_a_batch_whose_loader_fails_serves_what_there_is(
    valkey_cache: ResponseCache, raw_valkey: Any, face: Any
) -> None:
    await many(valkey_cache, face, ["a", "b"], lambda keys: ["old"] * len(keys))
    for name in "ab":
        key = valkey_cache._keyspace.keys([name]).entry
        raw_valkey.pexpire(key, raw_valkey.pttl(key) - 40_000)

    def fail(_keys: object) -> list[str]:
        raise LookupError

    assert await many(valkey_cache, face, ["a", "b"], fail) == ["old", "old"]
    with pytest.raises(LookupError):
        await many(valkey_cache, face, ["a", "never there"], fail)
    driver: Any = (
        valkey_cache._engine.sync_driver()
        if face.synchronous
        else valkey_cache._engine.async_driver()
    )
    assert len(driver.flights) == 0


async def test_a_cancelled_error_among_the_values_is_its_keys_alone(
    memory_cache: ResponseCache, face: Any
) -> None:
    values: Any = ["x", asyncio.CancelledError()]
    found = await many(memory_cache, face, ["a", "b"], lambda _: values)
    assert found[0] == "x"
    assert found[1] is values[1]


# -- What is kept ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("older")  # the collector is asked many times
async def test_what_listens_for_the_cache_keeps_no_context_of_a_request(
    new_cache: Callable[..., ResponseCache], valkey_url: str, eventually: Eventually
) -> None:
    hurried = {"read_deadline": 1, "connect_deadline": 1}  # until then, timers keep it as well

    class User:
        pass

    current: contextvars.ContextVar[User] = contextvars.ContextVar("current")

    async def value() -> int:
        return 1

    async def request() -> weakref.ref[User]:
        user = User()
        current.set(user)
        cache = new_cache(valkey_url, local_bytes=1_000_000, **hurried)
        await cache.remember(["a"], 60, value)
        return weakref.ref(user)

    user = await asyncio.create_task(request())
    await eventually(lambda: gc.collect() >= 0 and user() is None)


def test_a_generation_that_is_dropped_in_another_context_ends_quietly() -> None:
    """As when a loop is closed with calls under way, and they are collected later."""
    block = leading_flights(Flight("a", leased=True))
    contextvars.copy_context().run(block.__enter__)
    contextvars.copy_context().run(block.__exit__, None, None, None)


async def test_what_goes_wrong_with_one_answer_does_not_concern_the_others(
    valkey_cache: ResponseCache, caplog: pytest.LogCaptureFixture
) -> None:
    async def generate() -> str:
        return "v"

    await valkey_cache.remember(["a"], 60, generate)
    driver: Any = valkey_cache._engine.async_driver()
    link = driver.transport._link
    told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def raises(_: object) -> None:
        raise RuntimeError(SECRET)

    link.ask((("PING", (), ()),), raises)
    link.ask((("PING", (), ()),), told.set_result)

    async with asyncio.timeout(60):
        assert await told == (b"PONG",)
    (record,) = ours(caplog.records)
    address = valkey_cache._engine.handle.place
    assert f"Taking an answer of Redis at {address} failed (RuntimeError)" in record.getMessage()
    facts_of(record)
    assert SECRET not in caplog.text
