"""A bank whose data lives in a dictionary: what a mutation changes, a query has to show."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import strawberry
from strawberry.permission import BasePermission
from strawberry.types import ExecutionResult

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidate,
    invalidate_sync,
    invalidates,
)


@dataclass
class Row:
    """As an ORM gives one: it has an id, whatever is selected of it."""

    id: int
    name: str
    balance: int = 0


@strawberry.type
class Account:
    id: strawberry.ID
    name: str
    balance: int

    @cache_control(ttl=900)
    @strawberry.field
    def standing(self) -> str:
        return f"{self.name} has {self.balance}"


@strawberry.type
class Rate:
    """Something without identity."""

    percent: int


@strawberry.type
class Refusal:
    why: str


@strawberry.type
class Posted:
    account: Account | None
    note: str = ""


@dataclass
class Data:
    """One tenant's data, and what was asked of it."""

    rows: dict[int, Row] = field(default_factory=dict)
    percent: int = 1
    calls: Counter[str] = field(default_factory=Counter)


def data_of(info: strawberry.Info) -> Data:
    data: Data = info.context["data"][info.context["tenant"]]
    return data


@strawberry.type
class Query:
    @cache_control(ttl=600)
    @strawberry.field
    def accounts(self, info: strawberry.Info) -> list[Account]:
        return list(data_of(info).rows.values())  # type: ignore[arg-type] # rows stand for them

    @cache_control(ttl=600)
    @strawberry.field
    def account(self, info: strawberry.Info, id: strawberry.ID) -> Account | None:  # noqa: A002
        return data_of(info).rows.get(int(id))  # type: ignore[return-value] # as above

    @cache_control(ttl=600)
    @strawberry.field
    def rate(self, info: strawberry.Info) -> Rate:
        return Rate(percent=data_of(info).percent)

    @strawberry.field
    def today(self) -> int:
        """Is never cached, and neither is what holds it."""
        return 1

    @strawberry.field
    def listed(self, info: strawberry.Info) -> list[Account]:
        return list(data_of(info).rows.values())  # type: ignore[arg-type] # as above

    @cache_control(ttl=600, tags=["totals"])
    @strawberry.field
    def total(self, info: strawberry.Info) -> int:
        return sum(row.balance for row in data_of(info).rows.values())


class Forbidden(BasePermission):
    message = "forbidden"

    def has_permission(self, source: Any, info: Any, **_: Any) -> bool:
        return False


@strawberry.type
class Mutation:
    @strawberry.mutation
    def open(self, info: strawberry.Info, name: str) -> Account:
        rows = data_of(info).rows
        number = max(rows, default=0) + 1
        rows[number] = Row(number, name)
        return rows[number]  # type: ignore[return-value] # as above

    @strawberry.mutation
    def post(self, info: strawberry.Info, id: int, amount: int) -> Posted | Refusal:  # noqa: A002
        row = data_of(info).rows.get(id)
        if row is None:
            return Refusal(why="no such account")
        row.balance += amount
        return Posted(account=row)  # type: ignore[arg-type] # as above

    @invalidates("Account:{args.account_id}", "[Account]", "totals")
    @strawberry.mutation
    def close(self, info: strawberry.Info, account_id: int) -> bool:
        return data_of(info).rows.pop(account_id, None) is not None

    @invalidates("Account:{args.ids}", "[Account]")
    @strawberry.mutation
    async def close_many(self, info: strawberry.Info, ids: list[int] | None = None) -> bool:
        for number in ids or ():
            data_of(info).rows.pop(number, None)
        return True

    @invalidates("Account:{result.account.id}")
    @strawberry.mutation
    def rename(self, info: strawberry.Info, id: int, name: str) -> Posted:  # noqa: A002
        row = data_of(info).rows[id]
        row.name = name
        return Posted(account=row)  # type: ignore[arg-type] # as above

    @strawberry.mutation
    def set_rate(self, info: strawberry.Info, percent: int) -> Rate:
        data_of(info).percent = percent
        return Rate(percent=percent)

    @invalidates("totals")
    @strawberry.mutation
    def half(self, info: strawberry.Info) -> Account | None:
        for row in data_of(info).rows.values():
            row.balance += 100
        msg = "it changed something, and then it failed"
        raise RuntimeError(msg)

    @invalidates("totals")
    @strawberry.mutation(permission_classes=[Forbidden])  # type: ignore[untyped-decorator] # Strawberry's
    def forbidden(self) -> bool:
        raise AssertionError

    @strawberry.mutation
    async def bulk(self, info: strawberry.Info) -> bool:
        for row in data_of(info).rows.values():
            row.balance += 1
        await invalidate(info, "Account", "totals")
        return True

    @strawberry.mutation
    def bulk_sync(self, info: strawberry.Info) -> bool:
        for row in data_of(info).rows.values():
            row.balance += 1
        invalidate_sync(info, "Account", "totals")
        return True


class Bank:
    """The bank over one cache."""

    def __init__(self, cache: ResponseCache, *others: Any, **options: Any) -> None:
        chosen: dict[str, Any] = {"tenant": lambda context: context["tenant"], "debug": True}
        self.cache = cache
        self.extension = ResponseCacheExtension(cache, **(chosen | options))
        self.schema = strawberry.Schema(Query, Mutation, extensions=[self.extension, *others])
        self.data = {name: Data({n: Row(n, f"{name} {n}") for n in (1, 2)}) for name in ("a", "b")}

    def context(self, tenant: str = "a") -> dict[str, Any]:
        return {"tenant": tenant, "data": self.data}

    async def ask(self, query: str, tenant: str = "a", **more: Any) -> ExecutionResult:
        return await self.schema.execute(query, context_value=self.context(tenant), **more)

    def ask_sync(self, query: str, tenant: str = "a") -> ExecutionResult:
        return self.schema.execute_sync(query, context_value=self.context(tenant))
