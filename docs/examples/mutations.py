"""A mutation invalidates what its result holds, and what `@invalidates` names."""

import asyncio

import strawberry

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidates,
)

NAMES = {"1": "Cash", "2": "Sales"}


@strawberry.type
class Account:
    id: strawberry.ID
    name: str


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    async def accounts(self) -> list[Account]:
        return [Account(id=strawberry.ID(key), name=name) for key, name in NAMES.items()]


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def rename_account(self, account_id: strawberry.ID, name: str) -> Account:
        NAMES[account_id] = name
        return Account(id=account_id, name=name)

    @invalidates("Account:{args.account_id}", "[Account]")
    @strawberry.mutation
    async def delete_account(self, account_id: strawberry.ID) -> bool:
        return NAMES.pop(account_id, None) is not None


cache = ResponseCache.from_url("memory://", prefix="mutations")
extension = ResponseCacheExtension(cache, tenant=None, debug=True)
schema = strawberry.Schema(Query, Mutation, extensions=[extension])


async def main() -> None:
    for document in (
        "{ accounts { name } }",
        "{ accounts { name } }",
        'mutation { renameAccount(accountId: "1", name: "Till") { id } }',
        "{ accounts { name } }",
        'mutation { deleteAccount(accountId: "2") }',
        "{ accounts { name } }",
    ):
        result = await schema.execute(document)
        assert result.extensions is not None
        print(result.extensions["responseCache"]["status"], result.data)
    await cache.aclose()


if __name__ == "__main__":
    asyncio.run(main())
