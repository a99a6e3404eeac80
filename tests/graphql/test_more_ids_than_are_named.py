"""More ids than are invalidated one by one: everything of their family goes, and nothing else of the tenant."""

import json
from typing import Any

import pytest
import strawberry

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidate,
    invalidates,
    restrict_cache,
)
from strawberry_response_cache.graphql.invalidation.entities import MOST_INVALIDATED
from tests.graphql.ledger import status


@strawberry.type
class Book:
    id: strawberry.ID


@strawberry.type
class Query:
    @cache_control(ttl=60, tags=["shelf:{args.id}"])
    @strawberry.field
    def shelf(self, id: strawberry.ID) -> int:  # noqa: A002 - as schemas have it
        return 1

    @cache_control(ttl=60)
    @strawberry.field
    def restricted(self, info: strawberry.Info) -> int:
        restrict_cache(info, tags=["shelf:9"])
        return 1

    @cache_control(ttl=60, tags=["Book:{args.id}"])
    @strawberry.field
    def sold(self, id: strawberry.ID) -> int:  # noqa: A002 - as schemas have it
        return 1

    @cache_control(ttl=60)
    @strawberry.field
    def book(self, id: strawberry.ID) -> Book:  # noqa: A002 - as schemas have it
        return Book(id=id)

    @cache_control(ttl=60, tags=["topic:1", "shelves"])
    @strawberry.field
    def other(self) -> int:
        return 1


@strawberry.type
class Mutation:
    @invalidates("shelf:{args.ids}")
    @strawberry.mutation
    def shelves(self, ids: list[strawberry.ID]) -> bool:
        return True

    @invalidates("shelf:{args.ids}:{args.rows}")
    @strawberry.mutation
    def places(self, ids: list[strawberry.ID], rows: list[int]) -> bool:
        return True

    @invalidates("Book:{args.ids}")
    @strawberry.mutation
    def sell(self, ids: list[strawberry.ID]) -> bool:
        return True

    @strawberry.mutation
    def books(self, count: int) -> list[Book]:
        return [Book(id=strawberry.ID(str(number))) for number in range(count)]

    @strawberry.mutation
    async def told(self, info: strawberry.Info, ids: list[strawberry.ID]) -> bool:
        await invalidate(info, *(f"shelf:{each}" for each in ids))
        return True


SHELF, RESTRICTED, OTHER = '{ shelf(id: "5") }', "{ restricted }", "{ other }"
SOLD, BOOK = '{ sold(id: "b") }', '{ book(id: "c") { id } }'
ALL = (SHELF, RESTRICTED, SOLD, BOOK, OTHER)


def ids(count: int) -> str:
    return json.dumps([f"x{number}" for number in range(count)])


MANY = MOST_INVALIDATED + 1
HALF = MOST_INVALIDATED // 2 + 1
HALVES = f"a: shelves(ids: {ids(HALF)}) b: shelves(ids: {ids(HALF).replace('x', 'y')})"
CALLS: list[tuple[str, set[str]]] = [
    (f"shelves(ids: {ids(MANY)})", {SHELF, RESTRICTED}),
    (f"shelves(ids: {ids(MOST_INVALIDATED)})", set()),
    (f"places(ids: {ids(40)}, rows: {[*range(40)]})", {SHELF, RESTRICTED}),
    (HALVES, {SHELF, RESTRICTED}),
    (f"sell(ids: {ids(MANY)})", {SOLD, BOOK}),
    (f"books(count: {MANY}) {{ id }}", {SOLD, BOOK}),
]


@pytest.mark.parametrize("way", ["execute", "execute_sync"])
@pytest.mark.parametrize(("call", "gone"), CALLS, ids=range(6))
async def test_more_ids_than_the_bound_invalidate_all_tags_of_their_prefix_and_no_others(
    memory_cache: ResponseCache, way: str, call: str, gone: set[str]
) -> None:
    extension = ResponseCacheExtension(
        memory_cache, tenant=None, debug=True, invalidate_on_mutation="entities"
    )
    schema = strawberry.Schema(Query, Mutation, extensions=[extension])
    extension.check(schema)

    async def ask(query: str) -> Any:
        result: Any = (
            await schema.execute(query) if way == "execute" else schema.execute_sync(query)
        )
        assert result.errors is None
        return result

    for query in ALL:
        await ask(query)
    await ask(f"mutation {{ {call} }}")
    assert {query for query in ALL if status(await ask(query)) == "miss"} == gone


async def test_a_resolver_that_names_more_tags_than_the_bound_invalidates_all_of_their_prefix_at_the_end(
    memory_cache: ResponseCache,
) -> None:
    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, Mutation, extensions=[extension])
    for query in ALL:
        await schema.execute(query)
    await schema.execute(f"mutation {{ told(ids: {ids(MANY)}) }}")
    assert {q for q in ALL if status(await schema.execute(q)) == "miss"} == {SHELF, RESTRICTED}


async def test_a_mutation_with_many_ids_invalidates_values_remembered_outside_graphql(
    memory_cache: ResponseCache,
) -> None:
    extension = ResponseCacheExtension(memory_cache, tenant=None)
    schema = strawberry.Schema(Query, Mutation, extensions=[extension])

    async def remember(name: str, tag: str) -> str:
        async def generate() -> int:
            return 1

        response = await memory_cache.remember([name], 60, generate, tags=[tag])
        return response.status.value

    names = {"one": "shelf:5", "other": "topic:1"}
    for name, tag in names.items():
        assert await remember(name, tag) == "miss"
    await schema.execute(f"mutation {{ shelves(ids: {ids(MANY)}) }}")
    assert [await remember(name, tag) for name, tag in names.items()] == ["miss", "hit"]


async def test_the_reach_types_invalidates_answers_that_have_only_a_tag_of_an_object_of_the_type(
    memory_cache: ResponseCache,
) -> None:
    extension = ResponseCacheExtension(
        memory_cache, tenant=None, debug=True, invalidate_on_mutation="types"
    )
    schema = strawberry.Schema(Query, Mutation, extensions=[extension])
    for query in ALL:
        await schema.execute(query)
    await schema.execute("mutation { books(count: 1) { id } }")
    assert {q for q in ALL if status(await schema.execute(q)) == "miss"} == {SOLD, BOOK}


async def test_one_id_sent_many_times_counts_once_towards_the_bound(
    memory_cache: ResponseCache,
) -> None:
    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, Mutation, extensions=[extension])
    for shelf in ("1", "2"):
        await schema.execute(f'{{ shelf(id: "{shelf}") }}')
    ids = ["1"] * (MOST_INVALIDATED + 1)
    await schema.execute("mutation ($ids: [ID!]!) { shelves(ids: $ids) }", {"ids": ids})
    assert status(await schema.execute('{ shelf(id: "1") }')) == "miss"
    assert status(await schema.execute('{ shelf(id: "2") }')) == "hit"
