"""Tags of your own, and invalidations from a resolver and from a job."""

import asyncio

import strawberry

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidate,
)


@strawberry.type
class Query:
    @cache_control(ttl=60, tags=["month:{args.month}"])
    @strawberry.field
    async def total(self, month: str) -> int:
        print(f"... adding up {month}")
        return 12


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def post_entry(self, info: strawberry.Info, month: str) -> bool:
        await invalidate(info, f"month:{month}")
        return True


cache = ResponseCache.from_url("memory://", prefix="invalidation")
extension = ResponseCacheExtension(cache, tenant=lambda context: context["tenant"])
schema = strawberry.Schema(Query, Mutation, extensions=[extension])


async def execute(document: str) -> None:
    result = await schema.execute(document, context_value={"tenant": "acme"})
    assert result.errors is None
    print(result.data)


async def nightly_job() -> None:
    """A job outside GraphQL invalidates through the same cache."""
    await cache.for_tenant("acme").invalidate("month:january")


async def main() -> None:
    january = '{ total(month: "january") }'
    await execute(january)
    await execute(january)
    await execute('mutation { postEntry(month: "january") }')
    await execute(january)
    await nightly_job()
    await execute(january)
    await cache.aclose()


if __name__ == "__main__":
    asyncio.run(main())
