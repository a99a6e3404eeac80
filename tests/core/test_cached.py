"""`@cache.cached`: a function, async or sync, whose results are cached by its arguments."""

import asyncio
import collections
import datetime
import enum
import functools
import inspect
import math
import struct
import types
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import pydantic
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from strawberry_response_cache.core import (
    CacheConfigurationError,
    CacheSerializationError,
    ResponseCache,
)
from tests.conftest import UntilJoined

if TYPE_CHECKING:
    from nowhere import Missing  # type: ignore[import-not-found] # that it is not found is the test

T = TypeVar("T")


RUNS: list[Any] = []
"""What functions that ran have to say. They cannot take a list from their test: see below."""


@pytest.fixture(autouse=True)
def no_runs() -> None:
    RUNS.clear()


def behind(cache: ResponseCache, face: Any, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Put a plain function behind a cache, in the colour of a face."""

    def decorate(function: Callable[..., Any]) -> Any:
        return cache.cached(**options)(coloured(face, function))

    return decorate


def coloured(face: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a plain function the colour of a face."""
    if face.synchronous:
        return function

    @functools.wraps(function)
    async def asynchronous(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return asynchronous


async def result(value: Any) -> Any:
    """Return what a call of either colour gives."""
    return await value if inspect.isawaitable(value) else value


# -- What it does -----------------------------------------------------------------------------------------


async def test_equal_calls_run_the_function_once(cache: ResponseCache, face: Any) -> None:
    @behind(cache, face, ttl=60)
    def page(number: int, size: int = 10) -> list[int]:
        RUNS.append(number)
        return [number] * size

    for page_of_one in (page(1), page(number=1), page(1, 10)):
        assert await result(page_of_one) == [1] * 10
    assert await result(page(1, size=2)) == [1, 1]
    assert await result(page(2)) == [2] * 10
    assert RUNS == [1, 1, 2]


async def test_an_async_and_a_sync_function_with_one_key_share_an_entry(
    cache: ResponseCache,
) -> None:
    @cache.cached(ttl=60, key=lambda: ["answer"])
    async def of_the_loop() -> int:
        return 42

    @cache.cached(ttl=60, key=lambda: ["answer"])
    def of_the_threads() -> int:
        raise AssertionError

    assert await of_the_loop() == 42
    assert await asyncio.to_thread(of_the_threads) == 42


async def test_concurrent_callers_run_the_function_once(
    memory_cache: ResponseCache, until_joined: UntilJoined
) -> None:
    gate = asyncio.Event()

    @memory_cache.cached(ttl=60, key=lambda number: [str(number)])
    async def page(number: int) -> int:
        RUNS.append(number)
        await gate.wait()
        return number

    asking = [asyncio.create_task(page(7)) for _ in range(50)]
    await until_joined(memory_cache, 49)
    gate.set()
    assert await asyncio.gather(*asking) == [7] * 50
    assert RUNS == [7]


@pytest.mark.parametrize("value", [None, False, 0, "", []], ids=repr)
async def test_an_empty_value_is_cached(
    memory_cache: ResponseCache, face: Any, value: object
) -> None:
    @behind(memory_cache, face, ttl=60, key=lambda: ["nothing"])
    def nothing() -> object:
        RUNS.append(1)
        return value

    assert [await result(nothing()) for _ in range(2)] == [value] * 2
    assert len(RUNS) == 1


async def test_a_functions_own_error_passes_through_and_is_not_stored(
    memory_cache: ResponseCache, face: Any
) -> None:
    @behind(memory_cache, face, ttl=60)
    def fail() -> None:
        RUNS.append(1)
        raise LookupError(len(RUNS))

    for expected in ("1", "2"):
        with pytest.raises(LookupError, match=expected):
            await result(fail())


async def test_a_call_that_the_function_does_not_take_is_a_type_error(
    memory_cache: ResponseCache, face: Any
) -> None:
    @behind(memory_cache, face, ttl=60)
    def page(number: int) -> int:
        return number

    for call in (page, lambda: page(1, 2), lambda: page(wrong=1)):
        with pytest.raises(TypeError, match="argument"):
            await result(call())
    with pytest.raises(TypeError, match="argument"):
        page.key_parts()


async def test_every_option_of_remember_is_passed_on(
    memory_cache: ResponseCache, face: Any, raw_of: Callable[..., Any]
) -> None:
    @behind(
        memory_cache,
        face,
        ttl=lambda value: value * 10,
        stale=datetime.timedelta(seconds=7),
        tags=lambda value: [f"Page:{value}"],
        cacheable=lambda value: value != 13,
    )
    def page(number: int) -> int:
        RUNS.append(number)
        return number

    for number in (3, 3, 13, 13):
        assert await result(page(number)) == number
    assert RUNS == [3, 13, 13]

    (entry,) = [key for key in raw_of(memory_cache).scan_iter() if b":e:" in key]
    assert 30_000 < raw_of(memory_cache).pttl(entry) <= 37_000

    await face.invalidate(memory_cache, "Page:3")
    assert await result(page(3)) == 3
    assert RUNS == [3, 13, 13, 3]


async def test_tags_may_be_an_iterator_and_count_for_every_call(
    memory_cache: ResponseCache, face: Any
) -> None:
    @behind(memory_cache, face, ttl=60, tags=iter(["Page"]))
    def page(number: int) -> int:
        RUNS.append(number)
        return number

    for number in (1, 2):
        await result(page(number))
    await face.invalidate(memory_cache, "Page")
    for number in (1, 2):
        await result(page(number))
    assert RUNS == [1, 2, 1, 2]


async def test_a_ttl_of_zero_runs_the_function_each_time(
    memory_cache: ResponseCache, face: Any
) -> None:
    @behind(memory_cache, face, ttl=0)
    def page() -> None:
        RUNS.append(1)

    for _ in range(2):
        await result(page())
    assert len(RUNS) == 2


async def test_a_call_is_forgotten_by_its_key_parts(cache: ResponseCache, face: Any) -> None:
    @behind(cache, face, ttl=60)
    def page(number: int, *, size: int = 10) -> int:
        RUNS.append(number)
        return number * size

    for number in (1, 2):
        await result(page(number))
    await face.forget(cache, page.key_parts(number=1, size=10))
    for number in (1, 2):
        await result(page(number))
    assert RUNS == [1, 2, 1]


async def test_tenants_share_nothing(memory_cache: ResponseCache, face: Any) -> None:
    def page() -> int:
        RUNS.append(1)
        return len(RUNS)

    pages = [
        behind(memory_cache.for_tenant(tenant), face, ttl=60)(page) for tenant in ("acme", "globex")
    ]
    assert [await result(call()) for call in pages * 2] == [1, 2, 1, 2]


# -- What it looks like -----------------------------------------------------------------------------------


def test_a_cached_function_has_the_name_and_docstring_of_the_function(
    memory_cache: ResponseCache, face: Any
) -> None:
    def page(number: int, *, size: int = 10) -> list[int]:
        """Return a page."""
        return [number] * size

    function = coloured(face, page)
    decorated: Any = memory_cache.cached(ttl=60)(function)

    assert decorated.__wrapped__ is function
    assert decorated.__doc__ == "Return a page."
    assert decorated.__qualname__ == page.__qualname__
    assert inspect.signature(decorated) == inspect.signature(page)
    assert inspect.isfunction(decorated)
    assert inspect.iscoroutinefunction(decorated) is not face.synchronous


class Ledger:
    """What methods are tested on."""

    def __init__(self, cache: ResponseCache, name: str) -> None:
        self.name = name
        self.runs = 0
        self.total = types.MethodType(
            cache.cached(ttl=60, key=lambda self, year=2026: [self.name, str(year)])(total), self
        )


async def total(self: Ledger, year: int = 2026) -> int:
    self.runs += 1
    return year


async def test_a_method_is_cached_by_its_key(memory_cache: ResponseCache) -> None:
    main, again, side = (Ledger(memory_cache, name) for name in ("main", "main", "side"))

    for ledger in (main, again, side):
        assert await ledger.total() == 2026

    assert [ledger.runs for ledger in (main, again, side)] == [1, 0, 1]


async def test_cached_decorates_methods_static_methods_and_class_methods(
    memory_cache: ResponseCache, face: Any
) -> None:
    class Methods:
        @behind(memory_cache, face, ttl=60, key=lambda self, number: ["plain", str(number)])
        def plain(self, number: int) -> int:
            return number

        @staticmethod
        @behind(memory_cache, face, ttl=60)
        def static(number: int) -> int:
            return number

        @classmethod
        @behind(memory_cache, face, ttl=60, key=lambda cls, number: [cls.__name__, str(number)])
        def of_class(cls, number: int) -> int:
            return number

    for method in (Methods().plain, Methods.static, Methods().static, Methods.of_class):
        assert [await result(method(number)) for number in (1, 2, 1)] == [1, 2, 1]
    assert Methods.plain.key_parts(Methods(), 3) == ("plain", "3")


async def test_a_method_of_an_enum_is_cached_for_each_member(
    memory_cache: ResponseCache, face: Any
) -> None:
    class Currency(enum.Enum):
        EUR = 1
        CHF = 2

        @behind(memory_cache, face, ttl=60)
        def places(self) -> int:
            RUNS.append(self)
            return int(self.value)

    calls = [Currency.EUR, Currency.CHF, Currency.EUR]
    assert [await result(each.places()) for each in calls] == [1, 2, 1]
    assert RUNS == [Currency.EUR, Currency.CHF]


# -- The key ----------------------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"
    CRIMSON = "red"  # noqa: PIE796 - an alias is the same member
    BLUE = "blue"

    @property
    def name(self) -> str:  # that it can be hidden is the test
        return "colour"


class Word(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Access(enum.Flag, boundary=enum.KEEP):
    READ = 1
    WRITE = 2


class Number(enum.IntEnum):
    ONE = 1


class Driver(UUID):
    """As database drivers have them."""


def key_of(*args: Any, **kwargs: Any) -> tuple[str, ...]:
    """The key of a call of a function that takes everything."""
    return KEYS.key_parts(*args, **kwargs)


def anything(*args: Any, **kwargs: Any) -> None:
    """Nothing is ever called here."""


KEYS = ResponseCache.from_url("memory://", prefix="test", telemetry=False).cached(ttl=60)(anything)

ZONES = [
    None,
    datetime.UTC,
    datetime.timezone(datetime.timedelta(0), "other"),
    datetime.timezone(datetime.timedelta(hours=1)),
    ZoneInfo("UTC"),
    ZoneInfo("Europe/Berlin"),
    ZoneInfo("Europe/Paris"),
    ZoneInfo("Africa/Algiers"),
]

WORDS = ["", "1", "True", "None", "int 3:0x1", "str 0:", "a", "b", "ab", ":", "\ud800"]
TRICKY: list[Any] = [
    None,
    *(False, True, -1, 0, 1),
    *(0.0, -0.0, 1.0, 0.1, 0.1 + 2**-56, math.nan, math.inf, -math.inf, 5e-324),
    *WORDS,
    *(b"", b"1", b"a", b"\x00"),
    *(Decimal(each) for each in ("1", "1.0", "1E1", "10", "0", "-0", "NaN", "sNaN1")),
    *(UUID(int=0), UUID(int=1), Driver(int=1)),
    *(datetime.date(2026, 1, 1), datetime.date(2026, 1, 2)),
    *(
        datetime.datetime(2026, 1, 1, hour, 30, fold=fold, tzinfo=zone)
        for hour in (0, 1)
        for fold in (0, 1)
        for zone in ZONES
    ),
    *(*Colour, *Word, *Number, *Right, Right(0), Right.READ | Right.WRITE),
    *(*Access, Access(0), Access(4), Access.READ | Access(8)),
    *([], (), {}, [[]], [()], [None], {"": None}, {"a": "b"}, ["a", "b"], ["ab"]),
]
TEXT = st.sampled_from(WORDS)
SCALARS = st.one_of(
    st.sampled_from(TRICKY), st.integers(), st.floats(), st.text(max_size=3), st.binary(max_size=2)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(TEXT, inner, max_size=3)
    ),
    max_leaves=6,
)


def identity(value: Any) -> Any:
    """What has to be told apart, as plain tuples; written without regard to the code."""
    match value:
        case enum.Enum():
            return (type(value), value.value)
        case UUID():
            return (UUID, value.int)
        case float():
            return (float, "nan" if math.isnan(value) else struct.pack("d", value))
        case Decimal():
            return (Decimal, value.as_tuple())
        case datetime.datetime():
            zone = value.tzinfo
            name = (type(zone), str(zone), value.utcoffset())
            return (datetime.datetime, value.replace(tzinfo=None, fold=0), value.fold, name)
        case list() | tuple():
            return (type(value), tuple(identity(each) for each in value))
        case dict():
            return (dict, frozenset((key, identity(each)) for key, each in value.items()))
        case _:
            return (type(value), value)


def test_values_that_look_alike_have_different_keys() -> None:
    identities = {repr(identity(each)) for each in TRICKY}
    assert len({key_of(each) for each in TRICKY}) == len(identities)
    assert len({(key_of(each), repr(identity(each))) for each in TRICKY}) == len(identities)


@settings(max_examples=settings().max_examples // 3)
@given(VALUES, VALUES)
@example(1, True)
@example(1, "1")
@example(1, 1.0)
@example(0.0, -0.0)
@example("None", None)
@example((), [])
@example([[], []], [[[]]])
@example(["a", "b"], ["ab"])
@example({"a": "b"}, ["a", "b"])
@example({"a": 1, "b": 2}, {"b": 2, "a": 1})
@example(b"a", "a")
@example(Word.RED, "red")
@example(Colour.RED, Word.RED)
@example(Number.ONE, 1)
@example(datetime.date(2026, 1, 1), datetime.datetime(2026, 1, 1))  # noqa: DTZ001 - a naive one
@example(Decimal("1.0"), Decimal(1))
@example(UUID(int=1), UUID(int=1).hex)
def test_different_values_have_different_keys(one: Any, other: Any) -> None:
    same = identity(one) == identity(other)
    assert (key_of(one) == key_of(other)) is same
    assert (key_of(name=one) == key_of(name=other)) is same


@given(st.lists(SCALARS, max_size=3), st.lists(SCALARS, max_size=3))
@example([], [()])
def test_different_positional_arguments_have_different_keys(
    one: list[Any], other: list[Any]
) -> None:
    same = identity(one) == identity(other)
    assert (key_of(*one) == key_of(*other)) is same


@given(st.dictionaries(TEXT, SCALARS, max_size=3), st.dictionaries(TEXT, SCALARS, max_size=3))
def test_different_keyword_arguments_have_different_keys(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    same = identity(one) == identity(other)
    assert (key_of(**one) == key_of(**other)) is same


def test_positional_and_keyword_arguments_are_told_apart() -> None:
    assert key_of({"a": 1}) != key_of(a=1)
    assert key_of("a", 1) != key_of(a=1)
    assert key_of() == key_of()


def test_the_order_of_keywords_does_not_count() -> None:
    assert key_of(a=1, b=2) == key_of(b=2, a=1)
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})


def test_a_key_is_the_same_in_every_process() -> None:
    assert key_of(1, a="x") == (
        f"{__name__}:anything",
        "args",
        "tuple 9:int 3:0x1",
        "kwargs",
        "dict 14:str 1:astr 1:x",
    )


def test_large_numbers_and_deeply_nested_lists_have_keys_of_their_own() -> None:
    assert key_of(10**5000) != key_of(10**5000 + 1)
    deep: list[Any] = []
    for _ in range(90):
        deep = [deep]
    assert key_of(deep) != key_of([deep])


def in_module(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function as if it stood in another module."""
    copy = types.FunctionType(function.__code__, function.__globals__, function.__name__)
    copy.__module__, copy.__qualname__ = name, function.__qualname__
    return copy


async def test_functions_of_the_same_name_in_two_modules_are_told_apart(
    memory_cache: ResponseCache, face: Any
) -> None:
    def page() -> str:
        return "here"

    def elsewhere() -> str:
        return "there"

    elsewhere.__qualname__ = page.__qualname__
    here = behind(memory_cache, face, ttl=60)(page)
    there = behind(memory_cache, face, ttl=60)(in_module("another", elsewhere))

    assert [await result(call()) for call in (here, there, here)] == ["here", "there", "here"]


def test_functions_of_two_classes_are_told_apart(memory_cache: ResponseCache) -> None:
    class Book:
        @memory_cache.cached(ttl=60)
        def page(number: int) -> int:  # noqa: N805 - called through its class
            return number

    class Journal:
        @memory_cache.cached(ttl=60)
        def page(number: int) -> int:  # noqa: N805 - as above
            return number

    assert Book.page.key_parts(1) != Journal.page.key_parts(1)


def test_a_changed_default_changes_the_key(memory_cache: ResponseCache) -> None:
    def release(default: int) -> Any:
        def page(number: int, size: int = default) -> int:
            return number * size

        return memory_cache.cached(ttl=60)(page)

    before, after = release(10), release(20)

    assert before.key_parts(1) != after.key_parts(1)
    assert before.key_parts(1, 20) == after.key_parts(1)


def test_a_renamed_parameter_changes_the_key(memory_cache: ResponseCache) -> None:
    def page(*, debit: int = 0, credit: int = 0) -> int:
        return debit - credit

    decorated = memory_cache.cached(ttl=60)(page)
    assert decorated.key_parts(debit=1) != decorated.key_parts(credit=1)


# -- A key of one's own -----------------------------------------------------------------------------------


async def test_a_key_function_gives_the_whole_key(cache: ResponseCache, face: Any) -> None:
    @behind(cache, face, ttl=60, key=lambda session, year, month=12: ["totals", f"{year}-{month}"])
    def totals(session: object, year: int, month: int = 12) -> int:
        return year + month

    assert await result(totals(object(), 2000)) == 2012
    assert totals.key_parts(object(), year=2000) == ("totals", "2000-12")
    response = await face.remember(cache, ["totals", "2000-12"], 60, lambda: "never")
    assert response.value == 2012


def test_a_key_function_gets_the_defaults_of_arguments(memory_cache: ResponseCache) -> None:
    @memory_cache.cached(ttl=60, key=lambda number, size: [str(number), str(size)])
    def page(number: int, size: int = 10) -> int:
        return number * size

    assert page.key_parts(1) == ("1", "10")


@pytest.mark.parametrize("parts", ["totals", 5, None, [1], {"a"}], ids=repr)
async def test_a_key_function_has_to_return_strings(
    memory_cache: ResponseCache, face: Any, parts: Any
) -> None:
    @behind(memory_cache, face, ttl=60, key=lambda: parts)
    def totals() -> int:
        return 1

    with pytest.raises(TypeError, match="key_parts"):
        await result(totals())


# -- The type ---------------------------------------------------------------------------------------------


class Account(pydantic.BaseModel):
    name: str
    opened: datetime.date


ACCOUNT = Account(name="Cash", opened=datetime.date(2026, 1, 1))


async def twice(call: Callable[[], Any]) -> list[Any]:
    return [await result(call()) for _ in range(2)]


async def test_a_value_is_rebuilt_as_the_return_annotation_says(
    cache: ResponseCache, face: Any
) -> None:
    @behind(cache, face, ttl=60)
    def accounts() -> list[Account]:
        return [ACCOUNT]

    assert await twice(accounts) == [[ACCOUNT]] * 2


async def test_a_return_annotation_may_name_a_class_that_is_defined_later(
    memory_cache: ResponseCache, face: Any
) -> None:
    @behind(memory_cache, face, ttl=60)
    def account() -> "Later":
        return Later(day=datetime.date(2026, 1, 1))

    assert await twice(account) == [Later(day=datetime.date(2026, 1, 1))] * 2


class Later(pydantic.BaseModel):
    day: datetime.date


async def test_only_the_annotation_of_the_result_has_to_resolve(
    memory_cache: ResponseCache, face: Any
) -> None:
    @behind(memory_cache, face, ttl=60)
    def account(number: "Missing") -> "Account":
        return ACCOUNT

    assert await twice(lambda: account(1)) == [ACCOUNT] * 2


async def test_an_annotation_is_resolved_in_the_functions_own_module(
    memory_cache: ResponseCache, face: Any
) -> None:
    elsewhere: dict[str, Any] = {"Balance": Account, "account": ACCOUNT}
    exec("def account_of() -> 'Balance': return account", elsewhere)  # noqa: S102 - a module's own names

    @behind(memory_cache, face, ttl=60)
    @functools.wraps(elsewhere["account_of"])
    def logged() -> Any:
        return elsewhere["account_of"]()

    assert await twice(logged) == [ACCOUNT] * 2


async def test_as_type_takes_precedence_over_the_annotation(
    memory_cache: ResponseCache, face: Any
) -> None:
    @behind(memory_cache, face, ttl=60, as_type=Account)
    def account() -> object:
        return ACCOUNT

    assert await twice(account) == [ACCOUNT] * 2


ANNOTATIONS: dict[str, Any] = {
    "no annotation": inspect.Signature.empty,
    "Any": Any,
    "object": object,
    "None": None,
    "a type variable": T,
    "a name that is not there": "Missing",
    "an attribute that is not there": "datetime.Missing",
    "no expression": "not an expression",
}


@pytest.mark.parametrize("name", ANNOTATIONS)
async def test_without_a_type_in_the_return_annotation_only_exact_json_is_cached(
    memory_cache: ResponseCache, face: Any, name: str
) -> None:
    def answer(value: str) -> Any:
        return {"JSON": {"a": [1, None]}, "tuple": (1, 2), "enum": Word.RED}[value]

    answer.__annotations__["return"] = ANNOTATIONS[name]
    if ANNOTATIONS[name] is inspect.Signature.empty:
        del answer.__annotations__["return"]
    decorated = behind(memory_cache, face, ttl=60)(answer)

    assert await twice(lambda: decorated("JSON")) == [{"a": [1, None]}] * 2
    for inexact in ("tuple", "enum"):
        with pytest.raises(CacheSerializationError, match="Name its type"):
            await result(decorated(inexact))


async def test_as_type_none_ignores_the_annotation(memory_cache: ResponseCache, face: Any) -> None:
    @behind(memory_cache, face, ttl=60, as_type=None)
    def account() -> Account:
        return ACCOUNT

    with pytest.raises(CacheSerializationError, match="holds an Account"):
        await result(account())


async def test_a_result_that_is_not_what_the_annotation_says_is_refused(
    memory_cache: ResponseCache, face: Any
) -> None:
    @behind(memory_cache, face, ttl=60)
    def names() -> list[str]:
        return ("a", "b")  # type: ignore[return-value] # what is tested

    with pytest.raises(CacheSerializationError, match="Return what as_type names"):
        await result(names())


# -- What is refused --------------------------------------------------------------------------------------


class Functor:
    def __call__(self) -> int:
        return 1

    async def method(self) -> int:
        return 1


def items() -> Iterator[int]:
    yield 1


async def async_items() -> AsyncIterator[int]:
    yield 1


NO_FUNCTIONS: dict[str, tuple[Any, str]] = {
    "class": (Account, "Account is a class. Write it above the method"),
    "callable object": (Functor(), "is a Functor. Write a 'def' or an 'async def' that calls"),
    "bound method": (Functor().method, "is a method. Write a 'def' or an 'async def'"),
    "partial": (functools.partial(print, 1), "is a partial. Write a 'def' or an 'async def'"),
    "builtin": (len, "is a builtin_function_or_method. Write a 'def'"),
    "number": (60, "is a int. Write a 'def'"),
    "None": (None, "is a NoneType. Write a 'def'"),
    "coroutine function's result": (types.SimpleNamespace(), "is a SimpleNamespace. Write a 'def'"),
    "staticmethod": (staticmethod(total), "write @staticmethod above cached(), not below"),
    "classmethod": (classmethod(anything), "write @classmethod above cached(), not below"),
    "property": (property(total), "write @property above cached(), not below"),
    "generator": (items, "items() yields, and a cache stores one value: collect the items"),
    "async generator": (async_items, "async_items() yields, and a cache stores one value"),
    "lambda": (lambda: 1, "Write a 'def', or pass key="),
}


@pytest.mark.parametrize("name", NO_FUNCTIONS)
def test_cached_refuses_what_is_not_a_plain_function(
    memory_cache: ResponseCache, name: str
) -> None:
    refused, advice = NO_FUNCTIONS[name]
    with pytest.raises(CacheConfigurationError) as caught:
        memory_cache.cached(ttl=60)(refused)
    assert advice in str(caught.value)


def test_a_lambda_with_a_key_is_accepted(memory_cache: ResponseCache) -> None:
    assert (
        memory_cache.cached(ttl=60, key=lambda number: [str(number)])(lambda number: number)(3) == 3
    )


def test_the_decorator_takes_keyword_arguments_only(memory_cache: ResponseCache) -> None:
    cached: Any = memory_cache.cached
    for wrong in (lambda: cached(anything), cached, lambda: cached(60)):
        with pytest.raises(TypeError, match=r"ttl|positional"):
            wrong()


@pytest.mark.parametrize("key", [["totals"], "totals", 5], ids=repr)
def test_a_key_that_is_no_function_is_refused(memory_cache: ResponseCache, key: Any) -> None:
    with pytest.raises(CacheConfigurationError, match=r"key of cached\(\) is a plain function"):
        memory_cache.cached(ttl=60, key=key)


def test_a_key_that_is_an_async_function_is_refused(memory_cache: ResponseCache) -> None:
    async def key() -> Sequence[str]:
        return ["totals"]

    wrong: Any = key
    with pytest.raises(CacheConfigurationError, match=r"key of cached\(\) is a plain function"):
        memory_cache.cached(ttl=60, key=wrong)


def test_a_bad_option_is_refused_where_it_is_decorated(memory_cache: ResponseCache) -> None:
    with pytest.raises(CacheConfigurationError, match="ttl is -1"):
        memory_cache.cached(ttl=-1)
    with pytest.raises(CacheConfigurationError, match="stale is a str"):
        memory_cache.cached(ttl=1, stale="5")  # type: ignore[call-overload] # what is tested
    with pytest.raises(TypeError, match="tags is a bare str"):
        memory_cache.cached(ttl=1, tags="Book")


Pair = collections.namedtuple("Pair", "one other")  # noqa: PYI024 - the older kind is a tuple, too


class Text(str):
    """What a template engine marks as safe."""

    __slots__ = ()


class Zone(datetime.tzinfo):
    def utcoffset(self, _: datetime.datetime | None) -> datetime.timedelta:
        return datetime.timedelta(0)

    def dst(self, _: datetime.datetime | None) -> datetime.timedelta:
        return datetime.timedelta(0)

    def tzname(self, _: datetime.datetime | None) -> str:
        return "UTC"


circle: list[Any] = []
circle.append(circle)

few: list[Any] = []
for _ in range(60):
    few = [few, few]

UNKEYABLE: dict[str, tuple[Any, str]] = {
    "object": (object(), "a builtins.object"),
    "instance": (Functor(), "Functor"),
    "class": (Account, "ModelMetaclass"),
    "model": (ACCOUNT, "Account"),
    "function": (anything, "a builtins.function"),
    "set": ({1}, "a builtins.set"),
    "namedtuple": (Pair(1, 2), "Pair"),
    "subclass of str": (Text("a"), "Text"),
    "subclass of dict": (collections.OrderedDict(), "OrderedDict"),
    "generator": (iter([1]), "list_iterator"),
    "key of a dict": ({1: 2}, "a dict with a key of type int"),
    "subclass as a key of a dict": ({Text("a"): 2}, "a dict with a key of type Text"),
    "deep inside": ([{"a": (1, object())}], "a builtins.object"),
    "circle": (circle, "something nested deeper than 100 levels"),
    "a few that refer to many": (few, "something with more than 100,000 lists, tuples and dicts"),
    "zone of one's own": (datetime.datetime(2026, 1, 1, tzinfo=Zone()), "Zone"),
    "bytearray": (bytearray(b"a"), "a builtins.bytearray"),
}


@pytest.mark.parametrize("name", UNKEYABLE)
async def test_an_argument_of_which_no_key_can_be_made_is_refused_by_its_name(
    memory_cache: ResponseCache, face: Any, name: str
) -> None:
    value, what = UNKEYABLE[name]

    @behind(memory_cache, face, ttl=60)
    def page(number: int, session: object = None, *rest: object, **more: object) -> None:
        raise AssertionError

    calls: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
        "session": ((1, value), {}),
        "rest": ((1, None, value), {}),
        "more": ((1,), {"hidden": value}),
    }
    for argument, (args, kwargs) in calls.items():
        with pytest.raises(CacheConfigurationError) as caught:
            await result(page(*args, **kwargs))
        message = str(caught.value)
        assert message.startswith(f"The argument {argument!r} of ")
        assert what in message
        assert "Pass key=, a function of the same arguments" in message
        assert "hidden" not in message


async def test_a_method_of_an_ordinary_object_is_refused_without_a_key(
    memory_cache: ResponseCache, face: Any
) -> None:
    class Service:
        @behind(memory_cache, face, ttl=60)
        def page(self, number: int) -> int:
            return number

    with pytest.raises(CacheConfigurationError, match=r"argument 'self' of .*Service\.page"):
        await result(Service().page(1))


def test_a_function_that_uses_variables_of_another_function_needs_a_key(
    memory_cache: ResponseCache,
) -> None:
    def of(tenant: str, **options: Any) -> Any:
        def balance(year: int) -> str:
            return f"{tenant} in {year}"

        return memory_cache.cached(ttl=60, **options)(balance)

    with pytest.raises(CacheConfigurationError, match=r"uses tenant of .* key="):
        of("acme")
    acme = of("acme", key=lambda year: ["acme", str(year)])
    globex = of("globex", key=lambda year: ["globex", str(year)])
    assert (acme(2026), globex(2026)) == ("acme in 2026", "globex in 2026")


def test_a_function_may_call_itself(memory_cache: ResponseCache) -> None:
    @memory_cache.cached(ttl=60)
    def factorial(number: int) -> int:
        return number * factorial(number - 1) if number else 1

    assert factorial(5) == 120


def test_a_plain_function_that_returns_an_awaitable_is_refused(memory_cache: ResponseCache) -> None:
    @memory_cache.cached(ttl=60)
    def disguised() -> Any:
        return asyncio.sleep(0)

    with pytest.raises(TypeError, match="is a plain function"):
        disguised()
