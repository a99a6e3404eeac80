"""`check()` names each mistake in the annotations of a schema by its place, and nothing that is right."""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import pytest
import strawberry
from strawberry import federation

from strawberry_response_cache import cache_control, invalidates
from strawberry_response_cache.graphql._adoption import setting_of
from strawberry_response_cache.graphql._compat.private_names import executable_of
from strawberry_response_cache.graphql.policy.mistakes import mistakes_in


def mistakes(schema: strawberry.Schema, vary: Iterable[str] | None = ()) -> list[str]:
    return [*mistakes_in(executable_of(schema), setting_of(schema, None).rules, vary)]


def resolved(**hint: Any) -> Any:
    """Return a field with a resolver and a hint."""

    def resolver(top: int = 1) -> int:
        return top

    return cache_control(**hint)(strawberry.field(resolver=resolver))


async def numbers() -> AsyncIterator[int]:
    yield 1


def followed() -> Any:
    return strawberry.subscription(resolver=numbers)


def changed() -> Any:
    return strawberry.mutation(resolver=lambda: 1, graphql_type=int)


def made(name: str, **body: Any) -> Any:
    return strawberry.type(type(name, (), {"__annotations__": {}} | body))


def schema_of(
    query: Any = None, mutation: Any = None, subscription: Any = None, **fields: Any
) -> strawberry.Schema:
    """Return a schema with these roots, or these fields of the query type."""
    fields = {"plain": resolved(ttl=60)} | fields
    return strawberry.Schema(query or made("Query", **fields), mutation, subscription)


def with_item(item: Any) -> strawberry.Schema:
    return schema_of(made("Query", __annotations__={"item": item}))


HINT = cache_control(ttl=60)

WRONG: list[tuple[Callable[[], strawberry.Schema], str, str]] = [
    (lambda: schema_of(HINT(made("Query", x=resolved(ttl=1)))), "Query", "the query type"),
    (
        lambda: schema_of(mutation=HINT(made("Mutation", x=changed()))),
        "Mutation",
        "the mutation type",
    ),
    (
        lambda: schema_of(subscription=HINT(made("Subscription", x=followed()))),
        "Subscription",
        "the subscription type",
    ),
    (
        lambda: schema_of(mutation=made("Mutation", x=HINT(changed()))),
        "Mutation.x",
        "a mutation is never cached",
    ),
    (
        lambda: schema_of(subscription=made("Subscription", x=HINT(followed()))),
        "Subscription.x",
        "a subscription is never cached",
    ),
    (
        lambda: schema_of(x=invalidates("Item")(resolved(ttl=60))),
        "Query.x",
        "in a query call invalidate",
    ),
    (
        lambda: schema_of(subscription=made("Subscription", x=invalidates("Item")(followed()))),
        "Subscription.x",
        "in a subscription call invalidate",
    ),
    (lambda: schema_of(x=resolved(inherit=True)), "Query.x", "no parent to inherit from"),
    (lambda: schema_of(x=resolved(ttl=60, key="id")), "Query.x", "remove its key"),
    (
        lambda: schema_of(x=resolved(ttl=60, tags=["a:{parent.id}"])),
        "Query.x",
        "names the parent",
    ),
    (
        lambda: schema_of(x=resolved(ttl=60, tags=["a:{args.top}:{parent.id}"])),
        "Query.x",
        "names the parent",
    ),
    (lambda: schema_of(x=resolved(ttl=60, tags=["a:{args.no}"])), "Query.x", "tags[0]"),
    (lambda: schema_of(x=resolved(ttl=60, vary=["locale"])), "Query.x", "vary names 'locale'"),
    (
        lambda: with_item(cache_control(ttl=60, key="id")(made("Item", x=resolved(ttl=1)))),
        "Item",
        "key is only for fields",
    ),
    (
        lambda: with_item(cache_control(ttl=60, tags=["a:{args.id}"])(made("Item", x=resolved()))),
        "Item",
        "placeholders",
    ),
]


@pytest.mark.combined
@pytest.mark.parametrize(("make", "place", "words"), WRONG)
def test_each_mistake_is_named_by_its_place(
    make: Callable[[], strawberry.Schema], place: str, words: str
) -> None:
    [found] = mistakes(make())
    assert found.startswith(f"{place}: ")
    assert words in found


@pytest.mark.combined
@pytest.mark.parametrize(
    "make",
    [
        schema_of,
        lambda: schema_of(x=resolved(ttl=60, tags=["a:{args.top}"], vary=["currency"])),
        lambda: schema_of(mutation=made("Mutation", x=invalidates("Item")(changed()))),
        lambda: schema_of(subscription=made("Subscription", x=followed())),
        lambda: with_item(HINT(made("Item", x=resolved(inherit=True)))),
        lambda: with_item(made("Item", x=resolved(ttl=60, key="id", tags=["a:{parent.id}"]))),
        lambda: with_item(made("Item", x=invalidates("Item")(resolved(ttl=60)))),
    ],
)
def test_correct_annotations_are_not_reported(make: Callable[[], strawberry.Schema]) -> None:
    assert mistakes(make(), ["currency"]) == []


def test_an_unknown_name_in_vary_is_a_mistake_that_lists_the_names_of_the_extension() -> None:
    schema = schema_of(x=resolved(ttl=60, vary=["locale", "currency"]))
    [one] = mistakes(schema, ["zone", "currency", "d", "e", "f"])
    assert "vary names 'locale'" in one
    assert "(defined: currency, d, e, f, zone)" in one
    assert [each.count("(defined: none)") for each in mistakes(schema)] == [1, 1]
    assert mistakes(schema, None) == [], "without an extension, none is known"


def test_cache_control_without_parentheses_on_a_type_is_a_mistake_of_the_type() -> None:
    wrong: Any = cache_control
    item = strawberry.type(directives=[wrong])(type("Item", (), {"__annotations__": {"id": int}}))
    assert any(
        each.startswith("Item: ") and "parentheses" in each for each in mistakes(with_item(item))
    )


def test_an_unknown_name_in_vary_above_a_type_is_a_mistake_of_the_type() -> None:
    item = cache_control(ttl=60, vary=["locale"])(made("Item", x=resolved(ttl=1)))
    assert any(each.startswith("Item: vary names 'locale'") for each in mistakes(with_item(item)))


def test_cache_control_without_parentheses_on_a_field_is_a_mistake_of_the_field() -> None:
    wrong: Any = cache_control
    field = strawberry.field(resolver=lambda: 1, graphql_type=int, directives=[wrong])
    assert any(each.startswith("Query.x: ") for each in mistakes(schema_of(x=field)))


@strawberry.input
class Chosen:
    number: int


def choose(chosen: Chosen, ids: list[int]) -> int:
    return chosen.number


@pytest.mark.combined
@pytest.mark.parametrize("tag", ["Item:{args.chosen.no}", "{args.ids}"])
def test_a_tag_that_a_mutation_can_never_fill_is_a_mistake_of_the_mutation(tag: str) -> None:
    mutation = made("Mutation", x=invalidates(tag)(strawberry.mutation(resolver=choose)))
    found = mistakes(schema_of(mutation=mutation))
    assert [each.partition(":")[0] for each in found] == ["Mutation.x"]


def test_all_mistakes_are_named_at_once() -> None:
    schema = schema_of(
        x=resolved(inherit=True),
        y=resolved(ttl=60, key="id"),
        mutation=HINT(made("Mutation", x=changed())),
    )
    found = sorted(each.partition(":")[0] for each in mistakes(schema))
    assert found == ["Mutation", "Query.x", "Query.y"]


@pytest.mark.combined
@pytest.mark.parametrize(
    ("hint", "is_named"),
    [
        ({"ttl": 60}, True),
        ({"ttl": 60, "key": lambda item: item.upc}, False),
        ({"inherit": True}, False),
    ],
)
def test_a_federated_field_with_requires_and_a_ttl_needs_a_key(
    hint: dict[str, Any], *, is_named: bool
) -> None:
    @federation.type(keys=["upc"])
    class Product:
        upc: str
        weight: int = federation.field(external=True)

        @cache_control(**hint)
        @federation.field(requires=["weight"])  # type: ignore[untyped-decorator] # its overloads
        def price(self) -> int:
            return self.weight

    schema = federation.Schema(made("Query", __annotations__={"product": Product}))
    found = mistakes(schema)
    assert [each.partition(":")[0] for each in found] == ["Product.price"] * is_named
    assert all("requires fields" in each for each in found)
