"""A middleware of FastAPI that commits, then invalidates, then sends the answer."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import httpx
import strawberry
from fastapi import FastAPI, Request, Response
from strawberry.fastapi import GraphQLRouter

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control

committed, uncommitted = {"1": "Cash"}, {"1": "Cash"}


@strawberry.type
class Account:
    id: strawberry.ID
    name: str


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    async def account(self, account_id: strawberry.ID) -> Account:
        return Account(id=account_id, name=committed[account_id])


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def rename_account(self, account_id: strawberry.ID, name: str) -> Account:
        uncommitted[account_id] = name
        return Account(id=account_id, name=name)


Invalidate = Callable[[], Awaitable[None]]
after_commit: ContextVar[list[Invalidate]] = ContextVar("after_commit")

cache = ResponseCache.from_url("memory://", prefix="commits")
extension = ResponseCacheExtension(
    cache,
    tenant=None,
    debug=True,
    on_commit=lambda invalidate: after_commit.get().append(invalidate),
)
schema = strawberry.Schema(Query, Mutation, extensions=[extension])
app = FastAPI()
app.include_router(GraphQLRouter(schema), prefix="/graphql")


@app.middleware("http")
async def commit(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    waiting: list[Invalidate] = []
    after_commit.set(waiting)
    response = await call_next(request)
    committed.update(uncommitted)  # the commit; after a rollback, call none of the functions
    for invalidate in waiting:
        await invalidate()
    return response


async def main() -> None:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        query = '{ account(accountId: "1") { name } }'
        for document in (
            query,
            query,
            'mutation { renameAccount(accountId: "1", name: "Till") { id } }',
            query,
        ):
            response = await client.post("/graphql", json={"query": document})
            answer: dict[str, Any] = response.json()
            print(answer["extensions"]["responseCache"]["status"], answer["data"])
    await cache.aclose()


if __name__ == "__main__":
    asyncio.run(main())
