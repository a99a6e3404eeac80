"""What two type checkers say of the public names; the functions are checked, and run once."""

from dataclasses import dataclass
from datetime import timedelta
from typing import assert_type

import strawberry

from strawberry_response_cache import (
    Cacheable,
    CacheDetail,
    CachedResponse,
    CacheScope,
    CacheStatus,
    RedisHandle,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)


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
    )
    schema = strawberry.Schema(Query, extensions=[extension])
    assert_type(extension.check(schema), None)
    assert (await schema.execute("{ account { name } }", context_value="t")).errors is None
    await cache.aclose()


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
