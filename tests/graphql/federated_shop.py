"""Federated schemas of many forms, whose answers are the same with and without a cache."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

import strawberry
from strawberry import federation
from strawberry.dataloader import DataLoader
from strawberry.permission import BasePermission

from strawberry_response_cache import CacheScope, cache_control, restrict_cache, skip_cache

BROKEN, MISSING, WRONG = "broken", "missing", "wrong"
"""Names of objects that cannot be found, are not there, or are found as objects of another type."""
RESTRICTED, SKIPPED = "restricted", "skipped"
"""Names of objects whose resolvers restrict the cache."""
NAMES = ["a", "b", "c", BROKEN, MISSING, WRONG, RESTRICTED, SKIPPED]


@dataclass
class World:
    """What the resolvers read: how often each object was changed, and what the loader waits for."""

    changes: Counter[str] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)
    gate: asyncio.Event | None = None


@dataclass(eq=False)
class Asking:
    """The context of one request."""

    world: World
    user: str | None
    locale: str
    loader: DataLoader[str, int] = field(init=False)

    def __post_init__(self) -> None:
        async def load(names: list[str]) -> list[int]:
            self.world.runs["batches"] += 1
            if self.world.gate is not None:
                await self.world.gate.wait()
            return [self.world.changes[name] for name in names]

        self.loader = DataLoader(load)


class NotBob(BasePermission):
    message = "not you"

    def has_permission(self, source: Any, info: strawberry.Info, **_: Any) -> bool:
        return bool(info.context.user != "bob")


@dataclass(frozen=True)
class Form:
    """What is drawn of a schema.

    Attributes:
        ttl: That of the type of products; None for no hint.
        scope: Of that hint.
        review_ttl: That of the type of reviews.
        is_async: Whether objects are found by coroutines.
        reads_many: Whether these wait for a loader.
        private_reviews: Whether reviews are PRIVATE.
    """

    ttl: int | None = 60
    scope: CacheScope | None = None
    review_ttl: int | None = 30
    is_async: bool = False
    reads_many: bool = False
    private_reviews: bool = False


def federated(form: Form, **options: Any) -> strawberry.Schema:  # noqa: C901 - one schema
    """Return a schema of this form."""

    def hinted(ttl: int | None, scope: CacheScope | None) -> Callable[[type], type]:
        if ttl is None:
            return lambda kind: kind
        return cache_control(ttl=ttl) if scope is None else cache_control(ttl=ttl, scope=scope)

    def seen(info: strawberry.Info, item: Any) -> int:
        world: World = info.context.world
        what = f"{type(item).__name__} {item.upc}"
        world.runs[what] += 1
        return world.changes[what]

    @strawberry.interface
    class Named:
        upc: str

        @cache_control(inherit=True)
        @strawberry.field
        def title(self, info: strawberry.Info) -> str:
            return f"{self.upc} {seen(info, self)}"

    @hinted(form.ttl, form.scope)
    @federation.type(keys=["upc"], name="Product")
    class Product(Named):
        count: int = 0

        @cache_control(inherit=True)
        @strawberry.field
        def price(self, info: strawberry.Info, factor: int = 1) -> int:
            if self.upc == RESTRICTED:
                restrict_cache(info, scope=CacheScope.PRIVATE)
            if self.upc == SKIPPED:
                skip_cache(info)
            return factor * (seen(info, self) + 1)

        @cache_control(inherit=True, scope=CacheScope.PRIVATE)
        @strawberry.field
        def mine(self, info: strawberry.Info) -> str:
            return f"{info.context.user} {seen(info, self)}"

        @cache_control(inherit=True, vary=["locale"])
        @strawberry.field
        def label(self, info: strawberry.Info) -> str:
            return f"{info.context.locale} {seen(info, self)}"

        @cache_control(inherit=True)
        @strawberry.field(permission_classes=[NotBob])  # type: ignore[untyped-decorator] # its overloads
        def secret(self, info: strawberry.Info) -> str | None:
            return f"secret of {self.upc} {seen(info, self)}"

        @cache_control(inherit=True)
        @strawberry.field
        def must(self, info: strawberry.Info) -> str:
            if self.upc == "c":
                raise ValueError(self.upc)
            return f"must {seen(info, self)}"

        @strawberry.field
        def silent(self, info: strawberry.Info) -> str:
            return f"{info.context.user} {seen(info, self)}"

        @cache_control(ttl=600)
        @strawberry.field
        def own(self, info: strawberry.Info) -> str:
            return f"own {seen(info, self)}"

        @cache_control(inherit=True)
        @strawberry.field
        def reviews(
            self, info: strawberry.Info
        ) -> list[Annotated["Review", strawberry.lazy(__name__)]]:
            seen(info, self)
            return [Review(upc=f"{self.upc}{n}") for n in (1, 2)]

        @cache_control(inherit=True)
        @strawberry.field
        def named(self, info: strawberry.Info) -> list[Named]:
            seen(info, self)
            return [self, Review(upc=f"{self.upc}1")]

    review_scope = CacheScope.PRIVATE if form.private_reviews else None

    @hinted(form.review_ttl, review_scope)
    @federation.type(keys=["upc"], name="Review")
    class Review(Named):
        @cache_control(inherit=True)
        @strawberry.field
        def stars(self, info: strawberry.Info) -> str:
            who = info.context.user if form.private_reviews else ""
            return f"{who} {seen(info, self)}"

        @classmethod
        def resolve_reference(cls, upc: str) -> Any:
            return found(cls, upc)

    @hinted(form.ttl, form.scope)
    @federation.type(keys=["upc"], name="Part")
    class Part:
        """Strawberry makes it of what is sent."""

        upc: str
        weight: int = 1

        @cache_control(inherit=True)
        @strawberry.field
        def doubled(self, info: strawberry.Info) -> int:
            return 2 * self.weight + seen(info, self)

    def found(kind: Any, upc: str) -> Any:
        if upc == BROKEN:
            raise ValueError(upc)
        if upc == MISSING:
            return None
        if upc == WRONG:
            return (Review if kind is Product else Product)(upc=upc)
        return kind(upc=upc)

    def find(cls: Any, upc: str, info: strawberry.Info) -> Any:
        info.context.world.runs[f"? {upc}"] += 1
        return found(cls, upc)

    async def find_later(cls: Any, upc: str, info: strawberry.Info) -> Any:
        info.context.world.runs[f"? {upc}"] += 1
        if form.reads_many:
            await info.context.loader.load(upc)
        return found(cls, upc)

    found_by: Any = Product
    found_by.resolve_reference = classmethod(find_later if form.is_async else find)

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def product(self, upc: str) -> Product:
            return Product(upc=upc)

    @strawberry.type
    class Mutation:
        @strawberry.mutation
        def change_product(self, info: strawberry.Info, upc: str) -> Product:
            info.context.world.changes[f"Product {upc}"] += 1
            return Product(upc=upc)

        @strawberry.mutation
        def change_review(self, info: strawberry.Info, upc: str) -> Review:
            info.context.world.changes[f"Review {upc}"] += 1
            return Review(upc=upc)

        @strawberry.mutation
        def change_part(self, info: strawberry.Info, upc: str) -> Part:
            info.context.world.changes[f"Part {upc}"] += 1
            return Part(upc=upc)

    globals()["Review"] = Review  # where the lazy type of this schema is looked for
    return federation.Schema(Query, Mutation, types=[Product, Review, Part], **options)
