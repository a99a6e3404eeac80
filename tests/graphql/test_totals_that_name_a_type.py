"""A number that follows from objects which the query does not return: its hint names their type."""

import asyncio
from typing import Any

import pytest
import strawberry

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidates,
    restrict_cache,
)
from tests.graphql.conftest import UntilInvalidated
from tests.graphql.ledger import status

TAGS = ["Entry", "[Entry]"]
WAYS = ["of_the_field", "of_its_type", "of_the_run", "above"]


@strawberry.type
class Entry:
    id: strawberry.ID


@strawberry.type
class Other:
    id: strawberry.ID


def schema_of(tag: str, where: str, cache: ResponseCache, **options: Any) -> strawberry.Schema:
    """Return a schema whose query ``sum`` holds a total; the tag stands in one of the places."""

    @cache_control(ttl=60, tags=[tag] if where == "of_its_type" else [])
    @strawberry.type
    class Sum:
        @cache_control(ttl=60, key=lambda _: "one")
        @strawberry.field
        def total(self, info: strawberry.Info) -> int:
            if where == "of_the_run":
                restrict_cache(info, tags=[tag])
            return 1

    def answer() -> Sum:
        return Sum()

    ttl = 0 if where == "above" else 60
    tags = [tag] if where in {"of_the_field", "above"} else []
    field: Any = strawberry.field(resolver=answer, directives=[cache_control(ttl=ttl, tags=tags)])
    query = strawberry.type(type("Query", (), {"sum": field, "__annotations__": {}}))

    @strawberry.type
    class Mutation:
        @strawberry.mutation
        async def post(self, *, fails: bool = False) -> Entry:
            if fails:
                raise asyncio.CancelledError
            return Entry(id=strawberry.ID("1"))

        @invalidates("Entry")
        @strawberry.mutation
        def remove_all(self) -> bool:
            return True

        @strawberry.mutation
        def other(self) -> Other:
            return Other(id=strawberry.ID("1"))

    extension = ResponseCacheExtension(cache, tenant=None, debug=True, **options)
    schema = strawberry.Schema(query, Mutation, extensions=[extension])
    extension.check(schema)
    return schema


async def stored(schema: strawberry.Schema) -> str:
    """Return the status of the total: of its own entry where the operation has none."""
    result = await schema.execute("{ sum { total } }")
    assert result.errors is None
    assert result.extensions is not None
    told = result.extensions["responseCache"]
    return str(told["fields"][-1]["status"]) if "fields" in told else status(result)


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("where", WAYS)
@pytest.mark.parametrize("reach", ["lists", "types"])
async def test_a_mutation_that_returns_an_object_of_the_type_invalidates_the_total(
    memory_cache: ResponseCache, tag: str, where: str, reach: str
) -> None:
    schema = schema_of(tag, where, memory_cache, invalidate_on_mutation=reach)
    for document, expected in (
        ("mutation { other { id } }", "hit"),
        ("mutation { post { id } }", "miss"),
        ("mutation { removeAll }", "miss"),
    ):
        await stored(schema)
        assert await stored(schema) == "hit"
        assert (await schema.execute(document)).errors is None
        assert await stored(schema) == expected


@pytest.mark.parametrize("tag", TAGS)
async def test_a_cancelled_mutation_invalidates_the_total(
    memory_cache: ResponseCache, until_invalidated: UntilInvalidated, tag: str
) -> None:
    schema = schema_of(tag, "of_the_field", memory_cache)
    await stored(schema)
    with pytest.raises(asyncio.CancelledError):
        await schema.execute("mutation { post(fails: true) { id } }")
    await until_invalidated()
    assert await stored(schema) == "miss"


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("invalidated", TAGS)
async def test_invalidating_a_type_or_its_lists_invalidates_the_total(
    memory_cache: ResponseCache, tag: str, invalidated: str
) -> None:
    schema = schema_of(tag, "of_the_field", memory_cache)
    await stored(schema)
    await memory_cache.invalidate(invalidated)
    assert await stored(schema) == "miss"


@pytest.mark.parametrize("tag", ["entry", "Query.sum", "[", "[]", "[Entry", "Entry:1"])
async def test_a_tag_that_names_no_type_is_invalidated_only_by_itself(
    memory_cache: ResponseCache, tag: str
) -> None:
    schema = schema_of(tag, "of_the_field", memory_cache)
    await stored(schema)
    await schema.execute("mutation { removeAll }")
    await memory_cache.invalidate(f"[{tag}]", tag[1:-1] or "x")
    assert await stored(schema) == "hit"
    await memory_cache.invalidate(tag)
    assert await stored(schema) == "miss"
