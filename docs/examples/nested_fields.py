"""A nested field with an entry of its own is reused in other operations."""

import asyncio

import strawberry

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control


@strawberry.type
class Account:
    id: strawberry.ID
    as_of: str

    @cache_control(ttl=60, key=lambda account: [account.id, account.as_of])
    @strawberry.field
    async def balance(self) -> int:
        print(f"... adding up account {self.id} as of {self.as_of}")
        return 12 if self.as_of == "2026-01-31" else 30


@strawberry.type
class Query:
    @strawberry.field
    async def account(self, as_of: str) -> Account:  # no hint: it runs on every request
        return Account(id=strawberry.ID("1"), as_of=as_of)


cache = ResponseCache.from_url("memory://", prefix="nested-fields")
extension = ResponseCacheExtension(cache, tenant=None, debug=True)
schema = strawberry.Schema(Query, extensions=[extension])


async def main() -> None:
    for as_of in ("2026-01-31", "2026-02-28", "2026-01-31"):
        result = await schema.execute(f'{{ account(asOf: "{as_of}") {{ balance }} }}')
        assert result.extensions is not None
        cached = result.extensions["responseCache"]
        print(result.data, cached["reason"], cached["fields"][0]["status"])
    await cache.aclose()


if __name__ == "__main__":
    asyncio.run(main())
