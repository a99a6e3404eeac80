"""`remember_many`: bare values in the order of the keys, one round trip, one call of the loader."""

import asyncio
import inspect
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from strawberry.dataloader import DataLoader

from strawberry_response_cache.core import CacheConfigurationError, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core.redis.link import MOST_TOGETHER
from tests.conftest import Eventually, driver_of, joined


class Loader:
    """Squares numbers, fails on 13, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def __call__(self, numbers: list[int]) -> list[Any]:
        self.asked.append(numbers)
        return [LookupError(n) if n == 13 else n * n for n in numbers]


async def many(
    cache: ResponseCache, face: Any, numbers: Any, load: Callable[[list[int]], Any], **more: Any
) -> list[Any]:
    """Call either face with a plain loader."""
    options: dict[str, Any] = {"key": lambda number: ["square", str(number)]} | more
    ttl = options.pop("ttl", 60)
    if face.synchronous:
        return cache.remember_many_sync(numbers, ttl, load, **options)

    async def load_many(missing: list[int]) -> Any:
        values = load(missing)
        return await values if inspect.isawaitable(values) else values

    return await cache.remember_many(numbers, ttl, load_many, **options)


async def test_values_come_in_the_order_of_the_keys_and_only_missing_ones_are_loaded(
    cache: ResponseCache, face: Any
) -> None:
    load = Loader()

    assert await many(cache, face, [3, 1, 2], load) == [9, 1, 4]
    assert await many(cache, face, [2, 5, 3, 4], load) == [4, 25, 9, 16]
    assert await many(cache, face, [2, 3], load) == [4, 9]
    assert load.asked == [[3, 1, 2], [5, 4]]


async def test_a_key_that_is_asked_for_twice_is_loaded_once(
    cache: ResponseCache, face: Any
) -> None:
    load = Loader()

    assert await many(cache, face, [2, 3, 2], load) == [4, 9, 4]
    assert load.asked == [[2, 3]]


async def test_remember_many_of_no_keys_loads_nothing(cache: ResponseCache, face: Any) -> None:
    load = Loader()

    assert await many(cache, face, [], load) == []
    assert load.asked == []


async def test_a_batch_of_more_keys_than_one_script_takes_returns_every_value(
    memory_cache: ResponseCache, face: Any
) -> None:
    load, numbers = Loader(), [number + 14 for number in range(2 * MOST_TOGETHER + 1)]
    squares = [number * number for number in numbers]

    for _ in range(2):
        assert await many(memory_cache, face, numbers, load) == squares
    assert load.asked == [numbers]


async def test_a_batch_that_redis_does_not_answer_is_loaded_and_the_log_says_so(
    new_cache: Callable[..., ResponseCache],
    unused_port: int,
    face: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = new_cache(f"redis://127.0.0.1:{unused_port}", connect_deadline=1)
    load, numbers = Loader(), [number + 14 for number in range(2 * MOST_TOGETHER + 1)]

    found = await many(cache, face, numbers, load)

    assert found == [number * number for number in numbers]
    assert load.asked == [numbers]
    assert any(str(unused_port) in record.getMessage() for record in caplog.records)


async def test_a_call_that_redis_does_not_answer_generates_and_the_log_says_so(
    new_cache: Callable[..., ResponseCache],
    unused_port: int,
    face: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cache = new_cache(f"redis://127.0.0.1:{unused_port}", connect_deadline=1)
    assert (await face.remember(cache, ["a"], 60, lambda: "own")).value == "own"
    assert any(str(unused_port) in record.getMessage() for record in caplog.records)


async def test_an_exception_among_the_loaded_values_fails_its_key_only_and_is_not_stored(
    cache: ResponseCache, face: Any, raw: Any
) -> None:
    load = Loader()

    one, failed, two = await many(cache, face, [1, 13, 2], load)

    assert (one, two) == (1, 4)
    assert isinstance(failed, LookupError)
    assert not raw.exists(tenant_of(cache).keys(["square", "13"]).lease)
    await many(cache, face, [1, 13, 2], load)
    assert load.asked == [[1, 13, 2], [13]]


async def test_an_error_of_the_loader_reaches_the_caller_and_leaves_no_lease(
    cache: ResponseCache, face: Any, raw: Any
) -> None:
    def fail(numbers: list[int]) -> list[int]:
        raise LookupError

    with pytest.raises(LookupError):
        await many(cache, face, [1, 2], fail)
    driver = face.driver(cache)
    assert len(driver.flights) == 0
    await cache.aclose()
    assert raw.keys("*:l:*") == []


async def test_remember_and_remember_many_share_entries(cache: ResponseCache, face: Any) -> None:
    await many(cache, face, [3], Loader())

    assert (await face.remember(cache, ["square", "3"], 60, lambda: "no")).value == 9
    await face.remember(cache, ["square", "4"], 60, lambda: "sixteen")
    assert await many(cache, face, [4], Loader()) == ["sixteen"]


async def test_a_ttl_of_zero_loads_everything_each_time(cache: ResponseCache, face: Any) -> None:
    load = Loader()

    assert await many(cache, face, [2, 2, 3], load, ttl=0) == [4, 4, 9]
    assert await many(cache, face, [2], load, ttl=0) == [4]
    assert load.asked == [[2, 3], [2]]


@pytest.mark.parametrize("count", [2, 10])
async def test_remember_many_is_one_round_trip_for_hits_and_two_for_misses(
    valkey_cache: ResponseCache, raw_valkey: Any, face: Any, count: int
) -> None:
    await many(valkey_cache, face, [1000, 1001], Loader())  # connected, scripts known

    def round_trips() -> int:
        reads = int(raw_valkey.info("stats")["total_reads_processed"]) - 1  # without this one
        raw_valkey.config_resetstat()
        return reads

    round_trips()
    await many(valkey_cache, face, range(count), Loader())
    assert round_trips() == 2
    await many(valkey_cache, face, range(count), Loader())
    assert round_trips() == 1


async def test_two_batches_that_overlap_load_each_key_once(
    cache: ResponseCache, eventually: Eventually
) -> None:
    entered, go = asyncio.Event(), asyncio.Event()
    asked: list[list[int]] = []

    async def slow(numbers: list[int]) -> list[int]:
        asked.append(numbers)
        entered.set()
        await go.wait()
        return numbers

    async def quick(numbers: list[int]) -> list[int]:
        asked.append(numbers)
        return numbers

    key: Any = {"key": lambda number: [str(number)]}
    first = asyncio.create_task(cache.remember_many([1, 2, 3], 60, slow, **key))
    await entered.wait()
    second = asyncio.create_task(cache.remember_many([3, 4, 1], 60, quick, **key))
    await eventually(lambda: len(asked) == 2)
    go.set()

    assert await first == [1, 2, 3]
    assert await second == [3, 4, 1]
    assert asked == [[1, 2, 3], [4]]


async def test_two_threads_with_the_same_keys_in_opposite_order_do_not_wait_for_ever(
    cache: ResponseCache, eventually: Eventually
) -> None:
    entered, go = threading.Event(), threading.Event()

    def load(numbers: list[int]) -> list[int]:
        entered.set()
        assert go.wait(60)
        return numbers

    def run(numbers: list[int]) -> list[Any]:
        return cache.remember_many_sync(numbers, 60, load, key=lambda n: [str(n)])

    with ThreadPoolExecutor(2) as threads:
        try:
            one = threads.submit(run, [1, 2, 3])
            await eventually(entered.is_set)
            other = threads.submit(run, [3, 2, 1])
            await eventually(lambda: joined(cache, synchronous=True))
        finally:
            go.set()
        assert one.result(60) == [1, 2, 3]
        assert other.result(60) == [3, 2, 1]


async def test_a_cancelled_batch_leaves_no_lease_and_no_flight(
    cache: ResponseCache, raw: Any
) -> None:
    entered = asyncio.Event()

    async def slow(numbers: list[int]) -> list[int]:
        entered.set()
        await asyncio.Event().wait()
        return numbers

    task = asyncio.create_task(cache.remember_many([["1"], ["2"]], 60, slow))  # type: ignore[arg-type] # the loader's keys do not matter here
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    driver = driver_of(cache)
    await driver.drain()

    assert len(driver.flights) == 0
    assert raw.keys("*:l:*") == []


async def test_remember_many_can_be_the_load_function_of_a_dataloader(cache: ResponseCache) -> None:
    load = Loader()

    async def load_many(numbers: list[int]) -> list[Any]:
        return load(numbers)

    async def load_fn(numbers: list[int]) -> list[Any]:
        return await cache.remember_many(numbers, 60, load_many, key=lambda n: ["square", str(n)])

    for _ in range(2):
        loader: DataLoader[int, int] = DataLoader(load_fn=load_fn)
        results = await asyncio.gather(
            *(loader.load(n) for n in (1, 2, 13)), return_exceptions=True
        )
        assert results[:2] == [1, 4]
        assert isinstance(results[2], LookupError)
    assert load.asked == [[1, 2, 13], [13]]


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ([1], "1 values for 2 keys"),
        ([1, 2, 3], "3 values for 2 keys"),
        (None, "a NoneType"),
        ("ab", "a str"),
        ({1: 1}, "a dict"),
    ],
)
async def test_a_loader_that_does_not_return_one_value_for_each_key_is_refused(
    cache: ResponseCache, face: Any, values: Any, complaint: str
) -> None:
    with pytest.raises(CacheConfigurationError, match=complaint):
        await many(cache, face, [1, 2], lambda _: values)


async def test_a_bare_string_as_a_key_is_refused(cache: ResponseCache, face: Any) -> None:
    with pytest.raises(TypeError, match="wrap it in a list"):
        await many(cache, face, ["bare"], Loader(), key=None)


async def test_an_async_or_sync_loader_in_the_wrong_method_says_which_method_to_call(
    cache: ResponseCache,
) -> None:
    async def load(numbers: list[int]) -> list[int]:
        return numbers

    key: Any = {"key": lambda n: [str(n)]}
    with pytest.raises(TypeError, match=r"await remember_many\(\)"):
        cache.remember_many_sync([1], 60, load, **key)  # type: ignore[arg-type] # what is tested
    with pytest.raises(TypeError, match=r"call remember_many_sync\(\)"):
        await cache.remember_many([1], 60, list, **key)  # type: ignore[arg-type] # as above


async def test_a_batch_whose_loader_fails_serves_stale_values(
    cache: ResponseCache, raw: Any, face: Any
) -> None:
    await many(cache, face, [1, 2], lambda keys: ["old"] * len(keys), stale=1000)
    for number in "12":
        key = tenant_of(cache).keys(["square", number]).entry
        raw.pexpire(key, raw.pttl(key) - 70_000)

    def fail(_keys: object) -> list[str]:
        raise LookupError

    assert await many(cache, face, [1, 2], fail, stale=1000) == ["old", "old"]
    with pytest.raises(LookupError):
        await many(cache, face, [1, 3], fail, stale=1000)
    driver: Any = face.driver(cache)
    assert len(driver.flights) == 0


async def test_a_cancelled_error_among_the_values_affects_only_its_key(
    memory_cache: ResponseCache, face: Any
) -> None:
    values: Any = ["x", asyncio.CancelledError()]
    found = await many(memory_cache, face, [1, 2], lambda _: values)
    assert found[0] == "x"
    assert found[1] is values[1]


# -- Tags ------------------------------------------------------------------------------------------


async def test_tags_may_be_a_function_of_the_key_and_its_value(
    cache: ResponseCache, face: Any
) -> None:
    """So the value None of a missing row can have a tag, too."""
    load = Loader()
    tags: Any = {"tags": lambda number, value: [f"Number:{number}", f"Square:{value}"]}
    await many(cache, face, [2, 3, 4], load, **tags)

    await face.invalidate(cache, "Number:2", "Square:9")

    assert await many(cache, face, [2, 3, 4], load, **tags) == [4, 9, 16]
    assert load.asked == [[2, 3, 4], [2, 3]]


async def test_a_list_of_tags_applies_to_each_value(cache: ResponseCache, face: Any) -> None:
    load = Loader()
    await many(cache, face, [2, 3], load, tags=["Number"])
    await face.invalidate(cache, "Number")

    await many(cache, face, [2, 3], load, tags=["Number"])
    assert load.asked == [[2, 3], [2, 3]]
