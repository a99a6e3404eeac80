"""Objects of a type with ttl=0 are never stored; fields below them have entries of their own, like those elsewhere."""

from typing import Annotated, Any

import pytest
import strawberry
from strawberry.directive import DirectiveLocation, DirectiveValue

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control, explain
from tests.graphql.ledger import outcome

DEEPER = 9
"""More entries than stand within each other."""


class World:
    """What a resolver reads."""

    version = 0


def level(number: int, below: Any) -> Any:
    """Return a type whose fields live longer, the deeper it stands: each has an entry of its own."""

    def tagged(n: int) -> int:
        return World.version

    fields: dict[str, Any] = {
        "__annotations__": {"id": strawberry.ID},
        "tagged": cache_control(inherit=True, tags=["n:{args.n}"])(strawberry.field(tagged)),
    }
    if below is not None:

        def child() -> Any:
            return below(id="1")

        child.__annotations__["return"] = below
        fields["child"] = cache_control(ttl=60 + number)(strawberry.field(child))
    return strawberry.type(type(f"Level{number}", (), fields))


top: Any = None
for at in range(DEEPER + 1, 0, -1):
    top = level(at, top)


@strawberry.type
class Item:
    id: strawberry.ID
    factor: strawberry.Private[int] = 1

    @cache_control(ttl=60)
    @strawberry.field
    def price(self) -> int:
        return 10 * self.factor

    @cache_control(ttl=60, vary=["locale"])
    @strawberry.field
    def fee(self) -> int:
        return self.factor


@strawberry.type
class Found:
    item: Item


@cache_control(ttl=0)
@strawberry.type
class Warned:
    item: Item
    top: top


@strawberry.directive(locations=[DirectiveLocation.FIELD])
def doubled(value: DirectiveValue[Item]) -> Item:
    return Item(id=value.id, factor=2)


@strawberry.type
class Query:
    @strawberry.field
    def fresh(self) -> int:
        return 0

    @cache_control(ttl=30)
    @strawberry.field
    def answer(self) -> Annotated[Found | Warned, strawberry.union("Answer")]:
        return Warned(item=Item(id=strawberry.ID("1")), top=top(id="1"))


def schema_over(cache: ResponseCache | None) -> strawberry.Schema:
    extensions: list[Any] = []
    if cache is not None:
        vary = {"locale": lambda _: "en"}
        extensions.append(ResponseCacheExtension(cache, tenant=None, vary=vary, debug=True))
    return strawberry.Schema(Query, extensions=extensions, directives=[doubled])


WAYS = [
    "... on Warned { item @doubled { price } }",
    "... on Warned { ...F @include(if: true) }",
    "... on Found { item { id } } ... on Warned { item @doubled { price } }",
]


@pytest.mark.parametrize("way", WAYS)
def test_a_directive_below_an_object_that_is_never_stored_makes_the_operation_uncacheable(
    memory_cache: ResponseCache, way: str
) -> None:
    """Otherwise its entry would be that of the same field without the directive."""
    schema = schema_over(memory_cache)
    fragment = "fragment F on Warned { item @doubled { price } }" if "...F" in way else ""
    text = f"{{ fresh answer {{ {way} }} }} {fragment}"
    directed = schema.execute_sync(text)
    assert directed.data == {"fresh": 0, "answer": {"item": {"price": 20}}}
    assert outcome(directed)["status"] == "bypass"
    assert "fields" not in outcome(directed)
    plain = schema.execute_sync(text.replace("@doubled", ""))
    assert plain.data == {"fresh": 0, "answer": {"item": {"price": 10}}}


@pytest.mark.parametrize("depth", range(1, DEEPER + 1))
def test_a_filled_tag_reaches_every_entry_below_an_object_that_is_never_stored(
    memory_cache: ResponseCache, depth: int
) -> None:
    schema = schema_over(memory_cache)
    below = "child { " * depth + "tagged(n: 1)" + " }" * depth
    query = f"{{ fresh answer {{ ... on Warned {{ top {{ {below} }} }} }} }}"
    schema.execute_sync(query)
    World.version += 1
    memory_cache.invalidate_sync("n:1")
    assert schema.execute_sync(query).data == schema_over(None).execute_sync(query).data


def test_explain_shows_the_entries_below_an_object_that_is_never_stored(
    memory_cache: ResponseCache,
) -> None:
    schema = schema_over(memory_cache)
    query = "{ fresh answer { ... on Warned { item { id price fee } } } }"
    explanation = explain(schema, query)
    _, price, fee = explanation.fields[1].fields[0].fields
    assert (price.own_ttl, fee.own_ttl) == (60, None)
    told = str(explanation).splitlines()
    assert told[-5:] == [
        "  answer: Query.answer, 30 s, never stored with a Warned",
        "    item: Warned.item, as its parent",
        "      id: Item.id, as its parent",
        "      price: Item.price, 60 s",
        "      fee: Item.fee, 60 s",
    ]
    fields = outcome(schema.execute_sync(query))["fields"]
    assert [each["field"] for each in fields] == ["Item.price", "Query.answer"]
