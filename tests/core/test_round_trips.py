"""What a call costs, as the real server counts it: commands, and reads of its sockets."""

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import pytest
import redis.asyncio.connection
import redis.connection

from strawberry_response_cache.core import CacheStatus, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core.algorithm.flights import Generation
from strawberry_response_cache.core.protocol import (
    Fresh,
    Granted,
    Held,
    Lease,
    Lookup,
    Lookups,
    Moved,
    Release,
    bundled,
    failure,
)
from strawberry_response_cache.core.protocol.scripts import LOOKUP
from strawberry_response_cache.core.redis.wire import ForeignReplyError, Letter
from tests.conftest import driver_of

SUBJECT = Subject("warm", scope="value")
OURS = ("evalsha", "eval", "set", "setex", "psetex", "mget", "script|load", "script|exists")


class Bill:
    """What the server did since the last look."""

    def __init__(self, raw_valkey: Any) -> None:
        self._raw = raw_valkey
        self._raw.config_resetstat()

    def commands(self) -> dict[str, int]:
        """Scripts and writes that a client sent, without what a script does inside."""
        stats = self._raw.info("commandstats")
        return {
            name: stats[f"cmdstat_{name}"]["calls"] for name in OURS if f"cmdstat_{name}" in stats
        }

    def round_trips(self) -> int:
        """Reads of client sockets, without the one that asks for this number."""
        return int(self._raw.info("stats")["total_reads_processed"]) - 1


@pytest.fixture
async def warm(valkey_cache: ResponseCache, face: Any) -> ResponseCache:
    """A cache that is connected and whose scripts the server knows."""

    def fail() -> object:
        raise LookupError

    with pytest.raises(LookupError):
        await face.remember(valkey_cache, ["warm"], 60, fail)
    await face.forget(valkey_cache, ["warm"])
    await face.clear(valkey_cache)
    for _ in range(2):
        await face.remember(valkey_cache, ["warm"], 60, lambda: "warm")
    await face.remember(valkey_cache, ["warm", "again"], 60, lambda: "warm")
    await face.invalidate(valkey_cache, "warm")
    return valkey_cache


@pytest.mark.parametrize(("key", "gets"), [(["warm", "again"], 1), (["warm"], 0)])
async def test_a_hit_is_one_script_in_one_round_trip_and_one_get_the_first_time_only(
    warm: ResponseCache, face: Any, raw_valkey: Any, key: list[str], gets: int
) -> None:
    """The bytes of an entry that this process has read are not fetched again."""
    bill = Bill(raw_valkey)

    response = await face.remember(warm, key, 60, lambda: "no")

    assert bill.round_trips() == 1
    assert bill.commands() == {"evalsha": 1}
    assert raw_valkey.info("commandstats").get("cmdstat_get", {"calls": 0})["calls"] == gets
    assert (response.status, response.value) == (CacheStatus.HIT, "warm")


async def test_a_miss_is_two_round_trips(warm: ResponseCache, face: Any, raw_valkey: Any) -> None:
    bill = Bill(raw_valkey)

    response = await face.remember(warm, ["cold"], 60, lambda: "new", tags=["a", "b"])

    assert bill.round_trips() == 2
    assert bill.commands()["evalsha"] == 2
    assert "eval" not in bill.commands()
    assert response.status is CacheStatus.MISS


@pytest.mark.parametrize("what", ["invalidate", "forget", "clear"])
async def test_an_invalidation_is_one_round_trip(
    warm: ResponseCache, face: Any, raw_valkey: Any, what: str
) -> None:
    tags = [f"Book:{number}" for number in range(100)]
    bill = Bill(raw_valkey)

    await {
        "invalidate": lambda: face.invalidate(warm, *tags),
        "forget": lambda: face.forget(warm, ["warm"]),
        "clear": lambda: face.clear(warm),
    }[what]()

    assert bill.round_trips() == 1


@pytest.mark.parametrize("what", ["invalidate", "clear"])
async def test_an_invalidation_costs_the_server_the_same_for_one_entry_as_for_a_thousand(
    warm: ResponseCache, face: Any, raw_valkey: Any, what: str
) -> None:
    """It stamps the tag, and visits none of the entries. What a script calls inside the server is counted as well."""

    async def commands(entries: int) -> dict[str, int]:
        keys = [["book", str(number)] for number in range(entries)]
        warm.remember_many_sync(keys, 60, lambda missing: [1] * len(missing), tags=["shelf"])
        raw_valkey.config_resetstat()
        await (face.clear(warm) if what == "clear" else face.invalidate(warm, "shelf"))
        stats = raw_valkey.info("commandstats")
        assert warm.remember_sync(keys[-1], 60, lambda: 2).value == 2
        return {name: figures["calls"] for name, figures in stats.items()}

    few, many = await commands(1), await commands(1000)

    assert many == few


async def test_a_failed_generator_is_two_round_trips(
    warm: ResponseCache, face: Any, raw_valkey: Any
) -> None:
    def fail() -> object:
        raise LookupError

    bill = Bill(raw_valkey)

    with pytest.raises(LookupError):
        await face.remember(warm, ["cold"], 60, fail)

    assert bill.round_trips() == 2


async def test_after_a_script_flush_one_repeat_is_enough(
    warm: ResponseCache, face: Any, raw_valkey: Any
) -> None:
    raw_valkey.script_flush()
    bill = Bill(raw_valkey)

    hit = await face.remember(warm, ["warm"], 60, lambda: "no")
    assert hit.status is CacheStatus.HIT
    assert bill.round_trips() == 2

    bill = Bill(raw_valkey)
    again = await face.remember(warm, ["warm"], 60, lambda: "no")
    assert again.status is CacheStatus.HIT
    assert bill.round_trips() == 1


@pytest.mark.parametrize("what", ["commit", "invalidate", "release"])
async def test_a_script_flush_before_commit_invalidate_or_release_fails_no_call(
    warm: ResponseCache, face: Any, raw_valkey: Any, what: str
) -> None:
    def flush() -> str:
        raw_valkey.script_flush()
        if what == "release":
            raise LookupError
        return "new"

    if what == "release":
        with pytest.raises(LookupError):
            await face.remember(warm, ["cold"], 60, flush)
        assert not raw_valkey.exists(tenant_of(warm).keys(["cold"]).lease)
        return
    await face.remember(warm, ["cold"], 60, flush, tags=["t"])
    assert (await face.remember(warm, ["cold"], 60, lambda: "no")).value == "new"
    if what == "invalidate":
        flush()
        await face.invalidate(warm, "t")
        assert (await face.remember(warm, ["cold"], 60, lambda: "newer")).value == "newer"


async def never() -> str:
    """Fail where there ought to be a hit."""
    raise AssertionError


async def test_concurrent_hits_share_a_round_trip(
    warm: ResponseCache, raw_valkey: Any, gathered: Callable[..., Any]
) -> None:
    numbers = iter(range(10))

    async def number() -> int:
        return next(numbers)

    for name in "0123456789":
        await warm.remember([name], 60, number)
    names = iter("0123456789" * 5)
    bill = Bill(raw_valkey)

    responses = await gathered(50, lambda: warm.remember([next(names)], 60, never))

    assert {response.status for response in responses} == {CacheStatus.HIT}
    assert [response.value for response in responses] == [*range(10)] * 5
    assert bill.round_trips() <= 3


async def test_a_batch_of_lookups_is_one_script_and_one_mget(
    warm: ResponseCache, face: Any, raw_valkey: Any
) -> None:
    """Inside, the clocks of all entries are read at once, after the tenant's, and each entry takes two commands."""

    def load(keys: list[list[str]]) -> list[str]:
        return [f"value of {name}" for (name,) in keys]

    keys = [[str(number)] for number in range(50)]
    for key in keys:
        await face.remember(warm, key, 60, partial(load([key]).pop), tags=["t", f"t:{key}"])
    await face.invalidate(warm, "other")
    bill = Bill(raw_valkey)

    found = await face.remember_many(warm, keys, 60, load)

    stats = raw_valkey.info("commandstats")
    assert found == load(keys)
    assert bill.commands() == {"evalsha": 1, "mget": 1}
    inside = {
        name: stats[f"cmdstat_{name}"]["calls"]
        for name in ("getrange", "hmget", "pttl", "get", "exists", "set", "time")
        if f"cmdstat_{name}" in stats
    }
    assert inside == {"getrange": 50, "hmget": 2, "pttl": 50}


async def test_one_script_takes_a_hundred_lookups_of_a_batch_at_most(
    warm: ResponseCache, face: Any, raw_valkey: Any
) -> None:
    keys = [[str(number)] for number in range(250)]

    def load(missing: list[list[str]]) -> list[str]:
        return [name for (name,) in missing]

    await face.remember_many(warm, keys, 60, load)
    bill = Bill(raw_valkey)

    assert await face.remember_many(warm, keys, 60, load) == load(keys)
    assert bill.commands() == {"evalsha": 3, "mget": 3}


async def test_a_batch_loads_exactly_the_keys_without_a_valid_entry(
    warm: ResponseCache, face: Any, raw_valkey: Any
) -> None:
    """Fresh, invalidated, damaged, of another type, unknown; all together with more tags than one reading takes."""
    many = [f"many {number}" for number in range(8)]
    tags = {name: [f"{name}:{number}" for number in range(150)] for name in many} | {"out": ["t"]}
    for name in ("fresh", "out", "damaged", "foreign", *many):
        await face.remember(warm, [name], 60, lambda name=name: name, tags=tags.get(name, ()))
    await face.invalidate(warm, "t", *(f"many 7:{number}" for number in range(150)))
    raw_valkey.set(tenant_of(warm).keys(["damaged"]).entry, b"rc1 no entry")
    raw_valkey.delete(tenant_of(warm).keys(["foreign"]).entry)
    raw_valkey.hset(tenant_of(warm).keys(["foreign"]).entry, "a", "b")
    asked: list[str] = []

    def load(missing: list[list[str]]) -> list[str]:
        asked.extend(name for (name,) in missing)
        return [f"new {name}" for (name,) in missing]

    names = ["fresh", "out", "damaged", "foreign", *many, "unknown"]
    found = await face.remember_many(warm, [[name] for name in names], 60, load)

    expected = ["out", "damaged", "foreign", "many 7", "unknown"]
    assert asked == expected
    assert found == [f"new {name}" if name in expected else name for name in names]
    again = await face.remember_many(warm, [[name] for name in names], 60, load)
    assert again == found
    assert asked == expected


def _lookups(count: int) -> tuple[Lookups, bytes]:
    """Return lookups, and what the script answers if all are hits."""
    lookups = Lookups(
        *(
            Lookup(EntryKeys(f"e{n}", f"l{n}", "t", "channel", "tenant"), 10_000)
            for n in range(count)
        )
    )
    token = lookups.calls()[0][2][0]
    return lookups, " ".join([token, *["fresh w 1 - 0"] * count]).encode()


def test_replies_to_a_batch_of_a_wrong_number_or_form_are_refused() -> None:
    lookups, said = _lookups(3)
    letter = Letter(lookups.calls(), "run")
    entries = [b"a", b"b", b"c"]

    assert letter.replies([said, entries]) == [["fresh", "w", "1", "-", "0"] * 3, entries]
    for script, read in (
        (_lookups(3)[1], entries),
        (None, entries),
        (said, entries[:2]),
        (said, b"a"),
        (said, None),
    ):
        with pytest.raises(ForeignReplyError):
            letter.replies([script, read])


@pytest.mark.parametrize("count", [1, 3])
def test_a_failed_batch_fails_each_of_its_lookups(count: int) -> None:
    lookups, said = _lookups(count)
    words = said.decode().split(" ")[1:]
    error = ConnectionError()

    assert lookups.interpret([error, None]) == [failure(error)] * count
    for fewer in (words[:-1], [*words, "0"]):
        assert lookups.interpret([fewer, None]) == [failure(ValueError())] * count
    assert lookups.interpret([words, error]) == [Moved()] * count


def test_a_damaged_answer_in_a_batch_fails_its_own_lookup_only() -> None:
    lookups, said = _lookups(3)
    words = said.decode().split(" ")[1:]
    words[7] = "soon"  # the remaining milliseconds of the second

    found = lookups.interpret([words, [None] * 3])

    assert found == [Moved(), failure(ValueError()), Moved()]


def test_lookups_are_not_bundled_across_a_release_in_their_slot() -> None:
    """A lookup after the release of a lease finds the lease released."""
    first, second, third = _lookups(3)[0].lookups
    elsewhere = Lookup(EntryKeys("e", "l", "another slot", "channel", "tenant"), 10_000)
    release = Release(EntryKeys("e", "l", "t", "channel", "tenant"), Lease("token", "epoch", 1))

    assert bundled([first, elsewhere, second]) == [[0, 2], [1]]
    assert bundled([first, release, second, third]) == [[0], [1], [2, 3]]


async def test_a_lookup_after_a_release_in_the_same_tick_finds_the_lease_released(
    warm: ResponseCache, raw_valkey: Any
) -> None:
    await warm.remember(["warm"], 60, never)
    driver: Any = driver_of(warm)
    keys = tenant_of(warm).keys(["leased"])
    (granted,) = await driver.lookups.find_all([Lookup(keys, 10_000)], SUBJECT)
    bill = Bill(raw_valkey)

    earlier = driver.lookups.find(Lookup(tenant_of(warm).keys(["warm"]), 0), SUBJECT)
    driver.give_back([Generation(keys, granted.lease, set)])
    found = await driver.lookups.find_all([Lookup(keys, 10_000)], SUBJECT)
    await earlier

    assert isinstance(found[0], Granted)
    assert bill.commands()["evalsha"] == 3


async def test_lookups_join_a_batch_that_was_not_sent_yet(
    warm: ResponseCache, raw_valkey: Any
) -> None:
    """With and without a request for a lease, of several tenants: one script for each slot."""
    await warm.remember(["warm"], 60, never)
    driver: Any = driver_of(warm)
    tenants = [warm, warm.for_tenant("a"), warm.for_tenant("b")]
    lookups = [
        Lookup(tenant_of(tenant).keys([str(number)]), lease_ms)
        for number in range(10)
        for tenant in tenants
        for lease_ms in (0, 10_000)
    ]
    bill = Bill(raw_valkey)

    async def find() -> list[Any]:
        return [await each for each in [driver.lookups.find(e, SUBJECT) for e in lookups[:30]]]

    first, second = await asyncio.gather(find(), driver.lookups.find_all(lookups[30:], SUBJECT))

    assert bill.round_trips() == 1
    assert bill.commands() == {"evalsha": 3, "mget": 3, "set": 30}
    assert [type(each) for each in (*first, *second)] == [Held, Granted] * 30


async def test_concurrent_hits_of_one_key_are_one_script_and_one_get(
    warm: ResponseCache, raw_valkey: Any, gathered: Callable[..., Any]
) -> None:
    bill = Bill(raw_valkey)

    responses = await gathered(50, lambda: warm.remember(["warm", "again"], 60, never))

    assert {response.status for response in responses} == {CacheStatus.HIT}
    assert bill.commands() == {"evalsha": 1}
    assert raw_valkey.info("commandstats")["cmdstat_get"]["calls"] == 1


async def test_callers_that_share_a_lookup_get_objects_of_their_own(
    warm: ResponseCache, gathered: Callable[..., Any]
) -> None:
    async def pair() -> list[int]:
        return [1, 2]

    await warm.remember(["pair"], 60, pair)
    first, *others = await gathered(5, lambda: warm.remember(["pair"], 60, pair))
    first.value.clear()
    assert [other.value for other in others] == [[1, 2]] * 4


async def test_a_lookup_that_was_sent_is_not_shared_with_later_callers(
    warm: ResponseCache, eventually: Callable[..., Any]
) -> None:
    """The server may have answered it before an invalidation that a later caller knows of."""
    values = iter(["old", "new"])

    async def generate() -> str:
        return next(values)

    await warm.remember(["a"], 60, generate, tags=["t"])
    driver: Any = driver_of(warm)
    link = driver.transport._link
    ask = link.ask
    held: list[Callable[[], None]] = []

    def slowly(calls: Any, then: Callable[[Any], None], **options: Any) -> Any:
        if calls[0][0] is LOOKUP and not held:
            return ask(calls, lambda outcome: held.append(partial(then, outcome)), **options)
        return ask(calls, then, **options)

    link.ask = slowly  # the network, not our code
    early = asyncio.create_task(warm.remember(["a"], 60, generate, tags=["t"]))
    await eventually(lambda: held)
    await warm.invalidate("t")
    later = await warm.remember(["a"], 60, generate, tags=["t"])
    held[0]()

    assert (await early).value == "old"
    assert later.value == "new"


async def test_the_cost_of_an_invalidation_does_not_grow_with_its_entries(
    warm: ResponseCache, face: Any, raw_valkey: Any
) -> None:
    async def cost() -> int:
        raw_valkey.config_resetstat()
        await face.invalidate(warm, "Book")
        stats = raw_valkey.info("commandstats")
        return sum(
            int(each["calls"]) for name, each in stats.items() if name != "cmdstat_config|resetstat"
        )

    before = await cost()
    for number in range(30):
        await face.remember(warm, [str(number)], 60, lambda: "value", tags=["Book"])

    assert await cost() == before


@pytest.fixture
def read_by_redis_py(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls of redis-py's own reader of replies."""
    calls: list[str] = []

    def watch(connection: type[Any], name: str) -> None:
        original = getattr(connection, name)

        def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            return original(self, *args, **kwargs)

        monkeypatch.setattr(connection, name, watched)

    for module in (redis.connection, redis.asyncio.connection):
        watch(module.AbstractConnection, "read_response")
        watch(module.AbstractConnection, "send_packed_command")
    return calls


async def test_redis_py_opens_a_connection_and_does_not_read_or_write_on_it_afterwards(
    new_cache: Callable[..., ResponseCache],
    valkey_url: str,
    face: Any,
    read_by_redis_py: list[str],
) -> None:
    """If redis-py renamed its stream or socket, every call would become slow, and no other test would fail."""
    cache = new_cache(valkey_url, detect_restarts=True)
    await face.remember(cache, ["a"], 60, lambda: "a")
    assert {"read_response", "send_packed_command"} == set(read_by_redis_py), "it connected"
    read_by_redis_py.clear()

    assert (await face.remember(cache, ["a"], 60, lambda: "no")).status is CacheStatus.HIT
    await face.remember(cache, ["b"], 60, lambda: "b", tags=["t"])
    await face.invalidate(cache, "t")

    assert read_by_redis_py == []


@pytest.mark.parametrize(("way", "most"), [("find", 17), ("find_all", 9)])
async def test_a_hit_of_a_batch_takes_few_function_calls(
    warm: ResponseCache, way: str, most: int
) -> None:
    """Without the calls for the whole batch. Each call of a function of this package takes up to a microsecond."""

    async def number() -> int:
        return 1

    async def calls(count: int) -> int:
        lookups = [Lookup(tenant_of(warm).keys([str(n)]), 0, token="") for n in range(count)]
        names: list[str] = []

        def note(frame: FrameType, event: str, _: object) -> None:
            if event == "call" and "strawberry_response_cache" in frame.f_code.co_filename:
                names.append(frame.f_code.co_name)

        sys.setprofile(note)
        try:
            if way == "find":
                found = await asyncio.gather(
                    *(driver.lookups.find(each, SUBJECT) for each in lookups)
                )
            else:
                found = await driver.lookups.find_all(lookups, SUBJECT)
        finally:
            sys.setprofile(None)
        assert {type(each) for each in found} == {Fresh}
        return len(names)

    for name in range(90):
        await warm.remember([str(name)], 60, number)
    driver = driver_of(warm)
    await calls(90)

    # A reply that comes in pieces, or a deadline that ends meanwhile, takes calls of its own.
    fewest = min([await calls(90) - await calls(10) for _ in range(3)])
    assert fewest / 80 <= most
