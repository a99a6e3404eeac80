"""Values made of other cached values: a whole has the tags of its parts, and no longer ttl than they have."""

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from strawberry_response_cache.core import CacheDetail, CacheStatus, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._keys import Keyspace
from strawberry_response_cache.core.algorithm.parts import Part, Parts, unfit_part
from strawberry_response_cache.core.protocol.entry import ValueRecording
from tests.conftest import driver_of, living


@pytest.fixture
def remember(cache: ResponseCache) -> Callable[..., Any]:
    """Call the sync face, which nests without ceremony; the rules are the same."""

    def call(parts: list[str], generate: Callable[[], Any], ttl: float = 60, **more: Any) -> Any:
        return cache.remember_sync(parts, ttl, generate, **more)

    return call


def test_an_invalidation_of_a_part_invalidates_the_whole(
    remember: Any, cache: ResponseCache
) -> None:
    content = "old"

    def whole() -> str:
        return f"made of {remember(['part'], lambda: content, tags=['t']).value}"

    assert remember(["whole"], whole).value == "made of old"
    content = "new"
    cache.invalidate_sync("t")

    assert remember(["whole"], whole).value == "made of new"


def test_an_invalidation_of_a_part_that_was_a_hit_invalidates_the_whole(
    remember: Any, cache: ResponseCache
) -> None:
    content = "old"

    def whole() -> str:
        return f"made of {remember(['part'], lambda: content, tags=['t']).value}"

    remember(["part"], lambda: content, tags=["t"])
    remember(["whole"], whole)
    content = "new"
    cache.invalidate_sync("t")

    assert remember(["whole"], whole).value == "made of new"


def test_an_invalidation_of_a_part_of_a_part_invalidates_the_whole(
    remember: Any, cache: ResponseCache
) -> None:
    content = "old"

    def part() -> str:
        return str(remember(["innermost"], lambda: content, tags=["t"]).value)

    def whole() -> str:
        return str(remember(["part"], part).value)

    assert remember(["whole"], whole).value == "old"
    content = "new"
    cache.invalidate_sync("t")

    assert remember(["whole"], whole).value == "new"


def test_forgetting_a_part_invalidates_the_whole(remember: Any, cache: ResponseCache) -> None:
    content = "old"

    def whole() -> str:
        return str(remember(["part"], lambda: content).value)

    remember(["whole"], whole)
    content = "new"
    cache.forget_sync(["part"])

    assert remember(["whole"], whole).value == "new"


def test_a_whole_made_of_a_part_from_before_an_invalidation_is_refused(
    remember: Any, cache: ResponseCache
) -> None:
    content = "old"

    def whole() -> str:
        nonlocal content
        value = str(remember(["part"], lambda: content, tags=["t"]).value)
        content = "new"
        cache.invalidate_sync("t")
        return value

    response = remember(["whole"], whole)
    assert (response.value, response.detail) == ("old", CacheDetail.REFUSED)
    assert remember(["whole"], lambda: "again").value == "again"


def test_the_ttl_of_a_whole_is_no_longer_than_that_of_its_part(remember: Any) -> None:
    def whole() -> str:
        return str(remember(["part"], lambda: "part", ttl=5).value)

    assert remember(["whole"], whole, ttl=3600).ttl <= 5
    assert remember(["whole"], lambda: "no", ttl=3600).ttl <= 5


def test_a_whole_made_of_a_stale_part_is_not_stored(remember: Any, raw: Any, cache: Any) -> None:
    remember(["part"], lambda: "old", ttl=60, stale=600)
    keys = tenant_of(cache).keys(["part"])
    raw.pexpire(keys.entry, 100_000)  # its ttl is over, its stale window is not
    raw.set(keys.lease, "another process", px=60_000)

    response = remember(["whole"], lambda: remember(["part"], lambda: "no").value)

    assert (response.value, response.status) == ("old", CacheStatus.BYPASS)
    assert response.detail is CacheDetail.UNCACHEABLE_PART


def test_a_whole_made_of_a_part_that_may_not_be_stored_is_not_stored(remember: Any) -> None:
    def whole() -> str:
        return str(remember(["part"], lambda: "part", cacheable=lambda _: False).value)

    assert remember(["whole"], whole).detail is CacheDetail.UNCACHEABLE_PART
    assert remember(["whole"], lambda: "again").value == "again"


def test_a_whole_made_of_another_tenants_part_is_not_stored(
    remember: Any, cache: ResponseCache
) -> None:
    def whole() -> str:
        return cache.for_tenant("acme").remember_sync(["part"], 60, lambda: "acme's").value

    assert remember(["whole"], whole).detail is CacheDetail.UNCACHEABLE_PART


def test_a_part_with_a_ttl_of_zero_is_not_stored_and_neither_is_the_whole(remember: Any) -> None:
    def whole() -> str:
        return str(remember(["part"], lambda: "part", ttl=0).value)

    assert remember(["whole"], whole).detail is CacheDetail.UNCACHEABLE_PART


# -- Several parts, in whatever order --------------------------------------------------------------------


@pytest.mark.parametrize("changed", range(3))
def test_an_invalidation_of_any_of_several_parts_invalidates_the_whole(
    remember: Any, cache: ResponseCache, changed: int
) -> None:
    contents = ["old"] * 3

    def whole() -> list[str]:
        return [
            str(remember([str(n)], lambda n=n: contents[n], tags=[f"t{n}"]).value) for n in range(3)
        ]

    remember(["1"], lambda: contents[1], tags=["t1"])  # one of them is a hit
    remember(["whole"], whole)
    contents[changed] = "new"
    cache.invalidate_sync(f"t{changed}")
    assert remember(["whole"], whole).value == contents


@pytest.mark.parametrize("order", [(5, 50, 500), (500, 50, 5), (50, 5, 500)])
def test_the_ttl_of_a_whole_is_no_longer_than_the_shortest_of_several_parts(
    remember: Any, order: tuple[int, ...]
) -> None:
    def whole() -> list[str]:
        return [str(remember([str(ttl)], lambda: "part", ttl=ttl).value) for ttl in order]

    assert remember(["whole"], whole, ttl=3600).ttl <= 5
    assert remember(["whole"], lambda: "no", ttl=3600).ttl <= 5


@pytest.mark.parametrize("later", [0, 1, 3])
@pytest.mark.parametrize("was_a_hit", [False, True])
def test_a_whole_of_one_part_from_before_an_invalidation_and_others_from_after_it_is_refused(
    remember: Any, cache: ResponseCache, later: int, was_a_hit: bool
) -> None:
    content = "old"

    def whole() -> str:
        nonlocal content
        value = str(remember(["part"], lambda: content, tags=["t"]).value)
        content = "new"
        cache.invalidate_sync("t")
        others = [str(remember([str(n)], lambda: content, tags=["t"]).value) for n in range(later)]
        return " ".join([value, *others])

    if was_a_hit:
        remember(["part"], lambda: content, tags=["t"])
    response = remember(["whole"], whole)
    assert response.detail is CacheDetail.REFUSED
    assert remember(["whole"], lambda: "again").value == "again"


def test_a_whole_whose_part_expires_while_it_is_generated_is_not_stored(remember: Any) -> None:
    def whole() -> str:
        value = str(remember(["part"], lambda: "part", ttl=0.1).value)
        ends, ticking = time.monotonic() + 0.11, threading.Event()
        while time.monotonic() < ends:  # its ttl is over, counted from when it was taken
            ticking.wait(0.005)
        return value

    assert remember(["whole"], whole).detail is CacheDetail.UNCACHEABLE_PART
    assert remember(["whole"], lambda: "again").value == "again"


@pytest.mark.parametrize("unfit", range(3))
def test_one_uncacheable_part_of_several_prevents_storing_the_whole(
    remember: Any, unfit: int
) -> None:
    def whole() -> list[str]:
        return [
            str(remember([str(n)], lambda: "part", cacheable=lambda _, n=n: n != unfit).value)
            for n in range(3)
        ]

    assert remember(["whole"], whole).detail is CacheDetail.UNCACHEABLE_PART


@pytest.mark.parametrize("by", ["tag", "key"])
def test_a_whole_with_the_tags_of_many_parts_stays_small_and_is_invalidated_by_each(
    remember: Any, cache: ResponseCache, raw: Any, by: str
) -> None:
    content = "old"

    def whole() -> str:
        for number in range(30):
            tags = [f"t{number}.{each}" for each in range(10)]
            remember([str(number)], lambda: content, tags=tags)
        return content

    remember(["whole"], whole)
    assert raw.strlen(tenant_of(cache).keys(["whole"]).entry) < 1500
    for number in (0, 29):
        content = f"after {number}"
        if by == "tag":
            cache.invalidate_sync(f"t{number}.9")
        else:
            cache.forget_sync([str(number)])
        assert remember(["whole"], whole).value == content


async def test_an_entry_read_by_a_loader_is_a_part_of_each_value_that_it_loads(
    cache: ResponseCache, face: Any
) -> None:
    content = "old"
    keys = [["a"], ["b"]]

    def load(missing: list[list[str]]) -> list[str]:
        part = cache.remember_sync(["part"], 60, lambda: content, tags=["t"]).value
        return [f"{key[0]} of {part}" for key in missing]

    async def part() -> str:
        return content

    async def load_later(missing: list[list[str]]) -> list[str]:
        taken = (await cache.remember(["part"], 60, part, tags=["t"])).value
        return [f"{key[0]} of {taken}" for key in missing]

    async def ask() -> Any:
        if face.synchronous:
            return cache.remember_many_sync(keys, 60, load)
        return await cache.remember_many(keys, 60, load_later)

    assert await ask() == ["a of old", "b of old"]
    content = "new"
    await cache.invalidate("t")
    assert await ask() == ["a of new", "b of new"]


def test_a_part_from_another_cache_has_no_effect_on_the_whole(
    remember: Any, new_cache: Callable[..., ResponseCache]
) -> None:
    tokens = new_cache("memory://", prefix="tokens")

    def whole() -> str:
        return tokens.remember_sync(["token"], 1, lambda: "token", tags=["t"]).value

    assert remember(["whole"], whole).ttl == 60
    tokens.invalidate_sync("t")
    assert remember(["whole"], lambda: "no").status is CacheStatus.HIT


async def test_entries_read_in_tasks_of_the_generator_are_parts_of_its_value(
    cache: ResponseCache, gathered: Callable[..., Any]
) -> None:
    content = "old"

    async def part() -> str:
        return content

    async def whole() -> list[str]:
        responses = await gathered(3, lambda: cache.remember(["part"], 60, part, tags=["t"]))
        return [response.value for response in responses]

    assert (await cache.remember(["whole"], 60, whole)).value == ["old"] * 3
    content = "new"
    await cache.invalidate("t")

    assert (await cache.remember(["whole"], 60, whole)).value == ["new"] * 3


@pytest.mark.parametrize("slots_per_tenant", [2, 16])
def test_an_invalidation_of_parts_in_other_slots_invalidates_the_whole(
    new_cache: Callable[..., ResponseCache], url: str, slots_per_tenant: int
) -> None:
    cache = new_cache(url, slots_per_tenant=slots_per_tenant)
    content = "old"

    def whole() -> list[str]:
        return [
            cache.remember_sync([str(n)], 60, lambda: content, tags=["t"]).value for n in range(8)
        ]

    assert cache.remember_sync(["whole"], 60, whole).value == ["old"] * 8
    content = "new"
    cache.invalidate_sync("t")
    assert cache.remember_sync(["whole"], 60, whole).value == ["new"] * 8

    content = "newer"
    for number in range(8):
        cache.forget_sync([str(number)])
    assert cache.remember_sync(["whole"], 60, whole).value == ["newer"] * 8


async def test_a_value_stored_while_an_invalidation_goes_through_the_slots_is_invalidated(
    new_cache: Callable[..., ResponseCache], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = new_cache(url, slots_per_tenant=2)
    content = "old"
    names = {tenant_of(cache).keys([str(number)]).tags: [str(number)] for number in range(50)}
    whole_key, part_key = (names[table] for table in tenant_of(cache).keyspace.tag_tables)

    async def part() -> str:
        return content

    async def whole() -> str:
        return (await cache.remember(part_key, 60, part, tags=["t"])).value

    invalidating = driver_of(cache).invalidating
    invalidate = invalidating.invalidate
    recorded = []

    async def invalidate_and_record(effect: Any, why_pending: Any) -> Any:
        result = await invalidate(effect, why_pending)
        recorded.append((await cache.remember(whole_key, 60, whole)).value)
        return result

    await whole()
    content = "new"
    monkeypatch.setattr(invalidating, "invalidate", invalidate_and_record)
    await cache.invalidate("t")

    assert recorded[0] == "old", "its part stands in a slot that the invalidation has not reached"
    assert (await cache.remember(whole_key, 60, whole)).value == "new"


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
    raw, key = raw_of(cache), tenant_of(cache).keys(["part"]).entry
    raw.pexpire(key, raw.pttl(key) - 40_000)
    assert (await cache.remember(["whole"], 30, whole)).detail is CacheDetail.GENERATED
    again = await cache.remember(["whole"], 30, whole)
    assert (again.value, again.status) == (2, CacheStatus.HIT)
    assert runs == {"part": 2, "whole": 1}


def test_an_entry_read_after_a_generator_has_ended_is_not_its_part() -> None:
    """A task that the generator started may read the cache later."""
    keys = Keyspace("test").keys(["a"])
    parts = Parts()
    parts.add(Part(keys, (), 1000, meta="seen"))
    assert parts.metas == {"seen"}
    parts.end()
    parts.add(Part(keys, (), 1000, meta="late"))
    assert parts.metas == frozenset()


def test_a_failed_field_prevents_storing_only_fields_that_read_it() -> None:
    """The fields of a failed run are stored one by one. A failed field is a part of the run, and of no other field."""
    space = Keyspace("test")
    recording = ValueRecording(b"value", 1000)
    failed = unfit_part(space.keys(["failed"]))
    parts = Parts()
    parts.add(failed)

    def folded() -> object:
        return parts.fold(recording, space.keys(["field"]), None, frozenset({failed.keys.entry}))

    assert folded() == (recording, None)
    parts.add(failed)
    assert folded() is None


async def test_a_task_that_outlives_its_generator_leaves_no_parts_behind(
    memory_cache: ResponseCache,
) -> None:
    """A generator may start a task that reads the cache for as long as the process runs."""
    ended, has_read, goes_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
    tasks: list[asyncio.Task[None]] = []

    async def part() -> str:
        return "part"

    async def read() -> None:
        await ended.wait()
        for number in range(20):
            await memory_cache.remember([str(number)], 60, part)
        has_read.set()
        await goes_on.wait()

    async def generate() -> str:
        tasks.append(asyncio.create_task(read()))
        return "whole"

    await memory_cache.remember(["whole"], 60, generate)
    ended.set()
    await has_read.wait()
    gc.collect()
    assert [each for each in living() if isinstance(each, Part)] == []
    goes_on.set()
    await asyncio.gather(*tasks)


def test_a_whole_of_parts_in_other_slots_is_stored(
    new_cache: Callable[..., ResponseCache], url: str
) -> None:
    """The slots have epochs and clocks of their own, which cannot be compared."""
    cache = new_cache(url, slots_per_tenant=8)

    def whole() -> str:
        for number in range(16):
            cache.remember_sync([str(number)], 60, lambda: "part")
        return "whole"

    whole()
    assert cache.remember_sync(["whole"], 60, whole).detail is CacheDetail.GENERATED
    assert cache.remember_sync(["whole"], 60, whole).status is CacheStatus.HIT
