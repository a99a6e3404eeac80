"""Lazy values: in keys, tags and tenants, a lazy object counts as the value behind it.

``isinstance(lazy, str)`` is true of Django's ``SimpleLazyObject`` and of werkzeug's ``LocalProxy``, and no
method of `str` takes either.
"""

import enum
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils.functional import SimpleLazyObject
from werkzeug.local import LocalProxy

from strawberry_response_cache.core import CacheConfigurationError, RedisHandle, ResponseCache
from strawberry_response_cache.core._keys import checked_key_parts
from strawberry_response_cache.core._user_values import checked_strings, plain_identity, unwrapped

SECRET = "s3cret"


class Proxy:
    """The least that a lazy object does."""

    def __init__(self, make: Callable[[], Any]) -> None:
        object.__setattr__(self, "_make", make)

    @property
    def __class__(self) -> Any:
        return object.__getattribute__(self, "_make")().__class__

    @__class__.setter
    def __class__(self, _: Any) -> None:
        raise AssertionError

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_make")(), name)

    def __iter__(self) -> Iterator[Any]:
        return iter(object.__getattribute__(self, "_make")())


PROXIES = [SimpleLazyObject, LocalProxy, Proxy]


@pytest.fixture(params=PROXIES, ids=lambda kind: kind.__name__)
def lazy(request: pytest.FixtureRequest) -> Callable[[object], Any]:
    """Wrap a value in a lazy object of each kind."""
    return lambda value: request.param(lambda: value)


@pytest.fixture(params=PROXIES, ids=lambda kind: kind.__name__)
def broken(request: pytest.FixtureRequest) -> Any:
    """A lazy object of each kind that raises when it is evaluated."""

    def fail() -> object:
        raise LookupError(SECRET)

    return request.param(fail)


class Alike(str):
    """Different values with one text."""

    __slots__ = ()

    def __str__(self) -> str:
        return "alike"

    __repr__ = __format__ = __str__  # type: ignore[assignment]


class Level(enum.IntEnum):
    LOW = 1


class Colour(enum.StrEnum):
    RED = "red"


class Number(int):
    def __str__(self) -> str:
        return "alike"

    __repr__ = __str__


class DriverUuid(uuid.UUID):
    def __str__(self) -> str:
        return "alike"


UUID = uuid.UUID("12345678123456781234567812345678")

VALUES: dict[str, tuple[object, object]] = {
    "str": ("acme", "acme"),
    "lone surrogate": ("\ud800", "\ud800"),
    "empty": ("", ""),
    "int": (7, 7),
    "negative": (-7, -7),
    "large": (10**40, 10**40),
    "bool": (True, True),
    "false": (False, False),
    "None": (None, None),
    "UUID": (UUID, UUID),
    "lying str": (Alike("acme"), "acme"),
    "lying int": (Number(7), 7),
    "lying UUID": (DriverUuid(int=UUID.int), UUID),
    "StrEnum": (Colour.RED, "red"),
    "IntEnum": (Level.LOW, 1),
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_unwrapped_returns_a_value_of_the_exact_built_in_type(
    lazy: Callable[[object], Any], name: str, depth: int
) -> None:
    value, plain = VALUES[name]
    for _ in range(depth):
        value = lazy(value)

    found = unwrapped(value)

    assert type(found) is type(plain)
    assert found == plain


def test_unwrapped_returns_other_objects_unchanged(lazy: Callable[[object], Any]) -> None:
    for value in ([1], 1.5, b"a", object(), lazy([1]), lazy(1.5), lazy(b"a")):
        assert unwrapped(value) is value


def test_a_lazy_tenant_is_the_tenant_behind_it(
    memory_cache: ResponseCache, lazy: Callable[[object], Any]
) -> None:
    for tenant in ("acme", 7, UUID):
        memory_cache.for_tenant(tenant).remember_sync(["a"], 60, lambda: "kept")
        again = memory_cache.for_tenant(lazy(tenant)).remember_sync(["a"], 60, lambda: "no")
        assert again.value == "kept"


def test_lazy_tenants_whose_str_is_equal_are_told_apart(
    memory_cache: ResponseCache, lazy: Callable[[object], Any]
) -> None:
    one, other = (memory_cache.for_tenant(lazy(Alike(each))) for each in ("one", "other"))
    one.remember_sync(["a"], 60, lambda: "one")
    assert other.remember_sync(["a"], 60, lambda: "other").value == "other"


@pytest.mark.parametrize("value", [None, True, 1.5], ids=repr)
def test_a_lazy_tenant_of_a_wrong_type_or_empty_is_refused(
    memory_cache: ResponseCache, lazy: Callable[[object], Any], value: object
) -> None:
    with pytest.raises(
        CacheConfigurationError, match=r"a tenant is a .*pass a string, an int or a UUID"
    ):
        memory_cache.for_tenant(lazy(value))
    with pytest.raises(CacheConfigurationError, match="pass what identifies the tenant"):
        memory_cache.for_tenant(lazy(""))


def test_an_int_with_too_many_digits_to_print_is_refused_as_a_tenant(
    memory_cache: ResponseCache,
) -> None:
    assert plain_identity(10**5000) is None
    with pytest.raises(CacheConfigurationError):
        memory_cache.for_tenant(10**5000)


async def test_lazy_key_parts_and_tags_are_the_strings_behind_them(
    memory_cache: ResponseCache, face: Any, lazy: Callable[[object], Any]
) -> None:
    await face.remember(memory_cache, [lazy("a")], 60, lambda: "kept", tags=[lazy("t")])
    assert (await face.remember(memory_cache, ["a"], 60, lambda: "no")).value == "kept"

    await face.invalidate(memory_cache, lazy("t"))
    assert (await face.remember(memory_cache, ["a"], 60, lambda: "new")).value == "new"

    await face.forget(memory_cache, lazy([lazy("a")]))
    assert (await face.remember(memory_cache, ["a"], 60, lambda: "newer")).value == "newer"


async def test_lazy_lists_functions_and_durations_count_as_the_values_behind_them(
    memory_cache: ResponseCache, face: Any, lazy: Callable[[object], Any]
) -> None:
    response = await face.remember(
        memory_cache, ["a"], lazy(60), lambda: "value", tags=lazy(["t"]), stale=lazy(5)
    )
    assert response.ttl == 60

    await face.invalidate(memory_cache, "t")
    assert (await face.remember(memory_cache, ["a"], 60, lambda: "new")).value == "new"

    with pytest.raises(CacheConfigurationError, match=r"ttl is a .*write seconds"):
        await face.remember(memory_cache, ["b"], lazy(1.5), lambda: "value")


@pytest.mark.parametrize("parts", [[1], [None], [True]], ids=repr)
def test_a_lazy_part_that_is_no_string_is_refused(
    memory_cache: ResponseCache, lazy: Callable[[object], Any], parts: list[object]
) -> None:
    with pytest.raises(TypeError, match="every part is a string"):
        memory_cache.forget_sync([lazy(each) for each in parts])
    with pytest.raises(TypeError, match="wrap it in a list"):
        memory_cache.remember_sync(["a"], 60, lambda: 1, tags=lazy("a bare string"))


@pytest.mark.parametrize("check", [checked_key_parts, lambda v: checked_strings(v, "tags", "[]")])
def test_key_parts_of_subclasses_of_str_become_plain_strings(
    check: Callable[[Any], tuple[str, ...]],
) -> None:
    checked = check([Alike("a"), Colour.RED, SimpleLazyObject(lambda: Alike("b"))])
    assert checked == ("a", "red", "b")
    assert {type(each) for each in checked} == {str}


def test_a_lazy_prefix_and_a_lazy_url_are_the_strings_behind_them(
    lazy: Callable[[object], Any],
) -> None:
    handle = RedisHandle.from_url(lazy("redis://localhost:1/0"))
    cache = ResponseCache(handle, prefix=lazy("ledger"), telemetry=False)
    assert repr(cache) == "<ResponseCache 'ledger' on RedisHandle('redis://localhost:1')>"


def test_the_error_of_a_lazy_value_is_named_by_its_type_only(
    memory_cache: ResponseCache, broken: Any
) -> None:
    calls: list[Callable[[], object]] = [
        lambda: memory_cache.for_tenant(broken),
        lambda: memory_cache.remember_sync([broken], 60, lambda: 1),
        lambda: memory_cache.remember_sync(broken, 60, lambda: 1),
        lambda: memory_cache.remember_sync(["a"], broken, lambda: 1),
        lambda: memory_cache.remember_sync(["a"], 60, lambda: 1, stale=broken),
        lambda: memory_cache.remember_sync(["a"], 60, lambda: 1, tags=broken),
        lambda: memory_cache.remember_sync(["a"], 60, lambda: 1, tags=[broken]),
        lambda: memory_cache.invalidate_sync(broken),
        lambda: memory_cache.forget_sync([broken]),
        lambda: memory_cache.remember_many_sync(broken, 60, list),
        lambda: memory_cache.remember_many_sync([broken], 60, list),
        lambda: memory_cache.cached(ttl=broken),
        lambda: memory_cache.cached(ttl=60, tags=broken),
        lambda: memory_cache.cached(ttl=60)(argument_of).key_parts(broken),
        lambda: ResponseCache.from_url("memory://", prefix=broken, telemetry=False),
        lambda: ResponseCache.from_url(broken, prefix="test", telemetry=False),
        lambda: plain_identity(broken),
    ]
    for call in calls:
        with pytest.raises(CacheConfigurationError, match="raised LookupError when the cache") as e:
            call()
        assert SECRET not in str(e.value)
        assert e.value.__suppress_context__


def argument_of(argument: object) -> str:
    return type(argument).__name__


# -- Arguments of cached functions -----------------------------------------------------------------------


@pytest.mark.parametrize("value", ["a", 7, True, None, UUID], ids=repr)
def test_a_lazy_argument_gives_the_key_of_its_value(
    memory_cache: ResponseCache, lazy: Callable[[object], Any], value: object
) -> None:
    function = memory_cache.cached(ttl=60)(argument_of)
    assert function.key_parts(lazy(value)) == function.key_parts(value)
    assert function.key_parts([lazy(value)]) == function.key_parts([value])


class Fruit(enum.Enum):
    RED = 1


class Paint(enum.Enum):
    RED = 1


@pytest.mark.parametrize(
    "value", [Alike("a"), Fruit.RED, Colour.RED, Level.LOW, Number(7), [1], 1.5, b"a"], ids=type
)
def test_a_lazy_argument_that_is_more_than_a_built_in_value_is_refused(
    memory_cache: ResponseCache, lazy: Callable[[object], Any], value: object
) -> None:
    """Two enums may have members of one name: their lazy members would share a key."""
    function = memory_cache.cached(ttl=60)(argument_of)
    with pytest.raises(CacheConfigurationError, match=r"cannot be part of a key\. Pass key="):
        function.key_parts(lazy(value))
    assert function.key_parts(Fruit.RED) != function.key_parts(Paint.RED)
