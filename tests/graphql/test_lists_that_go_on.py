"""A list that goes on while its items are completed may restrict what it has yielded."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
import strawberry
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from strawberry.dataloader import DataLoader

from strawberry_response_cache import (
    CacheScope,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    restrict_cache,
)
from tests.graphql.both_ways import BothWays
from tests.graphql.ledger import outcome

pytestmark = pytest.mark.parametrize("url", ["quick"], indirect=True)


@strawberry.type
class Item:
    id: strawberry.ID

    @cache_control(ttl=60)
    @strawberry.field
    def price(self, info: strawberry.Info) -> str:
        return f"for {info.context['user']}"

    def __hash__(self) -> int:
        return hash(self.id)


FIRST, SECOND = Item(id=strawberry.ID("0")), Item(id=strawberry.ID("1"))


class _Base(DeclarativeBase):
    pass


class Row(_Base):
    __tablename__ = "row"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("owner.id"))


class Owner(_Base):
    __tablename__ = "owner"
    id: Mapped[int] = mapped_column(primary_key=True)
    rows: Mapped[list[Row]] = relationship()


class Named(list[Item]):
    """A list with more methods."""


# -- That go on ----------------------------------------------------------------------------------------------


def walk(info: Any) -> Iterator[Item]:
    yield FIRST
    restrict_cache(info, scope=CacheScope.PRIVATE)
    yield SECOND


def same(item: Item) -> Item:
    return item


async def walk_async(info: Any) -> AsyncIterator[Item]:
    for each in walk(info):
        yield each


class Rows:
    """An iterable that is no iterator."""

    def __init__(self, info: Any) -> None:
        self.info = info

    def __iter__(self) -> Iterator[Item]:
        return walk(self.info)


class ListedRows(list[Item]):
    """A list with an iteration of its own."""

    def __init__(self, info: Any) -> None:
        super().__init__([FIRST, SECOND])
        self.info = info

    def __iter__(self) -> Iterator[Item]:
        return walk(self.info)


class AsyncRows:
    def __init__(self, info: Any) -> None:
        self.info = info

    def __aiter__(self) -> AsyncIterator[Item]:
        return walk_async(self.info)


class ListedAsyncRows(list[Item]):
    """A list with an asynchronous iteration, which comes before its own."""

    def __init__(self, info: Any) -> None:
        super().__init__([FIRST, SECOND])
        self.info = info

    def __aiter__(self) -> AsyncIterator[Item]:
        return walk_async(self.info)


async def row(info: Any, position: int) -> Item:
    for _ in range(20 * position):
        await asyncio.sleep(0)
    if position:
        restrict_cache(info, scope=CacheScope.PRIVATE)
    return (FIRST, SECOND)[position]


class Awaited:
    """What is awaited and no coroutine."""

    def __init__(self, coroutine: Awaitable[Item]) -> None:
        self.coroutine = coroutine

    def __await__(self) -> Any:
        return self.coroutine.__await__()


def loader(info: Any) -> DataLoader[int, Item]:
    async def load(keys: list[int]) -> list[Item]:
        return [await row(info, key) for key in keys]

    return DataLoader(load, max_batch_size=1)


THREAD: dict[str, Callable[[Any], Any]] = {
    "generator": walk,
    "iterable": Rows,
    "iterableList": ListedRows,
    "map": lambda info: map(same, walk(info)),
}
LOOP: dict[str, Callable[[Any], Any]] = {
    "asyncGenerator": walk_async,
    "asyncIterable": AsyncRows,
    "asyncList": ListedAsyncRows,
    "anItemAndACoroutine": lambda info: [FIRST, row(info, 1)],
    "coroutines": lambda info: [row(info, 0), row(info, 1)],
    "coroutinesInATuple": lambda info: (row(info, 0), row(info, 1)),
    "tasks": lambda info: [asyncio.ensure_future(row(info, at)) for at in (0, 1)],
    "loads": lambda info: [loader(info).load(at) for at in (0, 1)],
    "awaitables": lambda info: [Awaited(row(info, 0)), Awaited(row(info, 1))],
}


def flat(resolve: Callable[[Any], Any]) -> Any:
    def resolver(info: strawberry.Info) -> Any:
        return resolve(info)

    resolver.__annotations__["return"] = list[Item | None] | None
    return strawberry.field(resolver=resolver)


def nested(resolve: Callable[[Any], Any]) -> Any:
    """Return a field whose first list is finished, and whose second goes on."""

    def resolver(info: strawberry.Info) -> Any:
        return [None, [FIRST], resolve(info)]

    resolver.__annotations__["return"] = list[list[Item] | None]
    return strawberry.field(resolver=resolver)


def schema_of(fields: dict[str, Any], cache: ResponseCache) -> BothWays:
    query = strawberry.type(type("Query", (), fields))
    return BothWays(query, cache, types=[Item])


def prices(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {value["price"]}
    return set().union(*map(prices, value)) if value else set()


@pytest.mark.parametrize("make", [flat, nested])
@pytest.mark.parametrize(
    ("name", "way"),
    [*((name, "execute_sync") for name in THREAD), *((name, "execute") for name in THREAD | LOOP)],
)
async def test_an_unfinished_list_that_is_restricted_later_is_not_shared(
    cache: ResponseCache, name: str, way: str, make: Callable[..., Any]
) -> None:
    shop = schema_of({name: make((THREAD | LOOP)[name])}, cache)
    for user in ("alice", "bob"):
        result = await shop.ask(f"{{ {name} {{ price }} }}", way=way, user=user)
        data: Any = result.data
        assert prices(data[name]) == {f"for {user}"}
    [told] = outcome(result)["fields"]
    assert (told["status"], told["reason"]) == ("bypass", "unfinished_list")
    assert "that is not finished" in told["advice"]


# -- That are finished --------------------------------------------------------------------------------------


FINISHED: dict[str, Callable[[Any], Any]] = {
    "list": lambda _: [FIRST, None, SECOND],
    "listOfOnesOwn": lambda _: Named([FIRST, SECOND]),
    "tuple": lambda _: (FIRST, SECOND),
    "deque": lambda _: deque([FIRST, SECOND]),
    "values": lambda _: {1: FIRST, 2: SECOND}.values(),
    "set": lambda _: {FIRST, SECOND},
    "frozenset": lambda _: frozenset({FIRST, SECOND}),
    "keys": lambda _: {FIRST: 1, SECOND: 2}.keys(),
}


@pytest.mark.parametrize("make", [flat, nested])
@pytest.mark.parametrize("name", FINISHED)
@pytest.mark.parametrize("way", ["execute", "execute_sync"])
async def test_fields_of_the_items_of_a_finished_list_have_entries_of_their_own(
    cache: ResponseCache, name: str, way: str, make: Callable[..., Any]
) -> None:
    shop = schema_of({name: make(FINISHED[name])}, cache)
    if make is nested and name == "list":
        shop = schema_of({name: make(lambda _: [FIRST, SECOND])}, cache)
    for user in ("alice", "bob"):
        result = await shop.ask(f"{{ {name} {{ price }} }}", way=way, user=user)
        assert prices(result.data and result.data[name]) == {"for alice"}
    assert outcome(result)["fields"][0]["status"] == "hit"


async def test_the_items_of_a_dict_are_a_finished_list_of_pairs(cache: ResponseCache) -> None:
    def resolver() -> list[list[Item]]:
        return {FIRST: SECOND}.items()  # type: ignore[return-value]

    shop = schema_of({"pairs": strawberry.field(resolver=resolver)}, cache)
    for user in ("alice", "bob"):
        result = await shop.ask("{ pairs { price } }", way="execute", user=user)
        assert prices(result.data and result.data["pairs"]) == {"for alice"}


async def test_a_relation_of_sqlalchemy_is_a_finished_list(cache: ResponseCache) -> None:
    @strawberry.type(name="Row")
    class RowType:
        id: strawberry.ID

        @cache_control(ttl=60)
        @strawberry.field
        def price(self, info: strawberry.Info) -> str:
            return f"for {info.context['user']}"

    def rows() -> list[RowType]:
        return Owner(id=1, rows=[Row(id=1), Row(id=2)]).rows  # type: ignore[return-value]

    shop = schema_of({"rows": strawberry.field(resolver=rows)}, cache)
    for user in ("alice", "bob"):
        result = await shop.ask("{ rows { price } }", way="execute_sync", user=user)
        assert prices(result.data and result.data["rows"]) == {"for alice"}


@pytest.mark.parametrize("is_async", [False, True])
async def test_fields_of_entities_have_entries_unless_resolve_reference_is_async(
    cache: ResponseCache, is_async: bool
) -> None:
    @strawberry.federation.type(keys=["id"])
    class Part:
        id: strawberry.ID

        @cache_control(ttl=60)
        @strawberry.field
        def price(self) -> str:
            return f"of {self.id}"

    async def later(id: strawberry.ID) -> Part:  # noqa: A002 - as Strawberry calls it
        return Part(id=id)

    Part.resolve_reference = staticmethod(later if is_async else Part)  # type: ignore[attr-defined]

    @strawberry.type
    class Query:
        @strawberry.field
        def part(self) -> Part:
            return Part(id=strawberry.ID("1"))

    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.federation.Schema(Query, extensions=[extension])
    query = """{ _entities(representations: [{__typename: "Part", id: "1"}]) {
        ... on Part { price } } }"""
    for _ in range(2):
        result = await schema.execute(query)
        assert result.data == {"_entities": [{"price": "of 1"}]}
    [told] = outcome(result)["fields"]
    assert (told["status"], told.get("reason")) == (
        ("bypass", "unfinished_list") if is_async else ("hit", None)
    )
    assert is_async == ("resolve_reference that is not async" in told.get("advice", ""))
