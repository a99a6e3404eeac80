"""Usual mistakes in calls of the core: each raises an error that says what to write, as early as possible."""

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import redis
import redis.asyncio

from strawberry_response_cache.core import (
    Cacheable,
    CacheConfigurationError,
    CacheSettings,
    RedisHandle,
    ResponseCache,
)
from strawberry_response_cache.telemetry import OpenTelemetry

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "s3cret"


# -- URLs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"redis://:{SECRET}@host/abc", r"database is not a number; write redis://host:6379/0"),
        (f"redis://:{SECRET}@host/-1", r"database is not a number; write redis://host:6379/0"),
        (f"redis://:{SECRET}@host/0/1", r"database is not a number; write redis://host:6379/0"),
        (f"redis://:{SECRET}@host/²", r"database is not a number; write redis://host:6379/0"),
        (f"rediss://:{SECRET}@host/{SECRET}", r"not a number; write rediss://host:6379/0"),
        ("redis://host?db=-1", r"not a number; write redis://\.\.\.\?db=0"),
        (f"unix://:{SECRET}@/run/redis.sock?db=one", r"not a number; write unix://\.\.\.\?db=0"),
        (
            f"redis+sentinel://:{SECRET}@host/ledger/abc",
            "not a number; write redis.*/service-name/0",
        ),
        (f"redis+cluster://:{SECRET}@host/5", r"a cluster has only 0; write redis\+cluster://host"),
        ("redis+cluster://host?db=5", r"a cluster has only 0; write redis\+cluster://host:6379\."),
        ("redis+cluster://host/abc", r"a cluster has only 0"),
        (
            f"redis://:{SECRET}@one,two/0",
            r"several hosts; write redis\+cluster://.* or redis\+sent",
        ),
        ("rediss://one,two", r"several hosts; write rediss\+cluster://"),
        ("unix://run/redis.sock", "three slashes and a path: write unix:///run/redis.sock"),
        ("unix://", "three slashes and a path: write unix:///run/redis.sock"),
        (f"{SECRET}@redis://host", "The URL's scheme is not known; use one of redis://"),
    ],
)
def test_a_url_that_would_be_read_as_something_else_is_refused(url: str, said: str) -> None:
    with pytest.raises(CacheConfigurationError, match=said) as caught:
        RedisHandle.from_url(url)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "database"),
    [
        ("redis://host", 0),
        ("redis://host/", 0),
        ("redis://host/15", 15),
        ("redis://host?db=3", 3),
        ("unix:///run/redis.sock?db=3", 3),
        ("redis+sentinel://host/ledger", 0),
        ("redis+sentinel://host/ledger/7", 7),
        ("redis+cluster://host", 0),
        ("redis+cluster://host/0", 0),
    ],
)
def test_a_url_with_a_right_database_is_accepted(url: str, database: int) -> None:
    source: Any = RedisHandle.from_url(url)._address.source(False)
    arguments = getattr(source, "template", source).arguments
    assert int(arguments.get("db") or 0) == database


# -- Classes in place of objects ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [redis.Redis, redis.asyncio.Redis, redis.RedisCluster])
def test_the_class_of_a_client_in_place_of_a_client_is_refused(kind: Any) -> None:
    with pytest.raises(
        CacheConfigurationError,
        match=rf"a redis\.Redis\(\.\.\.\).*not the class {kind.__name__} itself",
    ):
        RedisHandle(kind)


def test_a_class_in_place_of_an_object_is_refused() -> None:
    handle: Any = RedisHandle.from_url("memory://")
    calls: list[tuple[Callable[[Any], object], Any, str]] = [
        (lambda c: ResponseCache(c, prefix="p"), RedisHandle, "not the class RedisHandle itself"),
        (
            lambda c: ResponseCache(handle, prefix="p", settings=c),
            CacheSettings,
            r"settings is the class CacheSettings itself; pass CacheSettings\(",
        ),
        (
            lambda c: ResponseCache(handle, prefix="p", telemetry=c),
            OpenTelemetry,
            r"telemetry is the class OpenTelemetry itself; pass True, False or OpenTelemetry\(",
        ),
    ]
    for call, kind, said in calls:
        with pytest.raises(CacheConfigurationError, match=said):
            call(kind)


# -- cached ------------------------------------------------------------------------------------------------


async def load() -> str:
    return "value"


def test_cached_without_parentheses_says_so(memory_cache: ResponseCache) -> None:
    cached: Any = memory_cache.cached
    for target in (load, lambda: 1, int, staticmethod(load)):
        with pytest.raises(
            TypeError, match=r"with parentheses and a ttl: @cache\.cached\(ttl=60\)"
        ):
            cached(target)


def test_cached_without_a_ttl_says_so(memory_cache: ResponseCache) -> None:
    cached: Any = memory_cache.cached
    for call in (cached, lambda: cached(tags=["t"])):
        with pytest.raises(TypeError, match=r"needs a ttl.*@cache\.cached\(ttl=60\)"):
            call()
    with pytest.raises(TypeError, match=r"by name: @cache\.cached\(ttl=60\)"):
        cached(60)
    with pytest.raises(CacheConfigurationError, match="ttl is a NoneType; write seconds"):
        cached(ttl=None)


async def slow(value: Any) -> Any:
    return value


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ttl": slow}, "ttl is an async function"),
        ({"ttl": 60, "tags": slow}, "tags is an async function"),
        ({"ttl": 60, "cacheable": slow}, "cacheable is a plain function"),
        ({"ttl": 60, "cacheable": True}, "cacheable is a plain function"),
    ],
)
async def test_functions_of_a_value_must_not_be_async(
    memory_cache: ResponseCache, face: Any, options: dict[str, Any], said: str
) -> None:
    """An async function for ttl, tags or cacheable is refused before anything is generated."""
    runs: list[int] = []
    with pytest.raises(TypeError, match=said):
        memory_cache.cached(**options)
    rest = {name: value for name, value in options.items() if name != "ttl"}
    with pytest.raises(TypeError, match=said):
        await face.remember(memory_cache, ["a"], options["ttl"], lambda: runs.append(1), **rest)
    assert not runs


# -- remember_many -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("abc", 60, load), "keys is a str; pass a list"),
        ((b"abc", 60, load), "keys is a bytes; pass a list"),
        ((None, 60, load), "keys is a NoneType; pass a list"),
        ((7, 60, load), "keys is a int; pass a list"),
        (([["a"]], 60, None), "load_many is a NoneType; pass the function itself"),
        (([["a"]], 60, ["a"]), "load_many is a list; pass the function itself"),
    ],
)
async def test_remember_many_refuses_wrong_arguments_and_says_what_to_pass(
    memory_cache: ResponseCache, arguments: tuple[Any, ...], said: str
) -> None:
    ways: tuple[dict[str, Any], ...] = ({}, {"key": lambda each: [each]})
    for options in ways:
        with pytest.raises(TypeError, match=said):
            await memory_cache.remember_many(*arguments, **options)
        with pytest.raises(TypeError, match=said):
            memory_cache.remember_many_sync(*arguments, **options)


@pytest.mark.parametrize("key", ["id", slow, 7], ids=["name", "async", "int"])
async def test_a_key_of_remember_many_that_is_no_plain_function_is_refused(
    memory_cache: ResponseCache, key: Any
) -> None:
    with pytest.raises(TypeError, match=r"key of remember_many\(\) is a plain function"):
        await memory_cache.remember_many([1], 60, load, key=key)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"key of remember_many\(\) is a plain function"):
        memory_cache.remember_many_sync([1], 60, list, key=key)


# -- Tags and tenants ----------------------------------------------------------------------------------------


async def test_the_error_for_a_list_of_tags_says_to_unpack_it(
    memory_cache: ResponseCache, face: Any
) -> None:
    with pytest.raises(TypeError, match=r'tags\[0\] is a list.*: invalidate\("Book", "Book:42"\)'):
        await face.invalidate(memory_cache, ["Book"])


@pytest.mark.parametrize(
    ("tenant", "said"),
    [
        ("", "a tenant is an empty string; pass what identifies the tenant"),
        (None, "a tenant is a NoneType; pass a string"),
        (str, "a tenant is a type; pass a string"),
        (datetime.date(2026, 1, 31), "a tenant is a date; pass a string"),
    ],
)
def test_a_wrong_tenant_is_refused_and_the_error_says_what_to_pass(
    memory_cache: ResponseCache, tenant: Any, said: str
) -> None:
    with pytest.raises(CacheConfigurationError, match=said):
        memory_cache.for_tenant(tenant)


# -- Cacheable -----------------------------------------------------------------------------------------------


@dataclass
class Page(Cacheable[int]):
    number: int = 1

    def cache_key_parts(self) -> list[str]:
        return ["page"]

    async def generate(self) -> int:
        return 1


class WithoutKey(Cacheable[int]):
    ttl = 30


class WithoutGenerate(WithoutKey):
    def cache_key_parts(self) -> list[str]:
        return ["page"]


@pytest.mark.parametrize(
    ("model", "lacks"), [(WithoutKey, "cache_key_parts"), (WithoutGenerate, "generate")]
)
def test_a_view_model_without_a_required_method_cannot_be_instantiated(
    model: type[Cacheable[int]], lacks: str
) -> None:
    with pytest.raises(TypeError, match=lacks):
        model()


async def test_a_view_model_without_a_ttl_says_so(memory_cache: ResponseCache) -> None:
    with pytest.raises(CacheConfigurationError, match="Page lacks a line such as: ttl = 30"):
        await Page().into_cached(memory_cache)


@pytest.mark.parametrize("cache", [None, "memory://", ResponseCache, RedisHandle])
async def test_into_cached_refuses_anything_but_a_cache(cache: Any) -> None:
    page = Page()
    page.ttl = 30
    with pytest.raises(TypeError, match="into_cached takes a ResponseCache, not a "):
        await page.into_cached(cache)


async def test_a_view_model_may_set_its_ttl_on_the_instance(memory_cache: ResponseCache) -> None:
    page = Page()
    page.ttl = 30
    assert (await page.into_cached(memory_cache)).ttl == 30
