"""A permission class of a root field runs on every request, before its entry is used."""

import asyncio
from typing import Any

import strawberry
from strawberry.permission import BasePermission

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)


class IsAccountant(BasePermission):
    message = "Accountants only."

    def has_permission(self, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:
        return info.context["user"] in {"alice", "carol"}


@strawberry.type
class Query:
    @cache_control(ttl=60, scope=CacheScope.PUBLIC)
    @strawberry.field(permission_classes=[IsAccountant])
    async def balance_sheet(self) -> int:
        print("... adding up the balance sheet")
        return 42


cache = ResponseCache.from_url("memory://", prefix="permissions")
extension = ResponseCacheExtension(
    cache,
    tenant=lambda context: context["tenant"],
    session=lambda context: context["user"],
)
schema = strawberry.Schema(Query, extensions=[extension])


async def main() -> None:
    for user in ("alice", "carol", "bob"):
        context = {"tenant": "acme", "user": user}
        result = await schema.execute("{ balanceSheet }", context_value=context)
        print(user, result.data, [error.message for error in result.errors or ()])
    await cache.aclose()


if __name__ == "__main__":
    asyncio.run(main())
