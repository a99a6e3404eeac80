"""A small ledger whose resolvers count their calls."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import strawberry
from strawberry.types import ExecutionResult

from strawberry_response_cache import (
    CacheScope,
    cache_control,
)


@dataclass
class Ledger:
    """A schema over one cache, and what ran in it."""

    schema: strawberry.Schema
    calls: Counter[str] = field(default_factory=Counter)

    async def ask(
        self, query: str, user: object = "alice", tenant: object = "acme", **request: Any
    ) -> ExecutionResult:
        context = {"tenant": tenant, "user": user, "calls": self.calls, "locale": "en"}
        context.update(request.pop("context", {}))
        return await self.schema.execute(query, context_value=context, **request)

    def ask_sync(
        self, query: str, user: object = "alice", tenant: object = "acme", **request: Any
    ) -> ExecutionResult:
        context = {"tenant": tenant, "user": user, "calls": self.calls, "locale": "en"}
        return self.schema.execute_sync(query, context_value=context, **request)


def outcome(result: ExecutionResult) -> dict[str, Any]:
    """What the cache said it did."""
    assert result.extensions is not None
    said: dict[str, Any] = result.extensions["responseCache"]
    return said


def status(result: ExecutionResult) -> str:
    return str(outcome(result)["status"])


def reason(result: ExecutionResult) -> str | None:
    return outcome(result).get("reason")


@strawberry.type
class Account:
    id: strawberry.ID
    name: str

    @cache_control(inherit=True)
    @strawberry.field
    def balance(self, info: strawberry.Info) -> int:
        info.context["calls"]["balance"] += 1
        return 12

    @strawberry.field
    def unannotated(self) -> int:
        return 1


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def accounts(self, info: strawberry.Info, first: int = 2) -> list[Account]:
        info.context["calls"]["accounts"] += 1
        tenant = info.context["tenant"]
        return [Account(id=strawberry.ID(str(n)), name=f"{tenant} {n}") for n in range(first)]

    @cache_control(ttl=30, scope=CacheScope.PRIVATE)
    @strawberry.field
    def me(self, info: strawberry.Info) -> str | None:
        info.context["calls"]["me"] += 1
        user = info.context["user"]
        return None if user is None else f"{info.context['tenant']}/{user}"

    @cache_control(ttl=60, vary=["locale"])
    @strawberry.field
    def greeting(self, info: strawberry.Info) -> str:
        info.context["calls"]["greeting"] += 1
        return f"hello in {info.context['locale']}"

    @strawberry.field
    def unannotated(self, info: strawberry.Info) -> str:
        info.context["calls"]["unannotated"] += 1
        return "fresh"

    @cache_control(ttl=60)
    @strawberry.field
    def failing(self, info: strawberry.Info) -> str | None:
        info.context["calls"]["failing"] += 1
        msg = "no luck"
        raise RuntimeError(msg)

    @cache_control(ttl=0)
    @strawberry.field
    def never(self) -> int:
        return 1


@strawberry.type
class Mutation:
    @strawberry.mutation
    def post(self, info: strawberry.Info) -> int:
        info.context["calls"]["post"] += 1
        return int(info.context["calls"]["post"])
