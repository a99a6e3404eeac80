"""Wrong arguments are refused where they are written, with the right class of error and what to write instead."""

import asyncio
import datetime
import importlib
import math
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import redis
import redis.asyncio

from strawberry_response_cache.core import (
    CacheConfigurationError,
    CacheSettings,
    RedisHandle,
    ResponseCache,
)


async def value() -> str:
    return "value"


# -- Addresses and clients ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["localhost:6379", "", "redis", "/run/socket", None, 6379, b"redis://x"],
    ids=repr,
)
def test_an_address_without_a_scheme_is_refused(url: Any) -> None:
    with pytest.raises(
        CacheConfigurationError, match=r"is a URL, such as redis:.*rediss:.*unix:.*memory:"
    ):
        RedisHandle.from_url(url)


@pytest.mark.parametrize("scheme", ["http", "valkey", "redis+tls", ""])
def test_an_unknown_scheme_is_refused(scheme: str) -> None:
    with pytest.raises(CacheConfigurationError, match=r"use one of redis://") as caught:
        RedisHandle.from_url(f"{scheme}://user:hunter2@localhost")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["host:99999", "host:abc", "host:-1", ":hunter2@host:x", "[::1"]
)
def test_a_bad_port_is_refused(address: str) -> None:
    with pytest.raises(CacheConfigurationError, match=r"write redis://host:6379/0") as caught:
        RedisHandle.from_url(f"redis://{address}")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["REDIS", "Redis", "MEMORY"])
def test_the_case_of_a_scheme_does_not_matter(scheme: str, unused_port: int) -> None:
    address = "" if scheme == "MEMORY" else f"127.0.0.1:{unused_port}"
    with ResponseCache.from_url(f"{scheme}://{address}", prefix="test", telemetry=False) as cache:
        assert cache.remember_sync(["a"], 60, lambda: "value").value == "value"


@pytest.mark.parametrize("option", ["bogus=1", "socket_timeout=soon"])
def test_an_unknown_option_of_the_url_is_refused_and_not_only_logged(option: str) -> None:
    with pytest.raises(CacheConfigurationError, match="option that redis-py does not take"):  # noqa: SIM117 - the cache is what raises
        with ResponseCache.from_url(
            f"redis://127.0.0.1:1/0?{option}", prefix="test", telemetry=False
        ) as cache:
            cache.remember_sync(["a"], 60, lambda: "value")


@pytest.mark.parametrize("option", ["True", "true", "1", "yes"])
def test_a_url_that_decodes_responses_is_refused(option: str) -> None:
    with pytest.raises(CacheConfigurationError, match=r"decode_responses.*leave it out"):
        RedisHandle.from_url(f"redis://localhost?decode_responses={option}")


@pytest.mark.parametrize("kind", [redis.Redis, redis.asyncio.Redis])
def test_a_client_that_decodes_responses_is_refused(kind: Any) -> None:
    with pytest.raises(CacheConfigurationError, match="decode_responses=False"):
        RedisHandle(kind(decode_responses=True, socket_timeout=1))


def test_a_sync_client_that_could_hang_for_ever_is_refused() -> None:
    with pytest.raises(
        CacheConfigurationError, match=r"Write redis\.Redis\(\.\.\., socket_timeout=0\.1\)"
    ):
        RedisHandle(redis.Redis(socket_timeout=None))


@pytest.mark.parametrize("client", ["redis://localhost", None, object()])
def test_an_object_that_is_not_a_client_is_refused(client: Any) -> None:
    with pytest.raises(CacheConfigurationError, match=r"RedisHandle\.from_url\(url\)"):
        RedisHandle(client)


async def test_an_async_method_refuses_a_sync_client() -> None:
    with redis.Redis(socket_timeout=1) as client:
        cache = ResponseCache(RedisHandle(client), prefix="test", telemetry=False)
        for call in (
            lambda: cache.remember(["a"], 60, value),
            lambda: cache.invalidate("t"),
            cache.ping,
        ):
            with pytest.raises(
                CacheConfigurationError, match=r"RedisHandle\(redis\.asyncio\.Redis"
            ):
                await call()


async def test_a_sync_method_refuses_an_async_client() -> None:
    async with redis.asyncio.Redis() as client:
        cache = ResponseCache(RedisHandle(client), prefix="test", telemetry=False)
        calls: list[Callable[[], object]] = [
            lambda: cache.remember_sync(["a"], 60, lambda: "value"),
            lambda: cache.invalidate_sync("t"),
            cache.ping_sync,
        ]
        for call in calls:
            with pytest.raises(
                CacheConfigurationError, match=r"RedisHandle\(redis\.Redis\(\.\.\., socket_timeout"
            ):
                call()


@pytest.mark.parametrize(
    "handle", ["redis://localhost", None, redis.Redis()], ids=["url", "None", "client"]
)
def test_a_cache_of_anything_but_a_handle_is_refused(handle: Any) -> None:
    with pytest.raises(
        CacheConfigurationError, match=r"Write ResponseCache\.from_url\(url, prefix="
    ):
        ResponseCache(handle, prefix="test")


@pytest.mark.parametrize(
    "prefix", ["", "a b", "{a}", "a}", "é", "a\n", "x" * 65, None, 5, b"a", "a*"], ids=repr
)
def test_a_prefix_that_is_not_a_short_plain_name_is_refused(prefix: Any) -> None:
    with pytest.raises(CacheConfigurationError, match="such as prefix='ledger'"):
        ResponseCache.from_url("memory://", prefix=prefix, telemetry=False)


@pytest.mark.parametrize("missing", ["fakeredis", "lupa"])
def test_a_memory_store_without_its_packages_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    real = importlib.import_module

    def without(name: str, package: str | None = None) -> object:
        if name == missing:
            raise ModuleNotFoundError(name=name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(
        CacheConfigurationError, match=r"needs the extra .memory. .*fakeredis\[lua\]"
    ):
        RedisHandle.from_url("memory://")


# -- Arguments of remember ---------------------------------------------------------------------------------


BAD_DURATIONS: dict[str, tuple[object, str]] = {
    "negative": (-1, "write 0 .* or a positive number"),
    "negative float": (-0.001, "write 0 .* or a positive number"),
    "negative timedelta": (datetime.timedelta(seconds=-1), "write 0 .* or a positive number"),
    "NaN": (math.nan, "write 0 .* or a positive number"),
    "minus infinity": (-math.inf, "write 0 .* or a positive number"),
    "infinite": (math.inf, "the longest is"),
    "eleven years": (11 * 365 * 24 * 3600, "the longest is"),
    "beyond a float": (10**400, "the longest is"),
    "longest timedelta": (datetime.timedelta.max, "the longest is"),
    "bool": (True, "write seconds as an int or a float, or a datetime.timedelta"),
    "str": ("60", "write seconds as an int or a float, or a datetime.timedelta"),
    "None": (None, "write seconds as an int or a float, or a datetime.timedelta"),
}


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        (argument, name)
        for argument in ("ttl", "stale", "ttl(value)")
        for name in BAD_DURATIONS
        if (argument, name) != ("stale", "None")  # which asks for the cache's setting
    ],
)
async def test_a_bad_duration_is_refused(
    memory_cache: ResponseCache, face: Any, name: str, argument: str
) -> None:
    bad, advice = BAD_DURATIONS[name]
    ttl: Any = {"ttl": bad, "ttl(value)": lambda _: bad}.get(argument, 60)
    stale = bad if argument == "stale" else 0

    with pytest.raises(CacheConfigurationError, match=advice) as caught:
        await face.remember(memory_cache, ["a"], ttl, lambda: "value", stale=stale)
    assert str(caught.value).startswith(f"{argument} is ")


async def test_the_smallest_ttl_above_zero_is_one_millisecond(
    memory_cache: ResponseCache, face: Any
) -> None:
    response = await face.remember(memory_cache, ["a"], 5e-324, lambda: "value")
    assert response.ttl == 0.001


@pytest.mark.parametrize(
    "parts", ["abc", b"abc", "", 5, None, [1], ["a", None], [b"a"], [["a"]]], ids=repr
)
async def test_key_parts_that_are_no_list_of_strings_are_refused(
    memory_cache: ResponseCache, face: Any, parts: Any
) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: face.remember(memory_cache, parts, 60, lambda: "value"),
        lambda: face.remember(memory_cache, parts, 0, lambda: "value"),
        lambda: face.forget(memory_cache, parts),
    ]
    for call in calls:
        with pytest.raises(TypeError, match=r'key_parts.*: \["/v1/ledger", "page=2"\]'):
            await call()


@pytest.mark.parametrize("parts", [{"a", "b"}, frozenset({"a", "b"})], ids=["set", "frozenset"])
async def test_a_set_of_key_parts_is_refused(
    memory_cache: ResponseCache, face: Any, parts: Any
) -> None:
    """The order of a set differs between processes, and so would its key."""
    with pytest.raises(TypeError, match="key_parts"):
        await face.remember(memory_cache, parts, 60, lambda: "value")


@pytest.mark.parametrize("tags", ["abc", b"abc", 5, [1], ["a", None]], ids=repr)
@pytest.mark.parametrize("by_function", [False, True])
async def test_tags_that_are_no_list_of_strings_are_refused(
    memory_cache: ResponseCache, face: Any, tags: Any, by_function: bool
) -> None:
    with pytest.raises(TypeError, match=r'tags.*: \["Book", "Book:42"\]'):
        await face.remember(
            memory_cache, ["a"], 60, lambda: "value", tags=(lambda _: tags) if by_function else tags
        )


@pytest.mark.parametrize("tag", [5, None, b"a", ["a"]], ids=repr)
async def test_a_tag_to_invalidate_that_is_no_string_is_refused(
    memory_cache: ResponseCache, face: Any, tag: Any
) -> None:
    with pytest.raises(
        TypeError, match=r'every part is a string.*: invalidate\("Book", "Book:42"\)'
    ):
        await face.invalidate(memory_cache, "a", tag)


@pytest.mark.parametrize("ttl", [0, 60])
async def test_remember_refuses_a_function_that_is_not_async(
    memory_cache: ResponseCache, ttl: int
) -> None:
    async def items() -> AsyncIterator[int]:
        yield 1

    functions: list[Any] = [lambda: "value", lambda: None, lambda: iter([1]), items]
    for function in functions:
        with pytest.raises(TypeError, match=r"'async def', no 'yield'.*call remember_sync\(\)"):
            await memory_cache.remember(["a"], ttl, function)


@pytest.mark.parametrize("ttl", [0, 60])
def test_remember_sync_refuses_an_async_function(memory_cache: ResponseCache, ttl: int) -> None:
    with pytest.raises(TypeError, match=r"is a plain function.*await remember\(\)"):
        memory_cache.remember_sync(["a"], ttl, value)


@pytest.mark.parametrize(
    "as_type", [object(), 5, "NoSuchType", [int]], ids=["object", "int", "name", "list"]
)
async def test_as_type_that_is_no_type_is_refused(
    memory_cache: ResponseCache, face: Any, as_type: object
) -> None:
    with pytest.raises(CacheConfigurationError, match="use a model, a dataclass, a TypedDict"):
        await face.remember(memory_cache, ["a"], 60, lambda: "value", as_type=as_type)


# -- Settings ----------------------------------------------------------------------------------------------


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(CacheConfigurationError, match="leese: there is no such setting"):
        ResponseCache.from_url("memory://", prefix="test", leese=5)  # type: ignore[call-arg] # what is tested


@pytest.mark.parametrize("settings", [{"lease": 5}, "lease", 5], ids=repr)
def test_settings_of_another_class_are_refused(settings: Any) -> None:
    with pytest.raises(CacheConfigurationError, match=r"pass CacheSettings\("):
        ResponseCache(RedisHandle.from_url("memory://"), prefix="test", settings=settings)


def test_a_wait_budget_below_the_lease_is_refused() -> None:
    with pytest.raises(CacheConfigurationError, match="callers must wait at least until the lease"):
        CacheSettings(lease=5, wait_budget=4)


@pytest.mark.parametrize(
    ("name", "text"),
    [("LEASE", "soon"), ("LEASE", ""), ("LEESE", "5"), ("MAX_TAGS", "1.5"), ("LEASE", "nan")],
)
def test_a_bad_environment_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.setenv(f"RESPONSE_CACHE_{name}", text)

    with pytest.raises(CacheConfigurationError, match=f"RESPONSE_CACHE_{name}: "):
        CacheSettings.from_environment()


async def _never_true(_: object) -> bool:
    return False


@pytest.mark.parametrize("cacheable", [_never_true, True, "yes"])
async def test_cacheable_must_be_a_plain_function(
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
async def test_an_awaitable_answer_of_cacheable_is_refused(
    memory_cache: ResponseCache, face: Any, answer: Any
) -> None:
    with pytest.raises(TypeError, match=r"cacheable is a plain function of the value"):
        await face.remember(memory_cache, ["a"], 60, lambda: 1, cacheable=_called(answer))


async def test_the_result_of_a_generator_in_place_of_the_generator_is_refused(
    memory_cache: ResponseCache,
) -> None:
    generator: Any = _never_true(1)
    with pytest.raises(TypeError, match=r"is a coroutine; pass the function itself"):
        await memory_cache.remember(["a"], 60, generator)
    value: Any = 3
    with pytest.raises(TypeError, match=r"is a int; pass the function itself"):
        memory_cache.remember_sync(["a"], 60, value)


def test_telemetry_must_be_a_bool_or_an_observer() -> None:
    telemetry: Any = "yes"
    with pytest.raises(CacheConfigurationError, match=r"telemetry is a str; pass True, False or"):
        ResponseCache.from_url("memory://", prefix="test", telemetry=telemetry)
