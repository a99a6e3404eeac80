import asyncio
from typing import Any

import httpx
import strawberry

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    ResponseCacheMiddleware,
    cache_control,
)
from strawberry_response_cache.asgi import GraphQL


def tenant_of_context(context: Any) -> str:
    return str(context["request"].headers["x-tenant"])


def tenant_of_scope(scope: Any) -> str:
    return str(dict(scope["headers"])[b"x-tenant"], "ascii")


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def motto(self, info: strawberry.Info) -> str:
        print("the resolver runs")
        return f"The motto of {tenant_of_context(info.context)}"


class Noting(GraphQL[Any, Any]):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        print("the application is entered")
        await super().__call__(scope, receive, send)


async def main() -> None:
    async with ResponseCache.from_url("memory://", prefix="shop") as cache:
        extension = ResponseCacheExtension(cache, tenant=tenant_of_context)
        schema = strawberry.Schema(Query, extensions=[extension])
        application = ResponseCacheMiddleware(
            Noting(schema), extension, schema=schema, tenant=tenant_of_scope
        )
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            for _ in range(3):
                headers = {"X-Tenant": "acme"}
                response = await client.post(
                    "/graphql", json={"query": "{ motto }"}, headers=headers
                )
                print(response.text)


if __name__ == "__main__":
    asyncio.run(main())
