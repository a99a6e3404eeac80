"""A verified answer over HTTP: what was executed is sent, and nothing in its headers claims a hit."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import strawberry
from strawberry.asgi import GraphQL as StockGraphQL
from strawberry.schema.config import StrawberryConfig

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from strawberry_response_cache.asgi import GraphQL
from tests.graphql.test_mutations_as_served import Socket

VIEWS = {"ours": GraphQL, "strawberry's": StockGraphQL}
RUNS: list[int] = []


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def number(self) -> int:
        RUNS.append(1)
        return len(RUNS)

    @strawberry.field
    def fresh(self) -> int:
        return 0


@pytest.fixture
def cache() -> Iterator[ResponseCache]:
    RUNS.clear()
    with ResponseCache.from_url("memory://", prefix="verified", jitter=0) as cache:
        yield cache


def application_of(cache: ResponseCache, view: str, **options: Any) -> Any:
    chosen: dict[str, Any] = {"tenant": None, "cache_status": True, "verify": 1.0} | options
    extension = ResponseCacheExtension(cache, **chosen)
    config = StrawberryConfig(batching_config={"max_operations": 10})
    schema = strawberry.Schema(Query, extensions=[extension], config=config)
    serve: Any = VIEWS[view]
    return serve(schema)


async def send(application: Any, method: str, **request: Any) -> httpx.Response:
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        return await client.request(method, "/", **request)


@pytest.mark.parametrize("view", VIEWS)
async def test_what_was_executed_is_sent_and_no_header_claims_a_hit(
    cache: ResponseCache, view: str
) -> None:
    """Nor may caches in front store it: they would answer what is to be verified."""
    application = application_of(cache, view)
    for number in (1, 2, 3):
        response = await send(application, "GET", params={"query": "{ number }"})
        assert response.json() == {"data": {"number": number}}
        assert response.headers["cache-control"] == "no-store"
        assert not {"age", "etag"} & set(response.headers)
        told = response.headers["cache-status"]
        assert ("fwd=miss" if number == 1 else "fwd=bypass; detail=verified") in told
        assert "hit" not in told
    assert cache.statistics().verified == {"equal": 0, "changed": 2, "scope": 0}


@pytest.mark.parametrize("view", VIEWS)
async def test_a_verified_conditional_request_gets_the_executed_answer(
    cache: ResponseCache, view: str
) -> None:
    served, shown = application_of(cache, view, verify=0.0), application_of(cache, view)
    query = {"query": "{ number }"}
    first = await send(served, "GET", params=query)
    known = {"if-none-match": first.headers.get("etag", '"none"')}
    again = await send(shown, "GET", params=query, headers=known)
    assert again.status_code == httpx.codes.OK
    assert again.json() == {"data": {"number": 2}}
    last = await send(served, "GET", params=query)
    assert last.json() == {"data": {"number": 1}}, "what was executed is not stored"


@pytest.mark.parametrize("view", VIEWS)
async def test_each_operation_of_a_batch_is_chosen_by_itself(
    cache: ResponseCache, view: str
) -> None:
    shares = iter([0.0, 0.0, 1.0, 0.0])
    application = application_of(cache, view, verify=lambda _: next(shares))
    batch = [{"query": "{ number }"}, {"query": "{ again: number }"}]
    await send(application, "POST", json=batch)
    response = await send(application, "POST", json=batch)
    assert sorted(each["data"].popitem()[1] for each in response.json()) in ([1, 3], [2, 3])
    assert len(RUNS) == 3
    assert sum(cache.statistics().verified.values()) == 1


async def test_operations_over_a_websocket_are_verified(cache: ResponseCache) -> None:
    async with asyncio.timeout(60), Socket(application_of(cache, "ours")) as socket:
        for number in (1, 2, 3):
            assert await socket.ask(str(number), "{ number }") == {"number": number}
    assert cache.statistics().verified["changed"] == 2
