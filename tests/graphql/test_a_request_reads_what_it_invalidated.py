"""What a request invalidates is not served to what comes after it in the same request."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import strawberry

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidate_sync,
    invalidates,
)
from tests.graphql.both_ways import FORMS, WAYS, BothWays, formed, statuses

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
async def test_a_field_resolved_after_an_invalidation_in_its_request_is_fresh(
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
async def test_an_invalidation_of_another_tag_keeps_prefetched_entries(
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


@strawberry.type
class Mutation:
    @invalidates("price")
    @strawberry.mutation
    def reprice(self, info: strawberry.Info, fails: bool = False) -> Item:
        info.context["prices"][0] += 1
        if fails:
            raise ValueError
        return Item(id=info.context["prices"][0])


@pytest.mark.parametrize("ending", ["", "(fails: true)"])
@pytest.mark.parametrize("form", FORMS)
async def test_a_query_batched_with_a_mutation_sees_the_change(
    memory_cache: ResponseCache, form: str, ending: str
) -> None:
    """The query begins after the resolvers of the mutation, and before the invalidation."""
    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, Mutation, extensions=[extension])
    context = {"prices": [1]}  # that of all operations of a batch
    query = formed("{ item { id } }", form)

    async def ask(text: str) -> Any:
        return await schema.execute(text, context_value=context)

    for _ in range(2):
        assert (await ask(query)).data["item"] == {"id": 1}
    mutation = f"mutation {{ reprice{ending} {{ id }} }}"
    _, *read = await asyncio.gather(ask(mutation), ask(query), ask(query))
    assert [each.data["item"] for each in read] == [{"id": 2}] * 2
    told = [statuses(await ask(query), form) for _ in range(2)]
    assert told[-1] == {"hit"}, "the context is no longer that of a mutation"
