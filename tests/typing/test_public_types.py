"""The types of all public names, which two type checkers check; the tests run the same code once."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import assert_type

import httpx
import pytest
import strawberry

import strawberry_response_cache
from strawberry_response_cache import (
    Cacheable,
    CacheConfigurationError,
    CacheDetail,
    CachedResponse,
    CacheError,
    CacheScope,
    CacheSerializationError,
    CacheSettings,
    CacheStatistics,
    CacheStatus,
    CacheStoreError,
    CallStatistics,
    ExplainedField,
    Explanation,
    InvalidatedTags,
    OperationStatistics,
    Reason,
    RedisHandle,
    RequestStatistics,
    ResponseCache,
    ResponseCacheExtension,
    ResponseCacheMiddleware,
    cache_control,
    explain,
    invalidate,
    invalidate_sync,
    invalidates,
    purge_names,
    renew_cache,
    restrict_cache,
    skip_cache,
)
from strawberry_response_cache.asgi import GraphQL
from strawberry_response_cache.telemetry import OpenTelemetry


def test_every_public_name_is_here() -> None:
    """Its import is not enough: each is used below."""
    tree = ast.parse(Path(__file__).read_text("utf-8"))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert set(strawberry_response_cache.__all__) - used == set()


@dataclass
class Page(Cacheable[list[int]]):
    number: int
    ttl = timedelta(seconds=30)

    def cache_key_parts(self) -> list[str]:
        return [str(self.number)]

    async def generate(self) -> list[int]:
        return [self.number]


@cache_control(ttl=5)
@strawberry.type
class Account:
    name: str = strawberry.field(directives=[cache_control(ttl=1.5, scope=CacheScope.PUBLIC)])


assert_type(Account(name="x"), Account)


@strawberry.type
class Query:
    @cache_control(ttl=timedelta(minutes=1), scope=CacheScope.PRIVATE, tags=["a"], stale=5)
    @strawberry.field
    async def account(self) -> Account:
        return Account(name="x")

    @cache_control(ttl=60)
    @strawberry.field
    def today(self, info: strawberry.Info) -> str:
        assert_type(renew_cache({}), None)
        assert_type(InvalidatedTags(["a"], tenant=""), InvalidatedTags)
        assert_type(purge_names(InvalidatedTags(["a"], tenant="")), list[str])
        assert_type(restrict_cache(info, ttl=5, scope=CacheScope.PRIVATE, tags=["a"]), None)
        assert_type(skip_cache(info), None)
        assert_type(invalidate_sync(info, "Account", "[Account]"), None)
        return "today"


@strawberry.type
class Mutation:
    @invalidates("Account", "[Account]")
    @strawberry.mutation
    async def rename(self, info: strawberry.Info, name: str) -> Account:
        assert_type(await invalidate(info, "Account"), None)
        return Account(name=name)


async def numbers() -> list[int]:
    return [1]


async def test_remember_gives_what_the_generator_gives() -> None:
    async with ResponseCache.from_url("memory://", prefix="typing", lease=5) as cache:
        assert_type(cache, ResponseCache)
        page = await cache.remember(["a"], 30, numbers, as_type=list[int])
        assert_type(page, CachedResponse[list[int]])
        assert_type(page.value, list[int])
        assert_type(page.status, CacheStatus)
        assert_type(page.detail, CacheDetail)
        assert_type(page.age, float)
        by_value = await cache.remember(["b"], len, numbers)
        assert_type(by_value, CachedResponse[list[int]])
        tagged = await cache.remember(["c"], 1, numbers, tags=lambda v: [str(n) for n in v])
        assert_type(tagged.value, list[int])
        plain = cache.remember_sync(("a", "b"), 30, lambda: "text", cacheable=bool)
        assert_type(plain, CachedResponse[str])
        assert_type(cache.for_tenant(7), ResponseCache)
        assert_type(await Page(1).into_cached(cache), CachedResponse[list[int]])


async def test_the_extension_is_what_a_schema_takes() -> None:
    cache = ResponseCache(RedisHandle.from_url("memory://"), prefix="typing")
    extension = ResponseCacheExtension(
        cache,
        tenant=str,
        session=lambda context: None,
        vary={"locale": lambda context: "en"},
        enabled=lambda context: True,
        default_ttl=timedelta(seconds=5),
        max_ttl=timedelta(minutes=5),
        negative_ttl=0.5,
        store_after=2,
        cacheable=lambda result, context: result.data is not None,
        invalidate_on_mutation="types",
    )
    assert_type(extension, ResponseCacheExtension)
    assert_type(extension.faults, int)
    schema = strawberry.Schema(Query, Mutation, extensions=[extension])
    assert_type(extension.check(schema), tuple[str, ...])
    for document in ("{ account { name } today }", 'mutation { rename(name: "y") { name } }'):
        assert (await schema.execute(document, context_value="t")).errors is None
    await cache.aclose()


async def test_the_middleware_is_an_application() -> None:
    cache = ResponseCache.from_url("memory://", prefix="typing")
    extension = ResponseCacheExtension(cache, tenant=str, session=str, vary={"locale": str})
    schema = strawberry.Schema(Query, extensions=[extension])
    application = ResponseCacheMiddleware(
        GraphQL[object, None](schema),
        extension,
        schema=schema,
        tenant=lambda scope: scope["path"],
        session=lambda scope: None,
        vary={"locale": lambda scope: "en"},
    )
    assert_type(application, ResponseCacheMiddleware)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://test")
    async with client:
        assert (await client.get("/graphql")).status_code == 200
    await cache.aclose()


def test_an_explanation_is_typed() -> None:
    explanation = explain(strawberry.Schema(Query), "{ today }", variables={}, default_ttl=1.5)
    assert_type(explanation, Explanation)
    assert_type(explanation.cacheable, bool)
    assert_type(explanation.ttl, float | None)
    assert_type(explanation.scope, CacheScope | None)
    assert_type(explanation.reason, Reason | None)
    assert_type(explanation.verdict, str)
    assert_type(explanation.fields, tuple[ExplainedField, ...])
    assert_type(explanation.fields[0].own_ttl, float | None)
    assert_type(Reason.ROOT_WITHOUT_HINT.advice, str)
    assert_type(Reason.of(CacheDetail.FRESH), Reason | None)


async def test_settings_are_typed_by_name() -> None:
    settings = CacheSettings(lease=5, read_deadline=0.05)
    assert_type(settings.lease, float)
    assert_type(settings.max_connections, int)
    assert_type(CacheSettings.from_environment({}), CacheSettings)
    variables = {"RESPONSE_CACHE_URL": "memory://", "RESPONSE_CACHE_PREFIX": "typing"}
    from_environment = ResponseCache.from_environment(variables, telemetry=False)
    assert_type(from_environment, ResponseCache)
    handle = RedisHandle.from_url("memory://")
    assert_type(handle, RedisHandle)
    assert_type(handle.address, str)
    observed = ResponseCache(
        handle, prefix="typing", settings=settings, telemetry=OpenTelemetry(tracer_provider=None)
    )
    assert_type(observed, ResponseCache)
    await observed.aclose()


async def test_many_values_and_invalidations_are_typed() -> None:
    async def squares(of: list[int]) -> Sequence[int | Exception]:
        return [each * each for each in of]

    async with ResponseCache.from_url("memory://", prefix="typing") as cache:
        many = await cache.remember_many([1, 2], 30, squares, key=lambda each: [str(each)])
        assert_type(many, list[int | Exception])
        again = cache.remember_many_sync(
            [["a"], ["b"]], 30, lambda of: [each[0] for each in of], tags=["t"]
        )
        assert_type(again, list[str | Exception])
        assert_type(await cache.invalidate("a", "b", queued=True), None)
        assert_type(cache.invalidate_sync("a"), None)
        assert_type(await cache.forget(["a"]), None)
        assert_type(cache.forget_sync(("a",)), None)
        assert_type(await cache.clear(queued=True), None)
        assert_type(cache.clear_sync(), None)
        assert_type(await cache.ping(), None)
        assert_type(cache.ping_sync(), None)
        statistics = cache.statistics()
        assert_type(statistics, CacheStatistics)
        assert_type(statistics.operations, RequestStatistics)
        assert_type(statistics.by_operation, Mapping[str, OperationStatistics])
        assert_type(statistics.operations.hit_ratio, float | None)
        assert_type(statistics.loads["value"], CallStatistics)


@pytest.mark.parametrize(
    "kind", [CacheConfigurationError, CacheSerializationError, CacheStoreError]
)
def test_every_error_is_a_cache_error(kind: type[CacheError]) -> None:
    error: CacheError = kind("what, why, what to write")
    assert isinstance(error, CacheError)
    assert_type(CacheStoreError("", error_type="TimeoutError").error_type, str)


ledger_cache = ResponseCache.from_url("memory://", prefix="typing")


@ledger_cache.cached(ttl=60, tags=["year"], stale=timedelta(seconds=5))
async def entries(year: int, *, drafts: bool = False) -> list[int]:
    return [year, int(drafts)]


@ledger_cache.cached(ttl=len, cacheable=bool, as_type=str)
def title(*words: str, **more: str) -> str:
    return " ".join((*words, *more.values()))


class Ledger:
    name = "main"

    @ledger_cache.cached(ttl=60, key=lambda self, year: ["total", self.name, str(year)])
    async def total(self, year: int) -> int:
        return year

    @staticmethod
    @ledger_cache.cached(ttl=60)
    def currency(code: str) -> str:
        return code


async def test_a_cached_function_keeps_its_signature() -> None:
    assert_type(await entries(2026, drafts=True), list[int])
    assert_type(title("a", "b", c="d"), str)
    assert_type(await Ledger().total(2026), int)
    assert_type(Ledger.currency("EUR"), str)
    await ledger_cache.aclose()


async def test_the_key_of_a_call_takes_the_same_arguments() -> None:
    assert_type(entries.key_parts(2026), tuple[str, ...])
    assert_type(Ledger.total.key_parts(Ledger(), year=2026), tuple[str, ...])
    await ledger_cache.forget(title.key_parts("a"))
    await ledger_cache.aclose()


async def wrong_calls() -> None:
    """Never run: every line is an error to both type checkers."""
    await entries("2026")  # type: ignore[arg-type] # the year is an int
    await entries(2026, True)  # type: ignore[call-arg] # by keyword only
    entries.key_parts(year="2026")  # type: ignore[arg-type] # as above
    title(1)  # type: ignore[arg-type] # words are strings
    await Ledger().total()  # type: ignore[call-arg] # a year is missing
