"""Operations that find one response in their contexts: none weakens what another says of it."""

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import strawberry
from strawberry.asgi import GraphQL as StockGraphQL

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from strawberry_response_cache.asgi import GraphQL
from strawberry_response_cache.graphql.http.response_headers import known_headers_of

VIEWS = {"ours": GraphQL, "strawberry's": StockGraphQL}
PUBLIC = "public, max-age=60"


async def number_of(info: strawberry.Info) -> int:
    result = await info.schema.execute("{ number }", context_value=info.context)
    assert result.data is not None
    return int(result.data["number"])


@strawberry.type
class Query:
    @cache_control(ttl=60, tags=["numbers"])
    @strawberry.field
    def number(self) -> int:
        return 1

    @strawberry.field
    async def executes(self, info: strawberry.Info) -> int:
        return await number_of(info)

    @cache_control(ttl=30)
    @strawberry.field
    async def executes_and_is_stored(self, info: strawberry.Info) -> int:
        return await number_of(info)

    @strawberry.field
    async def runs_a_view(self, info: strawberry.Info, query: str) -> str:
        return (await asked(info.context["inner"], query)).text

    @cache_control(ttl=60)
    @strawberry.field
    def refuses_to_be_stored(self, info: strawberry.Info) -> int:
        info.context["response"].headers["Cache-Control"] = "no-store"
        return 1


@strawberry.type
class Other:
    @strawberry.field
    async def number(self) -> int:
        result = await SCHEMAS[0].execute("{ number }")
        assert type(result.data) is dict
        return int(result.data["number"])


SCHEMAS: list[strawberry.Schema] = []


async def asked(application: Any, query: str) -> httpx.Response:
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        headers = {"accept": "application/json"}
        return await client.get("/", params={"query": query}, headers=headers)


@pytest.fixture
def schema() -> Iterator[strawberry.Schema]:
    with ResponseCache.from_url("memory://", prefix="several", jitter=0) as cache:
        made = strawberry.Schema(Query, extensions=[ResponseCacheExtension(cache, tenant=None)])
        SCHEMAS[:] = [made]
        yield made


@pytest.fixture(params=VIEWS)
def view(request: pytest.FixtureRequest) -> Any:
    return VIEWS[request.param]


def ask(application: Any, query: str) -> httpx.Response:
    return asyncio.run(asked(application, query))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ executes }", "no-store"),
        ("{ executesAndIsStored }", "public, max-age=30"),
        ("{ number }", PUBLIC),
    ],
)
def test_an_operation_executed_by_a_resolver_does_not_weaken_the_outer_headers(
    view: Any, schema: strawberry.Schema, query: str, expected: str
) -> None:
    for _ in range(2):
        response = ask(view(schema), query)
        assert response.headers["cache-control"] == expected
        assert response.headers["vary"] == "Accept"


@pytest.mark.parametrize(
    ("before", "query", "expected"),
    [
        ("{ number }", "{ executes }", "no-store"),
        ("{ number }", "{ number }", PUBLIC),
        ("{ executes }", "{ number }", "no-store"),
    ],
)
def test_an_operation_executed_in_get_context_does_not_weaken_the_headers(
    view: Any, schema: strawberry.Schema, before: str, query: str, expected: str
) -> None:
    class Executes(view):  # type: ignore[misc] # of either kind
        async def get_context(self, request: Any, response: Any) -> Any:
            context = {"request": request, "response": response}
            await self.schema.execute(before, context_value=context)
            return context

    for _ in range(2):
        response = ask(Executes(schema), query)
        assert response.headers["cache-control"] == expected
        assert ("age" in response.headers) is (expected == PUBLIC)


def test_tags_of_the_application_stay_beside_those_of_what_is_executed_for_the_context(
    view: Any,
) -> None:
    class Executes(view):  # type: ignore[misc] # of either kind
        async def get_context(self, request: Any, response: Any) -> Any:
            context = {"request": request, "response": response}
            response.headers["Cache-Tag"] = "mine"
            await self.schema.execute("{ number }", context_value=context)
            return context

    with ResponseCache.from_url("memory://", prefix="several", jitter=0) as cache:
        extension = ResponseCacheExtension(cache, tenant=None, cdn_tags=["Cache-Tag"])
        application = Executes(strawberry.Schema(Query, extensions=[extension]))
        for _ in range(2):
            assert ask(application, "{ number }").headers["cache-tag"] == "mine,~,numbers"


@pytest.mark.parametrize("query", ["{ number }", "{ executes }", "{ unknown }", ""])
def test_a_view_run_by_a_resolver_adds_no_headers_to_the_outer_response(
    schema: strawberry.Schema, query: str
) -> None:
    class Outer(GraphQL[Any, Any]):
        async def get_context(self, request: Any, response: Any) -> Any:
            return {"request": request, "response": response, "inner": GraphQL(schema)}

    outer = f'{{ number runsAView(query: "{query}") unknown: __typename }}'
    response = ask(Outer(schema), outer)
    assert response.headers["cache-control"] == "no-store"
    assert "etag" not in response.headers
    # Headers of the outer response are still written after the inner one.
    assert response.headers["vary"] == "Accept"


def test_a_view_without_a_cache_hands_no_stored_bytes_to_what_it_executes(
    schema: strawberry.Schema,
) -> None:
    class Outer(GraphQL[Any, Any]):
        async def get_context(self, request: Any, response: Any) -> Any:
            inner = GraphQL[Any, Any](strawberry.Schema(Other))
            return {"request": request, "response": response, "inner": inner}

    ask(GraphQL(schema), "{ number }")
    response = ask(Outer(schema), '{ runsAView(query: "{ number }") }')
    assert response.json()["data"]["runsAView"] == '{"data":{"number":1}}'


def test_a_no_store_set_by_a_resolver_is_kept(view: Any, schema: strawberry.Schema) -> None:
    for _ in range(2):
        response = ask(view(schema), "{ refusesToBeStored }")
        assert response.headers["cache-control"] == "no-store"
        assert "age" not in response.headers


def test_a_response_used_by_many_operations_keeps_no_list_of_operations(
    schema: strawberry.Schema,
) -> None:
    from starlette.responses import Response

    response = Response()
    context = {"response": response, "request": None}

    async def execute() -> None:
        for _ in range(100):
            await schema.execute("{ number }", context_value=context)

    asyncio.run(execute())
    headers = known_headers_of(response)
    assert not any(each for each in vars(headers).values() if isinstance(each, list))


@pytest.mark.parametrize("kind", ["shared", "without headers"])
def test_a_context_shared_by_requests_carries_no_headers_from_one_to_the_next(
    schema: strawberry.Schema, kind: str
) -> None:
    from starlette.responses import Response

    context = {"response": Response() if kind == "shared" else SimpleNamespace()}

    class Shares(GraphQL[Any, Any]):
        async def get_context(self, request: Any, response: Any) -> Any:
            return context

    application = Shares(schema)
    for _ in range(2):
        assert ask(application, "{ number }").headers["cache-control"] == PUBLIC
        assert ask(application, "{ executes }").headers["cache-control"] == "no-store"
        assert ask(application, "{ unknown }").headers["cache-control"] == "no-store"
