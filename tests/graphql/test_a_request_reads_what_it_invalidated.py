"""What a resolver of a query invalidates is not served to the fields that come after it."""

from collections.abc import Callable
from typing import Any

import pytest
import strawberry

from strawberry_response_cache import ResponseCache, cache_control, invalidate_sync
from tests.graphql.both_ways import WAYS, BothWays

Ends = Callable[[ResponseCache, strawberry.Info], None]
ENDS: dict[str, Ends] = {
    "a tag of the cache": lambda cache, _: cache.invalidate_sync("price"),
    "a type": lambda cache, _: cache.invalidate_sync("Item"),
    "a tag of the request": lambda _, info: invalidate_sync(info, "price"),
    "everything": lambda cache, _: cache.clear_sync(),
}


@strawberry.type
class Item:
    id: int

    @strawberry.field
    def changed(self, info: strawberry.Info) -> bool:
        if self.id == 0:
            info.context["change"](info)
        return True

    @cache_control(ttl=60, tags=["price"])
    @strawberry.field
    def price(self, info: strawberry.Info) -> int:
        return int(info.context["prices"][0])


@strawberry.type
class Query:
    @strawberry.field
    def changed(self, info: strawberry.Info) -> bool:
        info.context["change"](info)
        return True

    @strawberry.field
    def fresh(self) -> int:
        return 1

    @cache_control(ttl=60, tags=["price"])
    @strawberry.field
    def item(self, info: strawberry.Info) -> Item:
        return Item(id=info.context["prices"][0])

    @strawberry.field
    def items(self) -> list[Item]:
        return [Item(id=number) for number in range(3)]


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("known", "asked"),
    [
        ("{ fresh item { id } }", "{ changed item { id } }"),
        ("{ items { id price } }", "{ items { changed price } }"),
    ],
    ids=["root", "list"],
)
async def test_a_field_after_an_invalidation_of_the_same_request_is_fresh(
    cache: ResponseCache, known: str, asked: str, way: str, end: Ends
) -> None:
    prices = [1]

    def change(info: strawberry.Info) -> None:
        prices[0] += 1
        end(cache, info)

    context: dict[str, Any] = {"prices": prices, "change": change}
    world = BothWays(Query, cache)
    for _ in range(2):
        await world.ask(known, way=way, **context)

    data = (await world.ask(asked, way=way, **context)).data

    assert data is not None
    found = [data["item"]["id"]] if "item" in data else [each["price"] for each in data["items"]]
    assert set(found) == {2}


@pytest.mark.parametrize("way", WAYS)
async def test_an_invalidation_of_something_else_leaves_what_was_prefetched(
    cache: ResponseCache, way: str
) -> None:
    prices = [1]
    context: dict[str, Any] = {
        "prices": prices,
        "change": lambda _: cache.invalidate_sync("another"),
    }
    world = BothWays(Query, cache)
    await world.ask("{ fresh item { id } }", way=way, **context)
    prices[0] = 2

    data = (await world.ask("{ changed item { id } }", way=way, **context)).data

    assert data == {"changed": True, "item": {"id": 1}}
