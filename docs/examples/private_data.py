"""PRIVATE data is kept for each session; everything else is shared by the tenant."""

import asyncio

import strawberry

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    async def motto(self) -> str:
        return "Acme first"

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    async def me(self, info: strawberry.Info) -> str:
        return f"I am {info.context['user']}"


cache = ResponseCache.from_url("memory://", prefix="private-data")
extension = ResponseCacheExtension(
    cache,
    tenant=lambda context: context["tenant"],
    session=lambda context: context["user"],
    debug=True,
)
schema = strawberry.Schema(Query, extensions=[extension])


async def main() -> None:
    for user in ("alice", "bob", "alice", None):
        context = {"tenant": "acme", "user": user}
        result = await schema.execute("{ motto me }", context_value=context)
        assert result.extensions is not None
        cached = result.extensions["responseCache"]
        print(result.data["me"] if result.data else None, cached["status"], cached.get("reason"))
    await cache.aclose()


if __name__ == "__main__":
    asyncio.run(main())
