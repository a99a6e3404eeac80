"""Every answer that may hold what a mutation changed is reached: of many objects, of unions, of dictionaries."""

from operator import getitem
from typing import Annotated, Any

import pytest
import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionResult

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)
from strawberry_response_cache.graphql.invalidation import entities as _entities
from tests.graphql.ledger import status

WAYS = ["execute", "execute_sync"]


@strawberry.type
class Book:
    id: strawberry.ID
    title: str = "book"


@strawberry.type
class Film:
    id: strawberry.ID
    title: str = "film"


@strawberry.type
class Song:
    id: strawberry.ID
    title: str = "song"


Work = Annotated[Book | Film | Song, strawberry.union("Work")]


@strawberry.interface
class Held:
    place: str


@strawberry.type
class Box(Held):
    id: strawberry.ID = strawberry.ID("1")


@strawberry.type
class Bag(Held):
    id: strawberry.ID = strawberry.ID("1")


def books(count: int) -> list[Book]:
    return [Book(id=strawberry.ID(str(number))) for number in range(count)]


@strawberry.type
class Query:
    @cache_control(ttl=600)
    @strawberry.field
    def books(self, count: int) -> list[Book]:
        return books(count)

    @cache_control(ttl=600)
    @strawberry.field
    def film(self, id: strawberry.ID) -> Film:  # noqa: A002 - as schemas have it
        return Film(id=id)

    @cache_control(ttl=600)
    @strawberry.field
    def works(self, info: strawberry.Info) -> list[Work]:
        return list(info.context["works"])

    @cache_control(ttl=600)
    @strawberry.field
    def work(self, info: strawberry.Info) -> Work | None:
        return next(iter(info.context["works"]), None)

    @cache_control(ttl=600)
    @strawberry.field
    def held(self, info: strawberry.Info) -> list[Held]:
        return list(info.context["held"])


@strawberry.type
class Parcel:
    film: Film
    books: list[Book]


@strawberry.type
class Mutation:
    @strawberry.mutation
    def send(self) -> Parcel:
        return Parcel(film=Film(id=strawberry.ID("1")), books=books(1))

    @strawberry.mutation
    def add(self, info: strawberry.Info, kind: str) -> Work:
        made = {"book": Book, "film": Film, "song": Song}[kind](id=strawberry.ID("9"))
        info.context["works"].append(made)
        return made  # type: ignore[return-value] # one of them

    @strawberry.mutation
    def hold(self, info: strawberry.Info, kind: str) -> Held:
        made = {"box": Box, "bag": Bag}[kind](place="here")
        info.context["held"].append(made)
        return made

    @strawberry.mutation
    def many(self, count: int) -> list[Book]:
        return books(count)

    @strawberry.mutation
    def one_film(self) -> Film:
        return Film(id=strawberry.ID("1"))


class Served:
    """The schema over one cache, asked in one way."""

    def __init__(
        self, cache: ResponseCache, way: str, reach: Any = "lists", **options: Any
    ) -> None:
        extension = ResponseCacheExtension(
            cache, tenant=None, debug=True, invalidate_on_mutation=reach
        )
        types = [Box, Bag]
        self.schema = strawberry.Schema(
            Query, Mutation, types=types, extensions=[extension], **options
        )
        self.way = way
        self.context: dict[str, Any] = {"works": [], "held": []}

    async def ask(self, query: str) -> ExecutionResult:
        if self.way == "execute":
            result = await self.schema.execute(query, context_value=self.context)
        else:
            result = self.schema.execute_sync(query, context_value=self.context)
        assert result.errors is None
        return result


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """How operations are executed."""
    return str(request.param)


FILM = 'film(id: "7") { title }'


@pytest.mark.parametrize(
    "query",
    [
        f"{{ books(count: COUNT) {{ title }} {FILM} }}",
        f"{{ {FILM} books(count: COUNT) {{ title }} }}",
    ],
)
async def test_an_answer_with_more_objects_than_are_tagged_is_invalidated_by_each_of_them(
    memory_cache: ResponseCache, way: str, query: str
) -> None:
    served = Served(memory_cache, way)
    text = query.replace("COUNT", str(_entities.MOST_NAMED + 1))
    for tag, expected in (("Film:7", "miss"), ("Book:5", "miss"), ("Song:7", "hit")):
        await served.ask(text)
        assert status(await served.ask(text)) == "hit"
        await memory_cache.invalidate(tag)
        assert status(await served.ask(text)) == expected


async def test_a_mutation_with_more_objects_than_are_tagged_invalidates_the_rest(
    memory_cache: ResponseCache, way: str
) -> None:
    served = Served(memory_cache, way, reach="entities")
    film = '{ film(id: "1") { title } }'
    await served.ask(film)
    count = _entities.MOST_INVALIDATED + 1
    await served.ask(f"mutation {{ many(count: {count}) {{ id }} oneFilm {{ id }} }}")
    assert status(await served.ask(film)) == "miss"


@pytest.mark.parametrize("kind", ["book", "film", "song"])
@pytest.mark.parametrize("reach", ["lists", "types"])
async def test_an_empty_list_of_a_union_is_reached_by_each_of_its_members(
    memory_cache: ResponseCache, way: str, reach: str, kind: str
) -> None:
    served = Served(memory_cache, way, reach)
    query = "{ works { ... on Book { title } ... on Film { title } ... on Song { title } } }"
    for expected in ([], [{"title": kind}], [{"title": kind}] * 2):
        assert (await served.ask(query)).data == {"works": expected}
        assert status(await served.ask(query)) == "hit"
        await served.ask(f'mutation {{ add(kind: "{kind}") {{ __typename }} }}')


@pytest.mark.parametrize("kind", ["book", "film", "song"])
async def test_a_null_of_a_union_is_reached_by_each_of_its_members(
    memory_cache: ResponseCache, way: str, kind: str
) -> None:
    served = Served(memory_cache, way, "types")
    query = "{ work { __typename } }"
    assert (await served.ask(query)).data == {"work": None}
    await served.ask(f'mutation {{ add(kind: "{kind}") {{ __typename }} }}')
    assert (await served.ask(query)).data == {"work": {"__typename": kind.title()}}


@pytest.mark.parametrize("kind", ["box", "bag"])
async def test_an_empty_list_of_an_interface_is_reached_by_each_that_implements_it(
    memory_cache: ResponseCache, way: str, kind: str
) -> None:
    served = Served(memory_cache, way)
    query = "{ held { place } }"
    assert (await served.ask(query)).data == {"held": []}
    await served.ask(f'mutation {{ hold(kind: "{kind}") {{ place }} }}')
    assert (await served.ask(query)).data == {"held": [{"place": "here"}]}


# -- Beside members that are never stored --------------------------------------------------------------------


@cache_control(ttl=0)
@strawberry.type
class Missing:
    why: str = "gone"


Looked = Annotated[Book | Missing, strawberry.union("Looked")]


@strawberry.type
class Look:
    @cache_control(ttl=600)
    @strawberry.field
    def look(self, id: strawberry.ID) -> Looked:  # noqa: A002 - as schemas have it
        return Book(id=id)

    @cache_control(ttl=600)
    @strawberry.field
    def known(self) -> Missing:
        return Missing(why="its field has a ttl of its own")


async def test_a_result_of_a_union_is_tagged_although_another_member_is_not_stored(
    memory_cache: ResponseCache, way: str
) -> None:
    extension = ResponseCacheExtension(memory_cache, tenant=None, debug=True)
    schema = strawberry.Schema(Look, extensions=[extension])

    async def ask(number: int) -> str:
        query = f'{{ look(id: "{number}") {{ ... on Book {{ title }} }} known {{ why }} }}'
        if way == "execute":
            return status(await schema.execute(query))
        return status(schema.execute_sync(query))

    assert [await ask(number) for number in (1, 2, 1, 2)] == ["miss", "miss", "hit", "hit"]
    await memory_cache.invalidate("Book:1")
    assert [await ask(number) for number in (1, 2)] == ["miss", "hit"]


# -- Objects that are dictionaries -------------------------------------------------------------------------


@strawberry.type
class Row:
    id: strawberry.ID = strawberry.field(directives=[cache_control(inherit=True)])
    name: str = strawberry.field(directives=[cache_control(inherit=True)])


@strawberry.type
class Rows:
    @cache_control(ttl=600)
    @strawberry.field
    def row(self, info: strawberry.Info, id: strawberry.ID) -> Row:  # noqa: A002 - as schemas have it
        return info.context[id]  # type: ignore[no-any-return] # a dictionary stands for it


@strawberry.type
class ChangeRows:
    @strawberry.mutation
    def rename(self, info: strawberry.Info, id: strawberry.ID) -> Row:  # noqa: A002 - as schemas have it
        info.context[id]["name"] = "new"
        return info.context[id]  # type: ignore[no-any-return] # as above


async def test_a_dictionary_is_tagged_by_its_id(memory_cache: ResponseCache) -> None:
    extension = ResponseCacheExtension(
        memory_cache, tenant=None, debug=True, invalidate_on_mutation="entities"
    )
    schema = strawberry.Schema(
        Rows,
        ChangeRows,
        extensions=[extension],
        config=StrawberryConfig(default_resolver=getitem),
    )
    rows = {number: {"id": number, "name": "old"} for number in ("1", "2")}

    async def ask(query: str) -> ExecutionResult:
        result = await schema.execute(query, context_value=rows)
        assert result.errors is None
        return result

    one, two = '{ row(id: "1") { name } }', '{ row(id: "2") { name } }'
    for query in (one, two, one, two):
        result = await ask(query)
    assert status(result) == "hit"
    await ask('mutation { rename(id: "1") { id } }')
    assert (await ask(one)).data == {"row": {"name": "new"}}
    assert status(await ask(two)) == "hit"
    await memory_cache.invalidate("Row:2")
    assert [status(await ask(query)) for query in (one, two)] == ["hit", "miss"]


# -- A mutation whose answer comes in parts ----------------------------------------------------------------

IN_PARTS = StrawberryConfig(enable_experimental_incremental_execution=True)
SEND = "mutation { send { film { id } ... @defer { books { title } } } }"


async def in_parts(schema: strawberry.Schema) -> list[Any]:
    """Execute, and return the data of each part."""
    parts: Any = await schema.stream(SEND, context_value={})
    first, *rest = [part async for part in parts]
    return [first.data, *(each.data for part in rest for each in part.incremental)]


@pytest.mark.parametrize("reach", ["entities", "lists"])
async def test_objects_in_deferred_parts_of_a_mutation_are_invalidated(
    memory_cache: ResponseCache, reach: str
) -> None:
    served = Served(memory_cache, "execute", reach, config=IN_PARTS)
    said_first, said_later, unsaid = (
        '{ film(id: "1") { title } }',
        "{ books(count: 1) { title } }",
        "{ held { place } }",
    )
    for query in (said_first, said_later, unsaid):
        await served.ask(query)
    assert len(await in_parts(served.schema)) == 2
    found = [status(await served.ask(query)) for query in (said_first, said_later, unsaid)]
    assert found == ["miss", "miss", "hit"]


async def test_a_mutation_with_defer_is_answered_as_without_a_cache(
    memory_cache: ResponseCache,
) -> None:
    served = Served(memory_cache, "execute", config=IN_PARTS)
    plain = strawberry.Schema(Query, Mutation, types=[Box, Bag], config=IN_PARTS)
    assert await in_parts(served.schema) == await in_parts(plain)
