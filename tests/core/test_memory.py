"""Local memory: bounded, coherent with invalidations, and empty whenever it cannot be trusted."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strawberry_response_cache.core import CacheDetail, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._keys import EntryKeys, Keyspace
from strawberry_response_cache.core._memory import Memory
from strawberry_response_cache.core._pub_sub import Hearers, hear
from strawberry_response_cache.core.protocol.entry import Entry, ValueRecording
from tests.conftest import Eventually, driver_of


class World:
    """A memory with a clock and a trust that a test decides on."""

    def __init__(self, max_bytes: int = 100_000, ttl: float = 60) -> None:
        self.now = 0.0
        self.trusted = True
        self.evicted = 0
        self.memory = Memory(
            max_bytes=max_bytes,
            ttl=ttl,
            is_trusted=lambda: self.trusted,
            evicted=self._note_evicted,
            clock=lambda: self.now,
        )

    def _note_evicted(self) -> None:
        self.evicted += 1

    def keep(
        self, name: str, *, tags: tuple[str, ...] = (), ttl_ms: int = 10_000, size: int = 1
    ) -> None:
        entry = Entry(ValueRecording(b"x" * size, ttl_ms, 0, tags), "wid", "epoch", 1, ttl_ms)
        self.memory.keep(keys(name), entry, self.memory.ticket())

    def has(self, name: str) -> bool:
        return self.memory.get(keys(name)) is not None


def keys(name: str, table: str = "table") -> EntryKeys:
    return EntryKeys(f"e:{name}", f"l:{name}", table, "channel", "tenant")


@pytest.fixture
def world() -> World:
    return World()


def test_an_entry_is_kept_no_longer_than_its_ttl_in_redis_nor_than_the_local_ttl() -> None:
    world = World(ttl=5)
    world.keep("short", ttl_ms=2_000)
    world.keep("long", ttl_ms=60_000)

    world.now = 1.9
    assert world.has("short")
    world.now = 2.0
    assert not world.has("short")
    assert world.has("long")
    world.now = 5.0
    assert not world.has("long")
    assert (world.memory.size, len(world.memory)) == (0, 0), "what expired takes no room"


def test_an_entry_ages_while_it_is_kept(world: World) -> None:
    world.keep("a", ttl_ms=10_000)
    world.now = 4.0
    entry = world.memory.get(keys("a"))

    assert entry is not None
    assert (entry.age, entry.ttl) == (4, 6)


def tell(world: World, message: bytes) -> None:
    """Let the memory hear a message."""
    hear(message, Hearers(memory=world.memory, wake=lambda _: None, outdate=lambda *_: None))


@pytest.mark.parametrize(
    "message",
    [
        b"t table 7 x,y",
        b"k e:a",
        b"c table",
        b"t table x,y",
        b"something that is not understood",
        b"\xff",
    ],
)
def test_a_message_about_an_invalidation_drops_the_entries_that_it_concerns(
    world: World, message: bytes
) -> None:
    world.keep("a", tags=("y",))
    tell(world, message)

    assert not world.has("a")


@pytest.mark.parametrize(
    "message", [b"t table 7 z", b"t other 7 y", b"k e:b", b"c other", b"w l:a"]
)
def test_a_message_about_an_invalidation_keeps_entries_that_it_does_not_concern(
    world: World, message: bytes
) -> None:
    world.keep("a", tags=("y",))
    tell(world, message)

    assert world.has("a")


@pytest.mark.parametrize("message", [b"t table 7 x,y", b"k e:a", b"c table", b"?"])
def test_an_entry_whose_read_raced_an_invalidation_is_not_kept(
    world: World, message: bytes
) -> None:
    ticket = world.memory.ticket()
    tell(world, message)
    entry = Entry(ValueRecording(b"old", 10_000, 0, ("y",)), "wid", "epoch", 1, 10_000)
    world.memory.keep(keys("a"), entry, ticket)

    assert not world.has("a")


def test_an_entry_read_before_more_messages_than_the_log_keeps_is_not_kept(world: World) -> None:
    ticket = world.memory.ticket()
    for _ in range(2000):
        world.memory.invalidate("other", ["z"])
    entry = Entry(ValueRecording(b"old", 10_000), "wid", "epoch", 1, 10_000)
    world.memory.keep(keys("a"), entry, ticket)

    assert not world.has("a")


def test_local_memory_is_empty_while_messages_may_be_missing(world: World) -> None:
    world.keep("a")
    world.trusted = False
    assert not world.has("a")
    assert len(world.memory) == 0
    world.keep("a")
    assert len(world.memory) == 0
    world.trusted = True
    assert not world.has("a")


def test_local_memory_is_bounded_in_bytes_and_drops_the_least_recently_used() -> None:
    world = World(max_bytes=10_000)
    for name in ("a", "b", "c"):
        world.keep(name, size=2_000)
    world.now += 0.1
    assert world.has("a")
    world.keep("d", size=2_000)

    assert [name for name in "abcd" if world.has(name)] == ["a", "c", "d"]
    assert world.evicted == 1
    world.keep("too large", size=20_000)
    assert not world.has("too large")
    assert [name for name in "abcd" if world.has(name)] == ["a", "c", "d"]


def test_local_memory_uses_all_its_bytes_before_it_evicts() -> None:
    world = World()
    world.keep("a")
    two = World(max_bytes=2 * world.memory.size)
    two.keep("a")
    two.keep("b")
    assert [two.has("a"), two.has("b"), two.evicted] == [True, True, 0]
    one = World(max_bytes=world.memory.size)
    one.keep("a")
    assert one.has("a")


def test_an_entry_that_could_not_be_rebuilt_is_dropped(world: World) -> None:
    world.keep("a")
    world.keep("b")
    world.memory.drop(keys("a"))
    assert [world.has("a"), world.has("b")] == [False, True]


def test_entries_that_share_a_tag_are_all_invalidated_whatever_was_dropped_before(
    world: World,
) -> None:
    for name in "abc":
        world.keep(name, tags=("t", "t"))
    world.memory.forget("e:a")
    world.memory.invalidate("table", ["t"])
    assert not any(world.has(name) for name in "abc")


def test_an_entry_may_be_dropped_by_a_thread_while_another_finds_it(world: World) -> None:
    """The clock of this test drops the entry while it is looked up."""
    world.keep("a")
    world.now = 1.0
    memory = world.memory

    def drop_and_tell() -> float:
        memory.forget("e:a")
        return world.now

    memory._clock = drop_and_tell
    assert memory.find(keys("a")) is not None
    assert memory.find(keys("a")) is None


def test_missing_returns_the_keys_that_local_memory_does_not_have(world: World) -> None:
    world.keep("kept", ttl_ms=2_000)
    asked = {f"e:{name}": keys(name) for name in ("kept", "absent")}
    assert list(world.memory.missing(asked)) == ["e:absent"]
    world.now = 2.0
    assert world.memory.missing(asked) == asked, "its ttl has ended"
    world.keep("kept")
    world.trusted = False
    assert world.memory.missing(asked) == asked
    world.trusted = True
    assert world.memory.missing(asked) == asked, "it was forgotten"


@pytest.mark.parametrize("count", [10_000, pytest.param(100_000, marks=pytest.mark.exhaustive)])
def test_many_entries_take_no_more_bytes_than_the_bound(count: int) -> None:
    world = World(max_bytes=50_000)
    for number in range(count):
        world.keep(str(number), tags=(f"tag {number}", "all"))
    assert world.memory.size <= 50_000
    assert len(world.memory._tagged) <= len(world.memory) + 1

    world.memory.drop_all()
    assert (world.memory.size, len(world.memory), world.memory._tagged) == (0, 0, {})


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("keep"), st.sampled_from("abc"), st.sampled_from("xyz")),
            st.tuples(st.just("invalidate"), st.sampled_from("xyz"), st.just("")),
            st.tuples(st.just("forget"), st.sampled_from("abc"), st.just("")),
            st.tuples(st.just("clear"), st.just(""), st.just("")),
        )
    )
)
def test_local_memory_has_exactly_the_entries_that_were_not_invalidated_since(
    steps: list[tuple[str, str, str]],
) -> None:
    world, model = World(), dict[str, str]()
    for step, name, tag in steps:
        match step:
            case "keep":
                world.keep(name, tags=(tag,))
                model[name] = tag
            case "invalidate":
                world.memory.invalidate("table", [name])
                model = {key: value for key, value in model.items() if value != name}
            case "forget":
                world.memory.forget(f"e:{name}")
                model.pop(name, None)
            case _:
                world.memory.clear("table")
                model = {}
        assert {name for name in "abc" if world.has(name)} == set(model)
    assert world.memory.size == sum(1000 + 1 + 1 + 350 for _ in model)
    """An entry, its byte, its empty note, its tag."""


# -- On a store ------------------------------------------------------------------------------------


async def test_a_second_read_is_a_local_hit_and_runs_no_script(
    new_cache: Callable[..., ResponseCache], valkey_url: str, raw_valkey: Any, face: Any
) -> None:
    cache = new_cache(valkey_url, local_bytes=1_000_000)
    await local(cache, face, ["a"])
    raw_valkey.config_resetstat()

    response = await face.remember(cache, ["a"], 60, lambda: "no")

    assert (response.value, response.detail) == ("value", CacheDetail.LOCAL)
    assert "cmdstat_evalsha" not in raw_valkey.info("commandstats")


async def local(cache: ResponseCache, face: Any, parts: list[str], **more: Any) -> None:
    """Remember until local memory is trusted and has it."""
    for _ in range(2000):
        response = await face.remember(cache, parts, 60, lambda: "value", **more)
        if response.detail is CacheDetail.LOCAL:
            return
        await asyncio.sleep(0.005)
    raise AssertionError


@pytest.mark.parametrize("invalidate", ["invalidate", "forget", "clear"])
async def test_an_invalidation_by_this_process_is_seen_at_once(
    new_cache: Callable[..., ResponseCache], url: str, face: Any, invalidate: str
) -> None:
    cache = new_cache(url, local_bytes=1_000_000)
    await local(cache, face, ["a"], tags=["t"])

    await {
        "invalidate": lambda: face.invalidate(cache, "t"),
        "forget": lambda: face.forget(cache, ["a"]),
        "clear": lambda: face.clear(cache),
    }[invalidate]()

    assert (await face.remember(cache, ["a"], 60, lambda: "new")).value == "new"


@pytest.mark.parametrize(
    ("invalidate", "loses_data"),
    [("invalidate", False), ("invalidate", True), ("forget", False), ("clear", False)],
)
async def test_an_invalidation_by_another_process_reaches_local_memory(
    new_cache: Callable[..., ResponseCache],
    valkey_url: str,
    raw_valkey: Any,
    face: Any,
    eventually: Eventually,
    invalidate: str,
    loses_data: bool,
) -> None:
    """Also if the server has lost all its data: local memory has not."""
    cache = new_cache(valkey_url, local_bytes=1_000_000)
    other = new_cache(valkey_url)
    await local(cache, face, ["a"], tags=["t"])
    if loses_data:
        raw_valkey.flushall()

    await {
        "invalidate": lambda: face.invalidate(other, "t"),
        "forget": lambda: face.forget(other, ["a"]),
        "clear": lambda: face.clear(other),
    }[invalidate]()

    driver = face.driver(cache)
    memory = driver.memory
    assert memory is not None
    await eventually(lambda: len(memory) == 0)
    assert (await face.remember(cache, ["a"], 60, lambda: "new")).value == "new"


async def test_no_caller_joins_a_run_that_an_invalidation_by_another_process_outdates(
    new_cache: Callable[..., ResponseCache], face: Any, eventually: Eventually
) -> None:
    cache = new_cache("memory://", local_bytes=1_000_000)
    other = ResponseCache(cache._engine.handle, prefix="test", telemetry=False)
    await local(cache, face, ["heard"])
    flights, entry = face.driver(cache).flights, tenant_of(cache).keys(["a"]).entry
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        assert go_on.wait(60)
        return "old"

    leader = face.begin(cache, ["a"], 60, slow, tags=["t"])
    try:
        await eventually(begun.is_set)
        for each in (cache, other):
            await face.invalidate(each, "another")
            assert flights.is_open(entry)
        await face.invalidate(other, "t")
        await eventually(lambda: not flights.is_open(entry))
    finally:
        go_on.set()
    assert (await leader).value == "old"
    assert (await face.remember(cache, ["a"], 60, lambda: "new", tags=["t"])).value == "new"


async def test_a_lost_subscription_empties_local_memory(
    new_cache: Callable[..., ResponseCache],
    valkey_url: str,
    raw_valkey: Any,
    face: Any,
    eventually: Eventually,
) -> None:
    cache = new_cache(valkey_url, local_bytes=1_000_000)
    await local(cache, face, ["a"])
    driver = face.driver(cache)
    memory = driver.memory
    assert memory is not None

    raw_valkey.client_kill_filter(_type="pubsub")

    await eventually(lambda: len(memory) == 0)


async def test_local_memory_is_off_by_default(cache: ResponseCache) -> None:
    assert driver_of(cache).memory is None
    assert driver_of(cache, synchronous=True).memory is None


def test_tags_count_towards_the_size_of_local_memory() -> None:
    space = Keyspace("test")
    memory = Memory(max_bytes=1_000_000, ttl=60, is_trusted=lambda: True)
    for number in range(300):
        tags = tuple(f"{number}:{tag}" for tag in range(300))
        entry = Entry(ValueRecording(b"1", 60_000, tags=tags), "w", "e", 1, 60_000)
        memory.keep(space.keys([str(number)]), entry, memory.ticket())
    assert memory.size <= 1_000_000
    assert len(memory._tagged) < 3000
