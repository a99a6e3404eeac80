"""An entry that this process has read is not fetched again: Redis only tells whether it is still valid."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import pytest

from strawberry_response_cache.core import CacheStatus, ResponseCache
from strawberry_response_cache.core._bounded import Bounded
from strawberry_response_cache.core._keys import Keyspace
from strawberry_response_cache.core.protocol import Lookup
from strawberry_response_cache.core.protocol.entry import ValueRecording, encode

_LARGE: Final = "x" * 5_000
Make = Callable[..., ResponseCache]


class Reads:
    """How many entries the server was asked for since the last look."""

    def __init__(self, raw_valkey: Any, *commands: str) -> None:
        self._raw = raw_valkey
        self._commands = commands or ("get", "mget")
        self._raw.config_resetstat()

    def __call__(self) -> int:
        """Return the number of commands that read, and begin again."""
        stats = self._raw.info("commandstats")
        self._raw.config_resetstat()
        return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in self._commands)


async def test_an_entry_is_fetched_once(
    new_cache: Make, valkey_url: str, face: Any, raw_valkey: Any
) -> None:
    writer, reader = new_cache(valkey_url), new_cache(valkey_url, compress_above=0)
    await face.remember(writer, ["page"], 60, lambda: _LARGE)
    reads = Reads(raw_valkey)

    for expected in (1, 0, 0):
        hit = await face.remember(reader, ["page"], 60, lambda: "no")
        assert (hit.status, hit.value, reads()) == (CacheStatus.HIT, _LARGE, expected)


async def test_an_entry_that_another_process_has_replaced_is_fetched(
    new_cache: Make, valkey_url: str, face: Any
) -> None:
    one, other = new_cache(valkey_url), new_cache(valkey_url)
    for number in range(3):
        made = await face.remember(other, ["page"], 60, lambda number=number: number)
        assert (made.status, made.value) == (CacheStatus.MISS, number)
        for _ in range(2):
            hit = await face.remember(one, ["page"], 60, lambda: "no")
            assert (hit.status, hit.value) == (CacheStatus.HIT, number)
        await face.forget(other, ["page"])


async def test_an_entry_that_this_process_has_replaced_is_fetched_in_one_lookup(
    new_cache: Make, valkey_url: str, face: Any, raw_valkey: Any
) -> None:
    cache, scripts = new_cache(valkey_url), Reads(raw_valkey, "evalsha")
    for number in range(3):
        for expected in (CacheStatus.MISS, CacheStatus.HIT):
            found = await face.remember(cache, ["page"], 60, lambda number=number: number)
            assert (found.status, found.value) == (expected, number)
        assert scripts() == 3, "two for the miss, one for the hit"
        await face.forget(cache, ["page"])
        scripts()


@pytest.mark.parametrize("how", ["invalidate", "forget", "clear"])
async def test_an_entry_that_another_process_has_invalidated_is_a_miss(
    new_cache: Make, valkey_url: str, face: Any, how: str
) -> None:
    one, other = new_cache(valkey_url), new_cache(valkey_url)
    for _ in range(2):
        await face.remember(one, ["page"], 60, lambda: "old", tags=["shelf"])
    await {
        "invalidate": lambda: face.invalidate(other, "shelf"),
        "forget": lambda: face.forget(other, ["page"]),
        "clear": lambda: face.clear(other),
    }[how]()

    response = await face.remember(one, ["page"], 60, lambda: "new", tags=["shelf"])

    assert (response.status, response.value) == (CacheStatus.MISS, "new")


async def test_the_age_of_a_confirmed_entry_is_its_age_now(
    new_cache: Make, valkey_url: str, face: Any, raw_valkey: Any
) -> None:
    cache = new_cache(valkey_url, early_refresh=0)
    for _ in range(2):
        await face.remember(cache, ["page"], 600, lambda: 1)
    entry = next(key for key in raw_valkey.scan_iter() if b":e:" in key)
    raw_valkey.pexpire(entry, 200_000)

    hit = await face.remember(cache, ["page"], 600, lambda: 2)

    assert hit.value == 1
    assert 100 < hit.ttl <= 200
    assert 400 <= hit.age < 500


async def test_keys_that_are_known_and_others_are_looked_up_together(
    new_cache: Make, valkey_url: str, face: Any, raw_valkey: Any
) -> None:
    writer, reader = new_cache(valkey_url), new_cache(valkey_url)
    keys = [[str(number)] for number in range(6)]
    await face.remember_many(writer, keys, 60, lambda missing: [each[0] for each in missing])
    for at in (1, 2, 4):
        await face.remember(reader, keys[at], 60, lambda: "no")
    reads = Reads(raw_valkey)

    for expected in (1, 0):
        found = await face.remember_many(reader, keys, 60, lambda missing: ["no"] * len(missing))
        assert (found, reads()) == ([each[0] for each in keys], expected)


async def test_lookups_of_one_tick_fetch_all_unknown_entries_in_one_read(
    new_cache: Make, valkey_url: str, raw_valkey: Any
) -> None:
    writer, reader = new_cache(valkey_url), new_cache(valkey_url)

    async def read(cache: ResponseCache, number: int) -> int:
        async def generate() -> int:
            return number

        return (await cache.remember([str(number)], 60, generate)).value

    for number in range(6):
        await read(writer, number)
    await read(reader, 0)
    reads = Reads(raw_valkey)
    for expected in (1, 0):
        found = await asyncio.gather(*(read(reader, number) for number in range(6)))
        assert (found, reads()) == ([0, 1, 2, 3, 4, 5], expected)


async def test_a_value_that_cannot_be_rebuilt_is_generated_once_more(
    new_cache: Make, valkey_url: str, face: Any
) -> None:
    cache = new_cache(valkey_url)
    for _ in range(2):
        await face.remember(cache, ["page"], 60, lambda: "text")
    for expected in (CacheStatus.MISS, CacheStatus.HIT, CacheStatus.HIT):
        response = await face.remember(cache, ["page"], 60, lambda: 7, as_type=int)
        assert (response.status, response.value) == (expected, 7)


@pytest.mark.parametrize("most", [0, 20_000])
async def test_an_entry_above_an_eighth_of_confirmed_bytes_is_fetched_each_time(
    new_cache: Make, valkey_url: str, face: Any, raw_valkey: Any, most: int
) -> None:
    """So one entry does not take all the room."""
    cache = new_cache(valkey_url, confirmed_bytes=most)
    await face.remember(cache, ["page"], 60, lambda: _LARGE)
    reads = Reads(raw_valkey)
    for _ in range(2):
        hit = await face.remember(cache, ["page"], 60, lambda: "no")
        assert (hit.value, reads()) == (_LARGE, 1)


async def test_only_the_first_hit_after_an_unrelated_invalidation_reads_its_tags(
    new_cache: Make, valkey_url: str, face: Any, raw_valkey: Any
) -> None:
    """The clock of the tenant changes with each invalidation. While it is the same, a hit does not read its tags."""
    one, other = new_cache(valkey_url), new_cache(valkey_url)
    for cache in (one, other):
        for _ in range(2):
            await face.remember(cache, ["page"], 60, lambda: "page", tags=["shelf"])
    looks = Reads(raw_valkey, "hmget")

    async def looks_of_a_hit() -> int:
        hit = await face.remember(one, ["page"], 60, lambda: "no", tags=["shelf"])
        assert hit.value == "page"
        return looks()

    assert [await looks_of_a_hit() for _ in range(2)] == [1, 1], "for the clock alone"
    for _ in range(2):
        await face.invalidate(other, "another shelf")
        looks()
        assert [await looks_of_a_hit() for _ in range(3)] == [2, 1, 1]


async def test_an_invalidation_after_a_hit_has_read_its_tags_makes_the_next_lookup_miss(
    new_cache: Make, valkey_url: str, face: Any
) -> None:
    one, other = new_cache(valkey_url), new_cache(valkey_url)
    for tag in ("another shelf", "a third shelf"):
        for _ in range(2):
            hit = await face.remember(one, ["page"], 60, lambda: "old", tags=["shelf"])
            assert hit.value == "old"
        await face.invalidate(other, tag)
    await face.invalidate(other, "shelf")

    response = await face.remember(one, ["page"], 60, lambda: "new", tags=["shelf"])

    assert (response.status, response.value) == (CacheStatus.MISS, "new")


async def test_the_last_check_of_an_entry_does_not_count_for_the_entry_that_replaces_it(
    new_cache: Make, valkey_url: str, face: Any, raw_valkey: Any
) -> None:
    """The new entry was generated elsewhere, and its tag was invalidated meanwhile."""
    one, other = new_cache(valkey_url), new_cache(valkey_url)
    await face.remember(other, ["page"], 60, lambda: "outdated", tags=["shelf"])
    entry = next(key for key in raw_valkey.scan_iter() if b":e:" in key)
    outdated = raw_valkey.get(entry)
    await face.invalidate(other, "shelf")
    for _ in range(2):
        await face.remember(one, ["page"], 60, lambda: "old")
    raw_valkey.set(entry, outdated, px=60_000)
    scripts = Reads(raw_valkey, "evalsha")

    response = await face.remember(one, ["page"], 60, lambda: "new")

    assert (response.status, response.value) == (CacheStatus.MISS, "new")
    assert scripts() == 2, "the lookup saw it, and gave the lease"


@pytest.mark.parametrize(
    "recording",
    [
        ValueRecording(b"x" * 4_000, 60_000),
        ValueRecording(b"x", 60_000, note="v;" + "Book:1," * 570),
        ValueRecording(b"x", 60_000, tags=tuple(f"{number:016}" for number in range(100))),
    ],
    ids=["value", "note", "tags"],
)
def test_value_note_and_tags_count_towards_the_bound(recording: ValueRecording) -> None:
    confirmed: Bounded[str, Any] = Bounded(100_000)
    stored = encode(recording, write_id="w", epoch="e", clock=1)
    for number in range(100):
        keys = Keyspace("shop").keys([str(number)])
        Lookup(keys, 0, confirmed=confirmed).interpret([["fresh", "w", "60000", "-", "0"], stored])

    assert 5 <= len(confirmed) <= 100_000 // len(stored)
