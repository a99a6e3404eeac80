"""`remember` and `remember_sync`: what they promise to a single caller, on a server and in memory."""

import contextlib
import dataclasses
import datetime
import decimal
import enum
import math
from collections.abc import Callable
from typing import Any

import pydantic
import pytest
from typing_extensions import TypedDict

from strawberry_response_cache.core import (
    CacheDetail,
    CachedResponse,
    CacheSerializationError,
    CacheStatus,
    ResponseCache,
)
from strawberry_response_cache.core._cache import tenant_of

HIT, MISS, BYPASS = CacheStatus.HIT, CacheStatus.MISS, CacheStatus.BYPASS


class Counter:
    """A generator that counts its runs and returns the count, or what it is told."""

    def __init__(self, *values: Any) -> None:
        self.runs = 0
        self._values = values

    def __call__(self) -> Any:
        self.runs += 1
        return self._values[self.runs - 1] if self._values else self.runs


def untouched(raw: Any, cache: ResponseCache, parts: list[str]) -> bool:
    """Whether neither an entry nor a lease is left."""
    keys = tenant_of(cache).keys(parts)
    return not raw.exists(keys.entry, keys.lease)


def elapse(raw: Any, cache: ResponseCache, parts: list[str], milliseconds: int) -> None:
    """Let time go by for one entry."""
    key = tenant_of(cache).keys(parts).entry
    assert raw.pexpire(key, max(0, raw.pttl(key) - milliseconds))


async def test_the_first_call_generates_and_the_second_hits(
    cache: ResponseCache, face: Any
) -> None:
    generate = Counter()

    first = await face.remember(cache, ["a"], 60, generate)
    second = await face.remember(cache, ["a"], 60, generate)

    assert (first.value, first.status, first.detail) == (1, MISS, CacheDetail.GENERATED)
    assert (second.value, second.status, second.detail) == (1, HIT, CacheDetail.FRESH)
    assert generate.runs == 1


async def test_a_miss_leaves_no_lease_behind(cache: ResponseCache, face: Any, raw: Any) -> None:
    await face.remember(cache, ["a"], 60, Counter())

    assert not raw.exists(tenant_of(cache).keys(["a"]).lease)
    assert raw.exists(tenant_of(cache).keys(["a"]).entry)


@pytest.mark.parametrize("value", [None, False, 0, "", [], {}, 0.0, -0.0], ids=repr)
async def test_a_falsy_value_is_cached(cache: ResponseCache, face: Any, value: object) -> None:
    await face.remember(cache, ["a"], 60, lambda: value)

    again = await face.remember(cache, ["a"], 60, lambda: "another")

    assert (again.status, repr(again.value)) == (HIT, repr(value))


@pytest.mark.parametrize(
    "value",
    [
        True,
        2**200,
        -1,
        1.5,
        1e300,
        5e-324,
        "é\x00\n😀\u2028",
        [1, [2, [None]]],
        {"a": {"b": [True]}, "": 0},
    ],
    ids=repr,
)
async def test_plain_json_comes_back_exactly(
    cache: ResponseCache, face: Any, value: object
) -> None:
    await face.remember(cache, ["a"], 60, lambda: value)

    again = await face.remember(cache, ["a"], 60, lambda: "another")

    assert (again.status, again.value, type(again.value)) == (HIT, value, type(value))


async def test_async_and_sync_calls_share_one_entry(cache: ResponseCache) -> None:
    async def generate() -> str:
        return "from the loop"

    await cache.remember(["a"], 60, generate)
    cache.remember_sync(["b"], 60, lambda: "from a thread")

    assert cache.remember_sync(["a"], 60, lambda: "no").value == "from the loop"
    assert (await cache.remember(["b"], 60, generate)).value == "from a thread"


# -- Lifetimes --------------------------------------------------------------------------------------


async def test_a_ttl_of_zero_generates_each_time(cache: ResponseCache, face: Any, raw: Any) -> None:
    generate = Counter()

    for run in (1, 2):
        response = await face.remember(cache, ["a"], 0, generate)
        assert response == CachedResponse(run, BYPASS, CacheDetail.TTL_ZERO)

    assert raw.dbsize() == 0


async def test_a_ttl_of_zero_sends_nothing(
    valkey_cache: ResponseCache, face: Any, raw_valkey: Any
) -> None:
    await face.remember(valkey_cache, ["a"], 60, Counter())
    raw_valkey.config_resetstat()

    await face.remember(valkey_cache, ["a"], 0, Counter())
    await face.remember(valkey_cache, ["a"], datetime.timedelta(0), Counter(), tags=["t"])

    assert set(raw_valkey.info("commandstats")) <= {"cmdstat_config|resetstat", "cmdstat_info"}


async def test_a_ttl_of_zero_reads_no_older_entry(cache: ResponseCache, face: Any) -> None:
    await face.remember(cache, ["a"], 60, lambda: "old")

    assert (await face.remember(cache, ["a"], 0, lambda: "new")).value == "new"
    assert (await face.remember(cache, ["a"], 60, Counter())).value == "old"


async def test_the_ttl_can_be_a_function_of_the_value(
    cache: ResponseCache, face: Any, raw: Any
) -> None:
    token = {"expires_in": 90}

    first = await face.remember(cache, ["a"], lambda value: value["expires_in"], lambda: token)

    assert first.ttl == 90
    assert 80_000 < raw.pttl(tenant_of(cache).keys(["a"]).entry) <= 90_000


async def test_a_ttl_function_that_says_zero_stores_nothing(
    cache: ResponseCache, face: Any, raw: Any
) -> None:
    response = await face.remember(cache, ["a"], lambda _: 0, Counter())

    assert (response.status, response.detail) == (BYPASS, CacheDetail.TTL_ZERO)
    assert untouched(raw, cache, ["a"])


@pytest.mark.parametrize(
    ("ttl", "milliseconds"),
    [(90, 90_000), (90.25, 90_250), (datetime.timedelta(minutes=2), 120_000)],
)
async def test_a_ttl_may_be_seconds_or_a_timedelta(
    cache: ResponseCache, face: Any, raw: Any, ttl: Any, milliseconds: int
) -> None:
    await face.remember(cache, ["a"], ttl, Counter())

    left = raw.pttl(tenant_of(cache).keys(["a"]).entry)
    assert milliseconds - 60_000 < left <= milliseconds


async def test_an_entry_whose_ttl_is_over_is_generated_again(
    cache: ResponseCache, face: Any, raw: Any
) -> None:
    generate = Counter()
    await face.remember(cache, ["a"], 1000, generate)

    elapse(raw, cache, ["a"], 1_000_000)
    again = await face.remember(cache, ["a"], 1000, generate)

    assert (again.value, again.status) == (2, MISS)


async def test_a_hit_has_its_age_and_the_rest_of_its_ttl(
    cache: ResponseCache, face: Any, raw: Any
) -> None:
    first = await face.remember(cache, ["a"], 1000, Counter())
    elapse(raw, cache, ["a"], 300_000)
    hit = await face.remember(cache, ["a"], 1000, Counter())

    assert (first.age, first.ttl) == (0, 1000)
    assert hit.age + hit.ttl == pytest.approx(1000)
    assert 300 <= hit.age < 400


# -- Stale ------------------------------------------------------------------------------------------


async def test_a_caller_within_the_stale_window_refreshes_the_entry(
    cache: ResponseCache, face: Any, raw: Any
) -> None:
    generate = Counter()
    await face.remember(cache, ["a"], 1000, generate, stale=1000)
    elapse(raw, cache, ["a"], 1_200_000)

    refreshed = await face.remember(cache, ["a"], 1000, generate, stale=1000)
    hit = await face.remember(cache, ["a"], 1000, generate, stale=1000)

    assert (refreshed.value, refreshed.status) == (2, MISS)
    assert (hit.value, hit.detail) == (2, CacheDetail.FRESH)


async def test_a_refresh_that_fails_serves_the_stale_value_and_is_not_tried_again_at_once(
    cache: ResponseCache, face: Any, raw: Any
) -> None:
    class DatabaseError(Exception):
        pass

    failures = 0

    def fail() -> object:
        nonlocal failures
        failures += 1
        raise DatabaseError

    await face.remember(cache, ["a"], 1000, lambda: "old", stale=1000)
    elapse(raw, cache, ["a"], 1_200_000)

    for _ in range(3):
        response = await face.remember(cache, ["a"], 1000, fail, stale=1000)
        assert (response.value, response.detail) == ("old", CacheDetail.STALE)
        assert response.ttl == 0
        assert response.age >= 1000
    assert failures == 1


# -- Types ------------------------------------------------------------------------------------------


class Account(pydantic.BaseModel):
    name: str
    opened: datetime.date


class Deposit(pydantic.BaseModel):
    kind: str = "deposit"
    amount: decimal.Decimal


@dataclasses.dataclass
class Point:
    x: int
    y: int


class Row(TypedDict):
    id: int
    seen: datetime.datetime


TYPED: list[tuple[Any, object]] = [
    (Account, Account(name="Ada", opened=datetime.date(2026, 1, 31))),
    (list[Account], [Account(name="Ada", opened=datetime.date(2026, 1, 31))]),
    (Account | Deposit, Deposit(amount=decimal.Decimal("0.10"))),
    (Account | None, None),
    (Point, Point(1, 2)),
    (Row, {"id": 1, "seen": datetime.datetime(2026, 1, 31, 12, 30, tzinfo=datetime.UTC)}),
    (datetime.datetime, datetime.datetime(2026, 1, 31, 1, 2, 3, 4, tzinfo=datetime.UTC)),
    (datetime.timedelta, datetime.timedelta(days=3, microseconds=1)),
    (decimal.Decimal, decimal.Decimal("1.10")),
    (tuple[int, str], (1, "a")),
    (dict[int, set[str]], {1: {"a"}}),
    (bytes, b"abc"),
    (int | str, "1"),
]


async def test_as_type_rebuilds_the_value(cache: ResponseCache, face: Any) -> None:
    for as_type, value in TYPED:
        parts = [str(as_type)]
        await face.remember(cache, parts, 60, lambda value=value: value, as_type=as_type)

        again = await face.remember(cache, parts, 60, Counter(), as_type=as_type)

        assert (again.status, again.value, type(again.value)) == (HIT, value, type(value)), as_type


class Aliased(pydantic.BaseModel):
    account_id: int = pydantic.Field(alias="accountId")


class Computed(pydantic.BaseModel, extra="forbid"):
    net: int

    @pydantic.computed_field  # type: ignore[prop-decorator] # mypy knows no decorated properties
    @property
    def gross(self) -> int:
        return self.net * 2


@pytest.mark.parametrize(
    "value", [Aliased(accountId=7), Computed(net=1)], ids=["alias", "computed field"]
)
def test_a_model_is_cached_whatever_its_names_are_in_json(
    memory_cache: ResponseCache, value: pydantic.BaseModel
) -> None:
    generate = Counter(value, value)
    memory_cache.remember_sync(["a"], 60, generate, as_type=type(value))

    again = memory_cache.remember_sync(["a"], 60, generate, as_type=type(value))

    assert (again.status, again.value) == (HIT, value)


@pytest.mark.parametrize("as_type", [float, float | None, dict[str, Any]], ids=str)
@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_nan_and_infinity_come_back_unchanged_or_are_refused(
    memory_cache: ResponseCache, as_type: object, number: float
) -> None:
    value = {"a": number} if as_type == dict[str, Any] else number

    with contextlib.suppress(CacheSerializationError):
        memory_cache.remember_sync(["a"], 60, lambda: value, as_type=as_type)
        again = memory_cache.remember_sync(["a"], 60, lambda: value, as_type=as_type)
        assert (again.status, repr(again.value)) == (HIT, repr(value))


async def test_an_entry_of_another_type_is_generated_again(cache: ResponseCache, face: Any) -> None:
    await face.remember(cache, ["a"], 60, lambda: {"of": "an older release"})
    account = Account(name="Ada", opened=datetime.date(2026, 1, 31))

    new = await face.remember(cache, ["a"], 60, lambda: account, as_type=Account)
    hit = await face.remember(cache, ["a"], 60, Counter(), as_type=Account)

    assert (new.status, new.value) == (MISS, account)
    assert (hit.status, hit.value) == (HIT, account)


def test_an_entry_on_which_a_validator_raises_any_error_is_generated_again(
    memory_cache: ResponseCache,
) -> None:
    class Strict(pydantic.BaseModel):
        kind: str

        @pydantic.field_validator("kind")
        @classmethod
        def known(cls, kind: str) -> str:
            return {"new": "new"}[kind]  # a KeyError for what an older release wrote

    memory_cache.remember_sync(["a"], 60, lambda: {"kind": "old"})

    new = memory_cache.remember_sync(["a"], 60, lambda: Strict(kind="new"), as_type=Strict)

    assert (new.status, new.value.kind) == (MISS, "new")


# -- Values that cannot be stored ---------------------------------------------------------------------


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 1


class Name(str):
    __slots__ = ()


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def _circle() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


INEXACT: dict[str, Callable[[], object]] = {
    "tuple": lambda: (1, 2),
    "tuple inside": lambda: {"a": [(1, 2)]},
    "enum": lambda: Color.RED,
    "int enum": lambda: Level.HIGH,
    "NaN": lambda: math.nan,
    "inf": lambda: [math.inf],
    "int key": lambda: {1: "a"},
    "None key": lambda: {None: "a"},
    "str subclass": lambda: Name("a"),
    "str subclass as key": lambda: {Name("a"): 1},
    "bytes": lambda: b"a",
    "set": lambda: {1},
    "datetime": lambda: datetime.date(2026, 1, 31),
    "Decimal": lambda: decimal.Decimal(1),
    "object": object,
    "model": lambda: Point(1, 2),
    "lone surrogate": lambda: "\ud800",
    "lone surrogate as key": lambda: {"\ud800": 1},
    "too deep": lambda: _nested(5000),
    "circle": _circle,
    "an int of more digits than Python reads": lambda: 10**5000,
}


async def test_a_value_that_json_would_change_is_refused(
    cache: ResponseCache, face: Any, raw: Any
) -> None:
    refused: dict[str, CacheSerializationError] = {}
    for name, generate in INEXACT.items():
        try:
            await face.remember(cache, [name], 60, generate)
        except CacheSerializationError as error:
            refused[name] = error

    assert [*refused] == [*INEXACT]
    # The text of a cause could hold the value.
    assert [name for name, error in refused.items() if error.__cause__ is not None] == []
    assert [name for name in INEXACT if not untouched(raw, cache, [name])] == []


@pytest.mark.parametrize("levels", range(195, 205))
async def test_every_nested_value_that_is_stored_can_be_read(
    cache: ResponseCache, face: Any, levels: int
) -> None:
    values: tuple[Any, ...] = (_nested(levels), {"a": _nested(levels - 2)})
    for number, value in enumerate(values):
        key = [f"{number}"]
        try:
            await face.remember(cache, key, 60, lambda value=value: value)
        except CacheSerializationError:
            continue
        again = await face.remember(cache, key, 60, lambda: None)
        assert (again.status, again.value) == ("hit", value)


async def test_the_refusal_of_a_value_that_is_not_json_says_what_to_write(
    cache: ResponseCache, face: Any
) -> None:
    with pytest.raises(CacheSerializationError, match=r"holds a tuple.*as_type=list\[Account\]"):
        await face.remember(cache, ["a"], 60, lambda: ("secret",))


async def test_a_value_that_is_not_of_as_type_is_refused(
    cache: ResponseCache, face: Any, raw: Any
) -> None:
    with pytest.raises(
        CacheSerializationError, match=r"returned a str that as_type does not give back"
    ) as e:
        await face.remember(cache, ["a"], 60, lambda: "secret", as_type=list[Account])

    assert "secret" not in str(e.value)
    assert untouched(raw, cache, ["a"])


# -- Errors, vetoes and limits -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ValueError, KeyError, TimeoutError, OSError, RecursionError])
async def test_an_error_of_the_generator_reaches_the_caller_unchanged(
    cache: ResponseCache, face: Any, raw: Any, kind: type[Exception]
) -> None:
    error = kind("its own")

    def fail() -> object:
        raise error

    with pytest.raises(kind) as caught:
        await face.remember(cache, ["a"], 60, fail)

    assert caught.value is error
    assert untouched(raw, cache, ["a"])


def test_a_stop_iteration_of_the_generator_reaches_the_caller_unchanged(
    memory_cache: ResponseCache,
) -> None:
    error = StopIteration("next() on nothing")

    def fail() -> object:
        raise error

    with pytest.raises(StopIteration) as caught:
        memory_cache.remember_sync(["a"], 60, fail)

    assert caught.value is error


async def test_an_error_of_the_generator_keeps_its_context(
    memory_cache: ResponseCache, face: Any
) -> None:
    def fail() -> object:
        try:
            return int("one")
        except ValueError:
            raise RuntimeError  # noqa: B904 - as users raise it

    with pytest.raises(RuntimeError) as caught:
        await face.remember(memory_cache, ["a"], 60, fail)

    assert isinstance(caught.value.__context__, ValueError)
    assert not caught.value.__suppress_context__, "a traceback shows it"


async def test_an_error_of_a_generator_leaves_entries_of_other_keys(
    cache: ResponseCache, face: Any
) -> None:
    def fail() -> object:
        raise LookupError

    await face.remember(cache, ["a"], 60, lambda: "kept")
    with pytest.raises(LookupError):
        await face.remember(cache, ["b"], 60, fail)

    assert (await face.remember(cache, ["a"], 60, Counter())).value == "kept"


@pytest.mark.parametrize("option", ["tags", "cacheable", "ttl"])
async def test_an_error_of_tags_cacheable_or_ttl_reaches_the_caller_unchanged(
    cache: ResponseCache, face: Any, raw: Any, option: str
) -> None:
    error = LookupError("of the rule")

    def rule(value: object) -> Any:
        raise error

    options: dict[str, Any] = {"ttl": 60} | {option: rule}
    with pytest.raises(LookupError) as caught:
        await face.remember(cache, ["a"], options.pop("ttl"), Counter(), **options)

    assert caught.value is error
    assert untouched(raw, cache, ["a"])


async def test_a_value_for_which_cacheable_returns_false_is_not_stored(
    cache: ResponseCache, face: Any, raw: Any
) -> None:
    generate = Counter({"ok": False}, {"ok": True})

    def ok(value: dict[str, bool]) -> bool:
        return value["ok"]

    refused = await face.remember(cache, ["a"], 60, generate, cacheable=ok)
    assert (refused.status, refused.detail) == (BYPASS, CacheDetail.UNCACHEABLE)
    assert untouched(raw, cache, ["a"])

    assert (await face.remember(cache, ["a"], 60, generate, cacheable=ok)).status is MISS
    assert (await face.remember(cache, ["a"], 60, generate, cacheable=ok)).value == {"ok": True}


async def test_a_value_over_the_limit_is_returned_and_not_stored(
    new_cache: Callable[..., ResponseCache], url: str, face: Any
) -> None:
    cache = new_cache(url, max_entry_bytes=10)

    large = await face.remember(cache, ["a"], 60, lambda: "x" * 9)
    assert (large.value, large.status, large.detail) == ("x" * 9, BYPASS, CacheDetail.TOO_LARGE)

    await face.remember(cache, ["b"], 60, lambda: "x" * 8)
    assert (await face.remember(cache, ["b"], 60, Counter())).status is HIT
    assert (await face.remember(cache, ["a"], 60, Counter())).value == 1


# -- Tags -------------------------------------------------------------------------------------------


async def test_tags_may_be_any_iterable_or_a_function_of_the_value(
    cache: ResponseCache, face: Any
) -> None:
    ways: list[Any] = [
        ["Book", "Book:42"],
        ("Book:42",),
        {"Book:42"},
        iter(["Book:42"]),
        lambda value: [f"Book:{value}"],
        lambda value: (tag for tag in ["Book:42"]),
    ]
    for number, tags in enumerate(ways):
        await face.remember(cache, [str(number)], 60, lambda: 42, tags=tags)

    await face.invalidate(cache, "Book:42")

    for number in range(len(ways)):
        again = await face.remember(cache, [str(number)], 60, lambda: "new")
        assert again.value == "new", number


async def test_thousands_of_tags_are_stored_and_invalidated(
    cache: ResponseCache, face: Any
) -> None:
    tags = [f"Book:{number}" for number in range(5000)]
    await face.remember(cache, ["a"], 60, Counter(), tags=tags)
    assert (await face.remember(cache, ["a"], 60, Counter())).status is HIT

    await face.invalidate(cache, *tags[4990:])

    assert (await face.remember(cache, ["a"], 60, lambda: "new")).value == "new"


# -- What is kept apart --------------------------------------------------------------------------------


async def test_prefixes_share_nothing(
    new_cache: Callable[..., ResponseCache], valkey_url: str, face: Any
) -> None:
    one, other = (new_cache(valkey_url, prefix=prefix) for prefix in ("one", "other"))
    await face.remember(one, ["a"], 60, lambda: "one", tags=["t"])
    await face.remember(other, ["a"], 60, lambda: "other", tags=["t"])

    await face.invalidate(other, "t")
    await face.clear(other)
    await face.forget(other, ["a"])

    assert (await face.remember(one, ["a"], 60, Counter())).value == "one"
    assert (await face.remember(other, ["a"], 60, lambda: "new")).value == "new"


async def test_tenants_share_nothing(cache: ResponseCache, face: Any) -> None:
    caches = [
        cache,
        cache.for_tenant("a"),
        cache.for_tenant("b"),
        cache.for_tenant("a").for_tenant("b"),
        cache.for_tenant("b").for_tenant("a"),
        cache.for_tenant("ab"),
        cache.for_tenant("a:b"),
    ]
    for number, each in enumerate(caches):
        assert (await face.remember(each, ["k"], 60, lambda n=number: n)).status is MISS
    for number, each in enumerate(caches):
        assert (await face.remember(each, ["k"], 60, lambda: "no")).value == number


async def test_an_int_and_its_text_are_the_same_tenant(cache: ResponseCache, face: Any) -> None:
    await face.remember(cache.for_tenant(7).for_tenant("x"), ["k"], 60, lambda: "kept")

    again = await face.remember(cache.for_tenant("7").for_tenant("x"), ["k"], 60, Counter())

    assert again.value == "kept"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["a|b"], ["a", "b"]),
        (["a:b"], ["a", "b"]),
        (["ab"], ["a", "b"]),
        (["a", ""], ["a"]),
        (["a", "b"], ["b", "a"]),
        (["1:a"], ["a"]),
        ([], [""]),
    ],
)
async def test_different_key_parts_name_different_entries(
    cache: ResponseCache, face: Any, one: list[str], other: list[str]
) -> None:
    await face.remember(cache, one, 60, lambda: "one")

    assert (await face.remember(cache, other, 60, lambda: "other")).value == "other"
    assert (await face.remember(cache, one, 60, Counter())).value == "one"


async def test_a_generators_error_keeps_its_cause(memory_cache: ResponseCache, face: Any) -> None:
    def fail() -> object:
        try:
            return str({"here": 1}["missing"])
        except KeyError as error:
            raise NotImplementedError from error

    with pytest.raises(NotImplementedError) as caught:
        await face.remember(memory_cache, ["a"], 60, fail)
    assert isinstance(caught.value.__cause__, KeyError)
