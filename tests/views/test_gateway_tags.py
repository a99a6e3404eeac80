"""Tags in ``extensions``, which Apollo Router and Cosmo read from a subgraph."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import strawberry
from graphql import GraphQLError
from strawberry import federation
from strawberry.asgi import GraphQL as StockGraphQL
from strawberry.extensions import SchemaExtension

from strawberry_response_cache import (
    CacheScope,
    InvalidatedTags,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    purge_names,
    restrict_cache,
)
from strawberry_response_cache.asgi import GraphQL
from strawberry_response_cache.graphql.http.gateway_tags import packed_entities, unpacked_entities

VIEWS = {"ours": GraphQL, "strawberry's": StockGraphQL}
ENTITIES = "query ($of: [_Any!]!) { _entities(representations: $of) { ... on Book { %s } } }"
NAMED = ENTITIES % "title"


@strawberry.type
class Author:
    id: strawberry.ID


@federation.type(keys=["id"])
class Book:
    id: strawberry.ID
    author_id: strawberry.Private[str] = ""

    @cache_control(inherit=True)
    @strawberry.field
    def title(self) -> str:
        return f"title of {self.id}"

    @cache_control(inherit=True)
    @strawberry.field
    def author(self) -> Author:
        return Author(id=strawberry.ID(self.author_id))

    @cache_control(inherit=True)
    @strawberry.field
    def tagged(self, info: strawberry.Info) -> bool:
        restrict_cache(info, tags=["Book:1"])
        return True

    @classmethod
    def resolve_reference(cls, id: strawberry.ID) -> "Book | None":  # noqa: A002 - the key's name
        return None if id == "none" else cls(id=id, author_id=f"a{id}")


@strawberry.type
class Query:
    @cache_control(ttl=60, tags=["shelf"])
    @strawberry.field
    def books(self) -> list[Book]:
        return [Book(id=strawberry.ID("1"))]

    @cache_control(ttl=60, scope=CacheScope.PRIVATE)
    @strawberry.field
    def mine(self) -> list[Book]:
        return [Book(id=strawberry.ID("2"))]

    @cache_control(ttl=0)
    @strawberry.field
    def now(self) -> int:
        return 1

    @cache_control(ttl=60)
    @strawberry.field
    def fails(self) -> int | None:
        raise ValueError


@strawberry.type
class Mutation:
    @strawberry.mutation
    def change(self) -> Book:
        return Book(id=strawberry.ID("1"))


@cache_control(ttl=60)
@federation.type(keys=["id"])
class Pen:
    id: strawberry.ID
    ink: str = "blue"


@cache_control(ttl=20)
@federation.type(keys=["id"])
class Cap:
    id: strawberry.ID
    size: int = 1


Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def purged() -> list[InvalidatedTags]:
    return []


@pytest.fixture
def cache(purged: list[InvalidatedTags]) -> Iterator[ResponseCache]:
    with ResponseCache.from_url("memory://", prefix="tags", on_invalidate=purged.append) as cache:
        yield cache


@pytest.fixture(params=VIEWS)
def make(request: pytest.FixtureRequest, cache: ResponseCache) -> Callable[..., Ask]:
    def made(*others: Any, **options: Any) -> Ask:
        chosen: dict[str, Any] = {
            "tenant": None,
            "session": lambda _: "alice",
            "cdn_tags": ["apolloCacheTags"],
            "default_ttl": 60,  # `_entities` cannot have a hint of its own
        } | options
        extension = ResponseCacheExtension(cache, **chosen)
        schema = federation.Schema(
            Query, Mutation, types=[Pen, Cap], extensions=[extension, *others]
        )
        application: Any = VIEWS[request.param](schema)

        def ask(query: str, *of: str, header: str = "") -> dict[str, Any]:
            sent = {"of": [{"__typename": "Book", "id": each} for each in of]} if of else None

            async def asking() -> httpx.Response:
                transport = httpx.ASGITransport(application)
                async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
                    return await client.post("/", json={"query": query, "variables": sent})

            response = asyncio.run(asking())
            assert "apolloCacheTags" not in response.headers
            answer: dict[str, Any] = response.json()
            return answer | ({"header": response.headers[header]} if header else {})

        return ask

    return made


def twice(ask: Ask, query: str, *of: str) -> dict[str, Any]:
    """Return ``extensions``, which have to be the same on a miss and on a hit."""
    missed, hit = ask(query, *of), ask(query, *of)
    assert missed == hit
    told: dict[str, Any] = hit.get("extensions") or {}
    return told


def test_an_answer_sends_its_tags_to_gateways(make: Callable[..., Ask]) -> None:
    told = twice(make(tag_prefix="shop-"), "{ books { title } }")
    names = ["~", "Book", "[Book]", "shelf", "Book:1"]
    assert sorted(told.pop("apolloCacheTags")) == sorted(f"shop-{name}" for name in names)
    assert told == {}


def test_a_private_answer_sends_its_tags_to_gateways(make: Callable[..., Ask]) -> None:
    """The gateway decides by ``Cache-Control`` who gets it."""
    assert "Book:2" in twice(make(), "{ mine { title } }")["apolloCacheTags"]


def test_each_entity_has_its_own_tags(make: Callable[..., Ask]) -> None:
    of = ["1", "none", "2", "1"]
    told = twice(make(), ENTITIES % "title author { id }", *of)
    assert told.keys() == {"apolloEntityCacheTags"}
    first, second, third, fourth = told["apolloEntityCacheTags"]
    assert second == []
    assert first == fourth
    assert {name for name in first if ":" in name} == {"Book:1", "Author:a1"}
    assert {name for name in third if ":" in name} == {"Book:2", "Author:a2"}
    assert {"~", "Book", "Author"} <= set(first) & set(third)


def test_missing_entities_have_no_tags(make: Callable[..., Ask]) -> None:
    assert twice(make(), NAMED, "none") == {"apolloEntityCacheTags": [[]]}
    assert twice(make(), NAMED, "none", "none") == {"apolloEntityCacheTags": [[], []]}


def test_of_many_entities_each_has_its_own_tags(make: Callable[..., Ask]) -> None:
    told = twice(make(), NAMED, *map(str, range(12)), "none")["apolloEntityCacheTags"]
    assert told.pop() == []
    assert [{name for name in each if ":" in name} for each in told] == [
        {f"Book:{number}"} for number in range(12)
    ]


def test_with_too_many_entities_each_has_the_types_of_all(
    make: Callable[..., Ask],
) -> None:
    ask = make(cacheable=lambda *_: True)  # it judges whole answers
    told = twice(ask, NAMED, *map(str, range(101)), "none")["apolloEntityCacheTags"]
    assert len(told) == 102
    assert told[-1] == []
    assert all({"~", "Book", "Book:*"} <= set(each) for each in told[:-1])


def test_tags_that_a_resolver_adds_are_tags_of_each_entity(make: Callable[..., Ask]) -> None:
    for options in ({}, {"cacheable": lambda *_: True}):
        told = twice(make(**options), ENTITIES % "title tagged", "1", "2")["apolloEntityCacheTags"]
        assert all("Book:1" in each for each in told)
        assert "Book:2" not in told[0]


def test_an_entity_has_the_same_tags_in_any_list_and_order(make: Callable[..., Ask]) -> None:
    ask = make()
    known = ask(NAMED, "2")["extensions"]["apolloEntityCacheTags"]
    told = ask(NAMED, "1", "2", "none")["extensions"]["apolloEntityCacheTags"]
    assert told[1:] == [*known, []]
    assert ask(NAMED, "2", "1")["extensions"]["apolloEntityCacheTags"] == [told[1], told[0]]


def test_an_answer_lives_as_long_as_its_shortest_entity(make: Callable[..., Ask]) -> None:
    ask = make(default_ttl=None)
    query = "{ _entities(representations: [%s]) { ... on Pen { ink } ... on Cap { size } } }"
    pen, cap = '{__typename: "Pen", id: "1"}', '{__typename: "Cap", id: "1"}'
    for of, lifetime in ((pen, 60), (cap, 20), (f"{pen} {cap}", 20)):
        for _ in range(2):
            assert f"max-age={lifetime}" in ask(query % of, header="Cache-Control")["header"]
    book = '{__typename: "Book", id: "1"}'
    assert ask(query % f"{pen} {book}", header="Cache-Control")["header"] == "no-store"


@pytest.mark.parametrize(
    "query", ["{ now }", "{ fails }", "{ unknown }", "mutation { change { id } }"]
)
def test_answers_that_nobody_may_store_send_no_tags_to_gateways(
    make: Callable[..., Ask], query: str
) -> None:
    assert twice(make(), query) == {}


class Refuses(SchemaExtension):
    """Adds an error to each answer."""

    def on_execute(self) -> Iterator[None]:
        yield
        result: Any = self.execution_context.result
        result.errors = [GraphQLError("refused")]


def test_an_answer_to_which_an_error_is_added_tells_nothing(make: Callable[..., Ask]) -> None:
    ask = make(Refuses)
    for _ in range(2):
        answer = ask("{ books { title } }")
        assert answer["data"]
        assert answer["errors"]
        assert not answer.get("extensions")


def test_by_default_no_tags_are_sent_to_gateways(make: Callable[..., Ask]) -> None:
    assert twice(make(cdn_tags=["Cache-Tag"]), "{ books { title } }") == {}
    assert twice(make(headers=False), "{ books { title } }") == {}


def test_what_a_mutation_purges_reaches_the_entity_that_it_changes(
    make: Callable[..., Ask], cache: ResponseCache, purged: list[InvalidatedTags]
) -> None:
    ask = make(invalidate_on_mutation="entities")  # not the list of all that was asked for
    first, second = ask(NAMED, "1", "2")["extensions"]["apolloEntityCacheTags"]
    ask("mutation { change { id } }")
    cache.close()  # waits until on_invalidate was told
    names = {name for tags in purged for name in purge_names(tags)}
    assert names & set(first)
    assert not names & set(second)


def test_tags_sent_to_gateways_contain_a_hash_of_the_tenant(make: Callable[..., Ask]) -> None:
    told = twice(make(tenant=lambda _: "acme"), NAMED, "1")["apolloEntityCacheTags"]
    assert told[0]
    assert not any("acme" in name or name.startswith("Book") for name in told[0])


def test_the_stored_tags_of_many_entities_are_bounded() -> None:
    tags = ["Book", *(f"Book:{number}" for number in range(90))]
    data: dict[str, Any] = {"_entities": [{}] * 5_000 + [None]}
    text = packed_entities(tags, data, {number: {f"Book:{number}"} for number in range(90)})
    assert len(text) < 8_000
    told = unpacked_entities(text, tags)
    assert told is not None
    assert told[4_999:] == (tuple(tags), ())
    assert packed_entities(tags, {"_entities": [{}] * 9_000}, {}) == ""
