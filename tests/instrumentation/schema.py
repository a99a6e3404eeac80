"""A schema whose resolvers count their calls."""

from typing import Any

import strawberry
from strawberry.permission import BasePermission

from strawberry_response_cache import CacheScope, cache_control


@strawberry.type
class Account:
    id: strawberry.ID

    @cache_control(inherit=True)
    @strawberry.field
    def balance(self, info: strawberry.Info) -> int:
        info.context["calls"]["balance"] += 1
        return 12


class Allowed(BasePermission):
    def has_permission(self, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:
        info.context["calls"]["Allowed"] += 1
        return True


def make(extensions: list[Any], *, is_async: bool) -> strawberry.Schema:
    """Make the schema; its list is resolved in the way it is executed."""

    def accounts(info: strawberry.Info) -> list[Account]:
        info.context["calls"]["accounts"] += 1
        return [Account(id=strawberry.ID(str(number))) for number in range(2)]

    async def accounts_async(info: strawberry.Info) -> list[Account]:
        return accounts(info)

    resolver: Any = accounts_async if is_async else accounts

    @strawberry.type
    class Query:
        accounts: list[Account] = cache_control(ttl=60)(strawberry.field(resolver=resolver))

        @cache_control(ttl=60)
        @strawberry.field
        def failing(self, info: strawberry.Info) -> str | None:
            info.context["calls"]["failing"] += 1
            msg = "no luck"
            raise RuntimeError(msg)

        @strawberry.field
        def fresh(self, info: strawberry.Info) -> str:
            info.context["calls"]["fresh"] += 1
            return "fresh"

        @cache_control(ttl=60, scope=CacheScope.PUBLIC)
        @strawberry.field(permission_classes=[Allowed])
        def secret(self, info: strawberry.Info) -> str:
            info.context["calls"]["secret"] += 1
            return "secret"

    @strawberry.type
    class Mutation:
        @strawberry.mutation
        def post(self, info: strawberry.Info) -> int:
            info.context["calls"]["post"] += 1
            return 1

    return strawberry.Schema(Query, Mutation, extensions=extensions)
