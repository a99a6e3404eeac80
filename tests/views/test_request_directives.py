"""What a request, or the server's own code, asks of the cache (RFC 9111, section 5.2.1)."""

import asyncio
from collections import UserDict
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import strawberry
from strawberry.asgi import GraphQL as StockGraphQL

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    renew_cache,
    restrict_cache,
)
from strawberry_response_cache.asgi import GraphQL
from strawberry_response_cache.core.protocol.entry import Entry
from strawberry_response_cache.graphql.http.request_directives import directives_in

VIEWS = {"ours": GraphQL, "strawberry's": StockGraphQL}
RUNS: list[str] = []


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def number(self) -> int:
        RUNS.append("number")
        return len(RUNS)

    @cache_control(ttl=60)
    @strawberry.field
    def turned(self, info: strawberry.Info) -> int:
        RUNS.append("turned")
        restrict_cache(info, scope=CacheScope.PRIVATE)
        return len(RUNS)

    @cache_control(ttl=60)
    @strawberry.field
    def fails(self) -> int | None:
        raise ConnectionError

    @strawberry.field
    def now(self) -> int:
        return 0


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def asks(self, info: strawberry.Info) -> int:
        result = await info.schema.execute("{ number }", context_value=info.context)
        assert result.data is not None
        return int(result.data["number"])


@pytest.fixture
def cache() -> Iterator[ResponseCache]:
    RUNS.clear()
    with ResponseCache.from_url("memory://", prefix="asked", jitter=0) as cache:
        yield cache


Ask = Callable[..., httpx.Response]


@pytest.fixture(params=VIEWS)
def make(request: pytest.FixtureRequest, cache: ResponseCache) -> Callable[..., Ask]:
    def made(**options: Any) -> Ask:
        chosen: dict[str, Any] = {
            "tenant": None,
            "session": lambda _: "alice",
            "debug": True,
            "honour_request_cache_control": True,
        } | options
        extension = ResponseCacheExtension(cache, **chosen)
        schema = strawberry.Schema(Query, Mutation, extensions=[extension])
        application: Any = VIEWS[request.param]
        application = application(schema)

        def ask(query: str, asked: str | None = None) -> httpx.Response:
            async def asking() -> httpx.Response:
                transport = httpx.ASGITransport(application)
                async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
                    headers = {} if asked is None else {"cache-control": asked}
                    return await client.post("/", json={"query": query}, headers=headers)

            return asyncio.run(asking())

        return ask

    return made


def status(response: httpx.Response) -> str:
    said: str = response.json()["extensions"]["responseCache"]["status"]
    return said


@pytest.mark.parametrize("query", ["{ number }", "{ number now }", "{ turned }"])
def test_no_cache_executes_the_operation_and_replaces_the_stored_answer(
    make: Callable[..., Ask], query: str
) -> None:
    ask = make()
    name = query.split()[1]
    assert ask(query).json()["data"][name] == 1
    assert ask(query).json()["data"][name] == 1
    assert ask(query, "no-cache").json()["data"][name] == 2
    assert ask(query).json()["data"][name] == 2


@pytest.mark.parametrize("query", ["{ number }", "{ number now }"])
def test_no_store_neither_reads_nor_stores(make: Callable[..., Ask], query: str) -> None:
    ask = make()
    for expected in (1, 2):
        response = ask(query, "no-store")
        assert response.json()["data"]["number"] == expected
        assert response.json()["extensions"]["responseCache"]["reason"] == "no_store"
        assert response.headers["cache-control"] == "no-store"
    assert ask(query).json()["data"]["number"] == 3
    assert ask(query, "no-store").json()["data"]["number"] == 4
    assert ask(query).json()["data"]["number"] == 3


@pytest.mark.parametrize("query", ["{ number }", "{ number now }"])
def test_a_stored_answer_older_than_max_age_is_not_used(
    make: Callable[..., Ask], monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    ask = make()
    ask(query)
    monkeypatch.setattr(Entry, "age", property(lambda _: 30.0))
    assert ask(query, "max-age=30").json()["data"]["number"] == 1
    assert ask(query, "max-age=29").json()["data"]["number"] == 2


def test_only_if_cached_is_answered_504_without_a_stored_answer(make: Callable[..., Ask]) -> None:
    ask = make()
    for query in ("{ number }", "{ now }", "{ number now }"):
        absent = ask(query, "only-if-cached")
        assert absent.status_code == 504
        assert absent.json()["data"] is None
        assert absent.json()["errors"][0]["message"].startswith("The answer is not stored")
        assert absent.json()["extensions"]["responseCache"]["reason"] in {
            "only_if_cached",
            "root_without_hint",
        }
        assert absent.headers["cache-control"] == "no-store"
    assert RUNS == []
    ask("{ number }")
    found = ask("{ number }", "only-if-cached")
    assert (found.status_code, status(found)) == (200, "hit")
    assert RUNS == ["number"]


def test_queries_of_a_mutation_are_executed_whatever_the_request_asks(
    make: Callable[..., Ask],
) -> None:
    assert make()("mutation { asks }", "only-if-cached").json()["data"] == {"asks": 1}


@pytest.mark.parametrize("asked", ["no-cache", "no-store", "max-age=0", "only-if-cached"])
@pytest.mark.parametrize("honour", [False, lambda context: False, lambda context: None])
def test_by_default_cache_control_of_requests_is_ignored(
    make: Callable[..., Ask], asked: str, honour: Any
) -> None:
    ask = make(honour_request_cache_control=honour)
    ask("{ number }")
    response = ask("{ number }", asked)
    assert (response.status_code, status(response)) == (200, "hit")


def test_a_function_decides_whose_cache_control_is_obeyed(make: Callable[..., Ask]) -> None:
    def is_post(context: Any) -> bool:
        return bool(context["request"].method == "POST")

    ask = make(honour_request_cache_control=is_post)
    ask("{ number }")
    assert status(ask("{ number }", "no-cache")) == "miss"


@pytest.mark.parametrize("asked", ["max-age=", "max-age=-1", "max-age=x", "", ",,", "private"])
def test_malformed_directives_are_ignored(make: Callable[..., Ask], asked: str) -> None:
    ask = make()
    ask("{ number }")
    assert status(ask("{ number }", asked)) == "hit"


class Context:
    pass


@pytest.mark.combined
@pytest.mark.parametrize("kind", [dict, UserDict, Context])
@pytest.mark.parametrize("is_sync", [False, True])
def test_renewed_operations_are_executed_and_stored(
    cache: ResponseCache, kind: Callable[[], Any], is_sync: bool
) -> None:
    extension = ResponseCacheExtension(cache, tenant=None)
    schema = strawberry.Schema(Query, extensions=[extension])

    def ask(context: Any) -> Any:
        if is_sync:
            return schema.execute_sync("{ number }", context_value=context).data
        return asyncio.run(schema.execute("{ number }", context_value=context)).data

    renewed = kind()
    assert [ask(kind()), ask(kind())] == [{"number": 1}, {"number": 1}]
    renew_cache(renewed)
    assert ask(renewed) == {"number": 2}
    assert ask(kind()) == {"number": 2}


def test_renew_cache_refuses_an_object_that_is_no_context() -> None:
    for context in (None, 1, object(), ("a",), int):
        with pytest.raises(TypeError, match="takes no mark; pass the context of the operation"):
            renew_cache(context)


async def test_a_renewed_operation_joins_no_run_that_began_before(cache: ResponseCache) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()
    runs = 0

    @strawberry.type
    class Slow:
        @cache_control(ttl=60)
        @strawberry.field
        async def value(self) -> int:
            nonlocal runs
            runs += 1
            own = runs
            if own == 1:
                began.set()
                await go_on.wait()
            return own

    extension = ResponseCacheExtension(cache, tenant=None)
    schema = strawberry.Schema(Slow, extensions=[extension])
    early = asyncio.create_task(schema.execute("{ value }", context_value={}))
    await began.wait()
    context: dict[str, Any] = {}
    renew_cache(context)
    renewed = await schema.execute("{ value }", context_value=context)
    assert renewed.data == {"value": 2}
    go_on.set()
    assert (await early).data == {"value": 1}
    assert (await schema.execute("{ value }", context_value={})).data == {"value": 2}


@pytest.mark.parametrize("is_sync", [False, True])
async def test_while_redis_is_down_a_renewed_operation_runs_uncached(*, is_sync: bool) -> None:
    async with ResponseCache.from_url(
        "redis://127.0.0.1:1/0", prefix="down", connect_deadline=0.2
    ) as cache:
        extension = ResponseCacheExtension(cache, tenant=None, debug=True)
        schema = strawberry.Schema(Query, extensions=[extension])
        context: dict[str, Any] = {}
        renew_cache(context)
        if is_sync:
            result = await asyncio.to_thread(
                schema.execute_sync, "{ number }", context_value=context
            )
        else:
            result = await schema.execute("{ number }", context_value=context)
        assert result.errors is None
        assert result.extensions is not None
        assert result.extensions["responseCache"]["reason"] == "store_failure"


@pytest.mark.parametrize("asked", ["only-if-cached, no-cache", "only-if-cached, max-age=5"])
def test_only_if_cached_is_answered_504_if_the_request_refuses_the_stored_answer(
    make: Callable[..., Ask], monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    ask = make()
    ask("{ number }")
    monkeypatch.setattr(Entry, "age", property(lambda _: 5.5))
    response = ask("{ number }", asked)
    assert response.status_code == 504
    assert response.headers["cache-control"] == "no-store"
    assert ask("{ number }").json()["data"]["number"] == 1
    assert ask("{ number }", "only-if-cached, max-age=6").json()["data"]["number"] == 1


def test_an_operation_that_failed_in_part_obeys_the_directives_of_a_request(
    make: Callable[..., Ask], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, query = make(), "{ number fails }"
    assert [ask(query).json()["data"]["number"] for _ in range(3)] == [1, 1, 1]
    assert ask(query, "only-if-cached").status_code == 504
    assert ask(query, "no-cache").json()["data"]["number"] == 2
    assert ask(query).json()["data"]["number"] == 2, "the field's own entry was renewed"
    assert ask(query, "no-store").json()["data"]["number"] == 3
    monkeypatch.setattr(Entry, "age", property(lambda _: 30.0))
    assert ask(query, "max-age=30").json()["data"]["number"] == 2
    assert ask(query, "max-age=29").json()["data"]["number"] == 4


@pytest.mark.parametrize("is_sync", [False, True])
async def test_execute_and_execute_sync_obey_the_directives_of_a_request(
    cache: ResponseCache, *, is_sync: bool
) -> None:
    extension = ResponseCacheExtension(cache, tenant=None, honour_request_cache_control=True)
    schema = strawberry.Schema(Query, extensions=[extension])

    async def ask(asked: str, *, renews: bool = False) -> Any:
        request = SimpleNamespace(headers={"cache-control": asked}, method="POST")
        context: dict[str, Any] = {"request": request}
        if renews:
            renew_cache(context)
        if is_sync:
            result = await asyncio.to_thread(
                schema.execute_sync, "{ number }", context_value=context
            )
        else:
            result = await schema.execute("{ number }", context_value=context)
        return result.data and result.data["number"]

    assert await ask("only-if-cached") is None
    assert [await ask(""), await ask(""), await ask("only-if-cached")] == [1, 1, 1]
    assert await ask("only-if-cached, no-cache") is None
    assert [await ask("no-cache"), await ask("")] == [2, 2]
    assert [await ask("", renews=True), await ask("only-if-cached")] == [3, 3]
    await asyncio.sleep(0.005)  # ages are in milliseconds, and what is 0 old is not too old
    assert [await ask("max-age=0"), await ask("max-age=60")] == [4, 4]


async def test_only_if_cached_finds_an_answer_renewed_by_another_process(
    new_cache: Callable[..., ResponseCache], valkey_url: str
) -> None:
    caches = [new_cache(valkey_url), new_cache(valkey_url)]
    options: dict[str, Any] = {"tenant": None, "session": None}
    schemas = [
        strawberry.Schema(
            Query,
            extensions=[ResponseCacheExtension(each, honour_request_cache_control=True, **options)],
        )
        for each in caches
    ]

    async def ask(which: int, asked: str) -> Any:
        request = SimpleNamespace(method="POST", headers={"cache-control": asked})
        result = await schemas[which].execute("{ number }", context_value={"request": request})
        return result.data

    RUNS.clear()
    for which in (0, 0, 1):
        assert await ask(which, "") == {"number": 1}
    assert await ask(1, "no-cache") == {"number": 2}
    assert await ask(0, "only-if-cached") == {"number": 2}


@pytest.mark.parametrize("is_sync", [False, True])
@pytest.mark.parametrize("asked", ["no-cache", "max-age=0"])
async def test_a_stored_answer_that_redis_cannot_remove_does_not_answer_a_renewal(
    new_cache: Callable[..., ResponseCache],
    valkey_url: str,
    raw_valkey: Any,
    asked: str,
    *,
    is_sync: bool,
) -> None:
    cache = new_cache(valkey_url, invalidate_deadline=0.5)
    extension = ResponseCacheExtension(
        cache, tenant=None, debug=True, honour_request_cache_control=True
    )
    schema = strawberry.Schema(Query, extensions=[extension])

    async def ask(asked: str) -> Any:
        request = SimpleNamespace(headers={"cache-control": asked}, method="POST")
        given: dict[str, Any] = {"query": "{ number }", "context_value": {"request": request}}
        if is_sync:
            return await asyncio.to_thread(lambda: schema.execute_sync(**given))
        return await schema.execute(**given)

    RUNS.clear()
    assert [(await ask("")).data for _ in range(2)] == [{"number": 1}] * 2
    raw_valkey.execute_command("REPLICAOF", "127.0.0.1", "1")  # it answers, and takes no writes
    try:
        assert (await ask("")).data == {"number": 1}
        await asyncio.sleep(0.005)  # so that it is too old, also in milliseconds
        renewed = await ask(asked)
    finally:
        raw_valkey.execute_command("REPLICAOF", "NO", "ONE")
    assert renewed.data == {"number": 2}
    assert renewed.extensions["responseCache"]["reason"] == "store_failure"


@pytest.mark.parametrize("is_sync", [False, True])
async def test_a_renewed_field_whose_object_was_loaded_before_an_invalidation_is_not_stored(
    cache: ResponseCache, *, is_sync: bool
) -> None:
    stock = {"books": 1}

    @strawberry.type
    class Shelf:
        id: strawberry.ID
        loaded: strawberry.Private[int]

        @cache_control(ttl=60, tags=["stock"])
        @strawberry.field
        def books(self) -> int:
            return self.loaded

    @strawberry.type(name="Query")
    class Shelves:
        @strawberry.field
        def shelf(self, info: strawberry.Info) -> Shelf:
            loaded = stock["books"]
            if info.context["is_sold_meanwhile"]:
                stock["books"] -= 1
                cache.invalidate_sync("stock")
            return Shelf(id=strawberry.ID("1"), loaded=loaded)

    extension = ResponseCacheExtension(cache, tenant=None)
    schema = strawberry.Schema(Shelves, extensions=[extension])

    async def ask(*, is_sold_meanwhile: bool = False) -> Any:
        context: dict[str, Any] = {"is_sold_meanwhile": is_sold_meanwhile}
        if is_sold_meanwhile:
            renew_cache(context)
        given: dict[str, Any] = {"query": "{ shelf { books } }", "context_value": context}
        if is_sync:
            return (await asyncio.to_thread(lambda: schema.execute_sync(**given))).data
        return (await schema.execute(**given)).data

    assert await ask() == {"shelf": {"books": 1}}
    assert await ask(is_sold_meanwhile=True) == {"shelf": {"books": 1}}, "as it was loaded"
    assert await ask() == {"shelf": {"books": 0}}


def test_the_first_of_several_max_ages_counts() -> None:
    """RFC 9111, section 4.2.1, says so of responses."""
    assert directives_in("max-age=0, max-age=1000").max_age == 0
    assert directives_in("Max-Age=1000, max-age=0").max_age == 1000
