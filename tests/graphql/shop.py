"""A shop whose answers are the same with and without a cache, and whose resolvers count their runs."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import strawberry
from strawberry.permission import BasePermission, PermissionExtension
from strawberry.schema.config import StrawberryConfig

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidate,
    invalidate_sync,
    invalidates,
    restrict_cache,
    skip_cache,
)


@dataclass
class Row:
    id: int
    name: str
    stock: int = 1


@dataclass
class Store:
    """What one request's tenant has; `runs` counts each resolver by what it was asked for."""

    rows: dict[int, Row] = field(default_factory=lambda: {n: Row(n, f"item {n}") for n in (1, 2)})
    runs: Counter[str] = field(default_factory=Counter)


@dataclass(eq=False)
class Context:
    store: Store
    tenant: str
    user: str | None = "alice"
    locale: str = "en"
    is_cached: bool = True


def ran(info: strawberry.Info, what: str) -> None:
    info.context.store.runs[what] += 1


class SignedIn(BasePermission):
    message = "sign in"

    def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
        ran(info, "?signed in")
        return info.context.user is not None


class SignedInSoon(BasePermission):
    message = "sign in"

    async def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
        ran(info, "?signed in")
        return info.context.user is not None


@strawberry.type
class Maker:
    id: strawberry.ID

    @cache_control(ttl=600)
    @strawberry.field
    def motto(self, info: strawberry.Info) -> str:
        ran(info, f"motto of {self.id}")
        return f"motto of {self.id}"


@strawberry.type
class Item:
    id: strawberry.ID
    name: str
    stock: int

    @cache_control(ttl=300)
    @strawberry.field
    def label(self, info: strawberry.Info) -> str:
        ran(info, f"label of {self.id}")
        return f"{self.name}: {self.stock}"

    @cache_control(ttl=300)
    @strawberry.field
    def maker(self, info: strawberry.Info) -> Maker:
        ran(info, f"maker of {self.id}")
        return Maker(id=strawberry.ID(f"maker of {self.id}"))

    @cache_control(ttl=300, scope=CacheScope.PRIVATE)
    @strawberry.field
    def note(self, info: strawberry.Info) -> str:
        ran(info, f"note of {self.id}")
        return f"note of {info.context.user}"

    @cache_control(ttl=300, tags=["shelf:{args.mark}", "item-{parent.id}"])
    @strawberry.field
    def copies(self, info: strawberry.Info, mark: str) -> int:
        ran(info, f"copies of {self.id}")
        return 3

    @cache_control(ttl=300)
    @strawberry.field
    def broken(self, info: strawberry.Info) -> str | None:
        ran(info, f"broken of {self.id}")
        msg = "no luck"
        raise RuntimeError(msg)

    @cache_control(ttl=300)
    @strawberry.field(permission_classes=[SignedIn])  # type: ignore[untyped-decorator] # its overloads
    def price(self, info: strawberry.Info) -> str | None:
        ran(info, f"price of {self.id}")
        return f"price for {info.context.user}"


@strawberry.type
class Parcel:
    id: strawberry.ID

    @cache_control(ttl=300)
    @strawberry.field
    def weight(self, info: strawberry.Info) -> int:
        ran(info, f"weight of {self.id}")
        return 7


@cache_control(ttl=300)
@strawberry.federation.type(keys=["id"])
class Gadget:
    """What a gateway asks for: some are not there, and some cannot be found."""

    id: strawberry.ID

    @cache_control(inherit=True)
    @strawberry.field
    def weight(self, info: strawberry.Info) -> int:
        ran(info, f"weight of gadget {self.id}")
        return 7

    @cache_control(ttl=600)
    @strawberry.field
    def use(self, info: strawberry.Info) -> str:
        ran(info, f"use of gadget {self.id}")
        return f"use of {self.id}"

    @cache_control(inherit=True, scope=CacheScope.PRIVATE)
    @strawberry.field
    def owner(self, info: strawberry.Info) -> str:
        ran(info, f"owner of gadget {self.id}")
        return f"{info.context.user}"

    @classmethod
    def resolve_reference(cls, info: strawberry.Info, id: strawberry.ID) -> "Gadget | None":  # noqa: A002 - the key's name
        ran(info, f"gadget {id}")
        if id == "broken":
            msg = "no luck"
            raise RuntimeError(msg)
        return None if id == "missing" else cls(id=id)


Found = Annotated[Item | Parcel, strawberry.union("Found")]


@strawberry.input
class Filter:
    least: int = 0


def item_of(row: Row) -> Item:
    return Item(id=strawberry.ID(str(row.id)), name=row.name, stock=row.stock)


def items_of(info: strawberry.Info) -> list[Item]:
    return [item_of(row) for row in info.context.store.rows.values()]


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def item(self, info: strawberry.Info, id: strawberry.ID) -> Item | None:  # noqa: A002
        ran(info, f"item {id}")
        row = info.context.store.rows.get(int(id))
        return None if row is None else item_of(row)

    @cache_control(ttl=60)
    @strawberry.field
    def items(self, info: strawberry.Info, by: Filter | None = None) -> list[Item]:
        ran(info, "items")
        return [item for item in items_of(info) if by is None or item.stock >= by.least]

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def me(self, info: strawberry.Info) -> str | None:
        ran(info, f"me {info.context.user}")
        user: str | None = info.context.user
        return user

    @cache_control(ttl=60, vary=["locale"])
    @strawberry.field
    def greeting(self, info: strawberry.Info) -> str:
        ran(info, "greeting")
        return f"hello in {info.context.locale}"

    @strawberry.field
    def fresh(self, info: strawberry.Info) -> str:
        """Is never cached, and keeps the operation from being cached as a whole."""
        ran(info, "fresh")
        return "fresh"

    @strawberry.field
    def listed(self, info: strawberry.Info) -> list[Item]:
        ran(info, "listed")
        return items_of(info)

    @strawberry.field
    def found(self, info: strawberry.Info) -> list[Found]:
        ran(info, "found")
        return [*items_of(info), Parcel(id=strawberry.ID("9"))]

    @cache_control(ttl=60)
    @strawberry.field(permission_classes=[SignedIn])  # type: ignore[untyped-decorator] # its overloads
    def guarded(self, info: strawberry.Info) -> str:
        ran(info, f"guarded {info.context.user}")
        return f"guarded for {info.context.user}"

    @cache_control(ttl=60, scope=CacheScope.PUBLIC)
    @strawberry.field(permission_classes=[SignedIn])  # type: ignore[untyped-decorator] # its overloads
    def members(self, info: strawberry.Info) -> str:
        ran(info, "members")
        return "for members"

    @cache_control(ttl=60, scope=CacheScope.PUBLIC)
    @strawberry.field(  # type: ignore[untyped-decorator] # its overloads
        extensions=[PermissionExtension(permissions=[SignedIn()], fail_silently=True)]
    )
    def quiet(self, info: strawberry.Info) -> str | None:
        ran(info, "quiet")
        return "for members"

    @cache_control(ttl=60)
    @strawberry.field
    def draft(self, info: strawberry.Info) -> str:
        ran(info, f"draft {info.context.user}")
        restrict_cache(info, scope=CacheScope.PRIVATE, tags=["drafts"])
        return f"draft of {info.context.user}"

    @cache_control(ttl=60)
    @strawberry.field
    def rates(self, info: strawberry.Info) -> str:
        ran(info, "rates")
        restrict_cache(info, ttl=5, tags=["rates"])
        return "rates"

    @cache_control(ttl=60)
    @strawberry.field
    def skipped(self, info: strawberry.Info) -> int:
        """Says how often it ran, so that a stored answer would show."""
        ran(info, "skipped")
        skip_cache(info)
        return int(info.context.store.runs["skipped"])

    @cache_control(ttl=60)
    @strawberry.field
    def expired(self, info: strawberry.Info) -> int:
        """Says how often it ran, as `skipped` does."""
        ran(info, "expired")
        restrict_cache(info, ttl=0)
        return int(info.context.store.runs["expired"])

    @cache_control(ttl=60)
    @strawberry.field
    def failing(self, info: strawberry.Info) -> str | None:
        ran(info, "failing")
        msg = "no luck"
        raise RuntimeError(msg)

    @cache_control(ttl=60)
    @strawberry.field
    def fatal(self, info: strawberry.Info) -> str:
        ran(info, "fatal")
        msg = "no luck"
        raise RuntimeError(msg)


@strawberry.type
class AsyncQuery(Query):
    """What only an event loop can execute."""

    @cache_control(ttl=60)
    @strawberry.field
    async def soon(self, info: strawberry.Info) -> list[Item]:
        ran(info, "soon")
        return items_of(info)

    @cache_control(ttl=60, scope=CacheScope.PUBLIC)
    @strawberry.field(permission_classes=[SignedInSoon])  # type: ignore[untyped-decorator] # its overloads
    async def members_soon(self, info: strawberry.Info) -> str:
        ran(info, "members soon")
        return "for members"


@strawberry.type
class Mutation:
    @strawberry.mutation
    def restock(self, info: strawberry.Info, id: int, by: int) -> Item:  # noqa: A002
        ran(info, f"!restock {id}")
        row = info.context.store.rows[id]
        row.stock += by
        return item_of(row)

    @invalidates("Item:{args.id}", "[Item]")
    @strawberry.mutation
    def remove(self, info: strawberry.Info, id: int) -> bool:  # noqa: A002
        ran(info, f"!remove {id}")
        return info.context.store.rows.pop(id, None) is not None

    @invalidates("Item:{result.id}")
    @strawberry.mutation
    def rename(self, info: strawberry.Info, id: int) -> Maker:  # noqa: A002
        """Returns an object of another type, with the id of what it changed."""
        ran(info, f"!rename {id}")
        info.context.store.rows[id].stock += 10
        return Maker(id=strawberry.ID(str(id)))

    @invalidates("Item:{args.id}")
    @strawberry.mutation
    def half(self, info: strawberry.Info, id: int) -> Item | None:  # noqa: A002
        """Changes something, and fails."""
        ran(info, f"!half {id}")
        info.context.store.rows[id].stock += 100
        msg = "half done"
        raise RuntimeError(msg)

    @strawberry.mutation
    def refill_sync(self, info: strawberry.Info) -> bool:
        ran(info, "!refill")
        for row in info.context.store.rows.values():
            row.stock += 50
        if info.context.is_cached:
            invalidate_sync(info, "Item")
        return True


@strawberry.type
class AsyncMutation(Mutation):
    """What only an event loop can execute."""

    @strawberry.mutation
    async def refill(self, info: strawberry.Info) -> bool:
        ran(info, "!refill")
        for row in info.context.store.rows.values():
            row.stock += 50
        if info.context.is_cached:
            await invalidate(info, "Item")
        return True

    @invalidates("Item:{args.id}", "[Item]")
    @strawberry.mutation
    async def remove_soon(self, info: strawberry.Info, id: int) -> bool:  # noqa: A002
        ran(info, f"!remove {id}")
        return info.context.store.rows.pop(id, None) is not None


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self, info: strawberry.Info) -> AsyncIterator[Item]:
        ran(info, "!ticks")
        for item in items_of(info):
            yield item


def plain_shop() -> strawberry.Schema:
    """The shop without a cache."""
    return strawberry.federation.Schema(
        AsyncQuery, AsyncMutation, Subscription, types=[Gadget], config=_config()
    )


def cached_shop(cache: ResponseCache, **options: Any) -> strawberry.Schema:
    """The same shop over a cache, which no request has used yet."""
    chosen: dict[str, Any] = {
        "tenant": lambda context: context.tenant,
        "session": lambda context: context.user,
        "vary": {"locale": lambda context: context.locale},
        "debug": True,
    } | options
    return strawberry.federation.Schema(
        AsyncQuery,
        AsyncMutation,
        Subscription,
        types=[Gadget],
        config=_config(),
        extensions=[ResponseCacheExtension(cache, **chosen)],
    )


def _config() -> StrawberryConfig:
    return StrawberryConfig(batching_config={"max_operations": 10})
