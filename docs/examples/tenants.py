"""Each tenant has entries of its own."""

import asyncio

import strawberry

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    async def motto(self, info: strawberry.Info) -> str:
        tenant = info.context["tenant"]
        print(f"... reading the motto of {tenant}")
        return f"{tenant} first"


cache = ResponseCache.from_url("memory://", prefix="tenants")
extension = ResponseCacheExtension(cache, tenant=lambda context: context["tenant"], debug=True)
schema = strawberry.Schema(Query, extensions=[extension])


async def main() -> None:
    for tenant in ("acme", "globex", "acme"):
        result = await schema.execute("{ motto }", context_value={"tenant": tenant})
        assert result.extensions is not None
        print(result.data, result.extensions["responseCache"]["status"])
    await cache.for_tenant("acme").clear()
    for tenant in ("acme", "globex"):
        result = await schema.execute("{ motto }", context_value={"tenant": tenant})
        assert result.extensions is not None
        print(result.data, result.extensions["responseCache"]["status"])
    await cache.aclose()


if __name__ == "__main__":
    asyncio.run(main())
