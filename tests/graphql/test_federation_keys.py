"""The `@key` of Apollo Federation identifies the objects of a type that has no `id`."""

from collections import Counter
from typing import Any

import pytest
import strawberry
from strawberry import federation

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    explain,
)
from tests.graphql.ledger import outcome, status

runs: Counter[str] = Counter()
names = {"1": "Table", "2": "Chair"}


@federation.type(keys=["upc"])
class Product:
    upc: str
    name: str

    @cache_control(ttl=60)
    @strawberry.field
    def price(self) -> int:
        runs["price"] += 1
        return len(self.name)

    @classmethod
    def resolve_reference(cls, upc: str) -> "Product":
        return cls(upc=upc, name=names[upc])


@federation.type(keys=["shop till"])
class Receipt:
    shop: str
    till: int

    @cache_control(ttl=60)
    @strawberry.field
    def total(self) -> int:
        return self.till


@strawberry.type
class Query:
    @cache_control(ttl=60)
    @strawberry.field
    def product(self, upc: str) -> Product:
        return Product(upc=upc, name=names[upc])

    @strawberry.field
    def fresh(self, upc: str) -> Product:
        return Product(upc=upc, name=names[upc])

    @cache_control(ttl=60)
    @strawberry.field
    def receipt(self, till: int) -> Receipt:
        return Receipt(shop="north", till=till)


@strawberry.type
class Mutation:
    @strawberry.mutation
    def rename(self, upc: str, name: str) -> Product:
        names[upc] = name
        return Product(upc=upc, name=name)


@pytest.fixture
def schema(cache: ResponseCache) -> strawberry.Schema:
    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = federation.Schema(Query, Mutation, extensions=[extension])
    of_field, of_type = extension.check(schema)
    assert of_field.startswith("Receipt.total"), "a key of two fields identifies nothing"
    assert of_type.startswith('Receipt: its @key "shop till"')
    names.update({"1": "Table", "2": "Chair"})
    runs.clear()
    return schema


def ask(schema: strawberry.Schema, query: str) -> Any:
    result = schema.execute_sync(query)
    assert result.errors is None
    return result


def test_a_mutation_invalidates_the_object_by_its_key_and_no_other(
    schema: strawberry.Schema,
) -> None:
    one, other = ('{ product(upc: "1") { name } }', '{ product(upc: "2") { name } }')
    for query in (one, other):
        ask(schema, query)
    said = outcome(ask(schema, 'mutation { rename(upc: "1", name: "Desk") { upc } }'))
    assert said["invalidated"]["types"] == ["Product"]
    fresh = ask(schema, one)
    assert fresh.data == {"product": {"name": "Desk"}}
    assert (status(fresh), status(ask(schema, other))) == ("miss", "hit")


def test_a_nested_field_has_an_entry_for_each_key(schema: strawberry.Schema) -> None:
    asked = '{ a: fresh(upc: "1") { price } b: fresh(upc: "2") { price } }'
    first, second = ask(schema, asked), ask(schema, asked)
    assert first.data == second.data == {"a": {"price": 5}, "b": {"price": 5}}
    assert runs["price"] == 2
    ask(schema, 'mutation { rename(upc: "2", name: "Stool!") { upc } }')
    assert ask(schema, asked).data == {"a": {"price": 5}, "b": {"price": 6}}
    assert runs["price"] == 3


def test_entities_that_are_found_by_their_key_share_entries(schema: strawberry.Schema) -> None:
    entities = """query ($more: [_Any!]!) {
      _entities(representations: $more) { ... on Product { price } }
    }"""

    def sent(**more: object) -> Any:
        representation = {"__typename": "Product", "upc": "1", **more}
        return schema.execute_sync(entities, {"more": [representation]}).data

    assert ask(schema, '{ fresh(upc: "1") { price } }').data == {"fresh": {"price": 5}}
    assert sent() == {"_entities": [{"price": 5}]}
    assert runs["price"] == 1


def test_objects_with_a_key_of_two_fields_share_no_entry(schema: strawberry.Schema) -> None:
    for till in (1, 2):
        result = ask(schema, f"{{ receipt(till: {till}) {{ total }} }}")
        assert result.data == {"receipt": {"total": till}}


class _Id:
    """A property `id` that is not in the schema and joins the key."""

    shop: str
    till: int

    @property
    def id(self) -> str:
        return f"{self.shop} {self.till}"


class _Nothing:
    """No `id`."""


def with_receipts(cache: ResponseCache, base: type, mode: Any = "lists") -> strawberry.Schema:
    """A schema whose receipts have a `@key` of two fields, and an `id` if their base has one."""

    @cache_control(ttl=60)
    @federation.type(keys=["shop till"])
    class Receipt(base):  # type: ignore[misc] # chosen when it runs
        shop: str
        till: int

        @classmethod
        def resolve_reference(cls, shop: str, till: int) -> "Receipt | None":
            return cls(shop=shop, till=till) if till < 3 else None

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def receipt(self, till: int) -> Receipt:
            return Receipt(shop="north", till=till)

        @cache_control(ttl=60)
        @strawberry.field
        def motto(self) -> str:
            return "once"

    @strawberry.type
    class Mutation:
        @strawberry.mutation
        def correct(self, till: int) -> Receipt:
            return Receipt(shop="north", till=till)

    extension = ResponseCacheExtension(cache, tenant=None, debug=True, invalidate_on_mutation=mode)
    schema = federation.Schema(Query, Mutation, extensions=[extension])
    assert bool(extension.check(schema)) is (base is _Nothing)
    return schema


ONE = "query ($sent: [_Any!]!) { _entities(representations: $sent) { ... on Receipt { till } } }"


def statuses(schema: strawberry.Schema) -> list[object]:
    """Ask for two receipts and one that is not there, in each of two ways."""
    of_fields = [status(ask(schema, f"{{ receipt(till: {till}) {{ till }} }}")) for till in (1, 2)]
    sent = [{"__typename": "Receipt", "shop": "north", "till": till} for till in (1, 2, 3)]
    of_entities = [status(schema.execute_sync(ONE, {"sent": [each]})) for each in sent]
    return [*of_fields, *of_entities]


@pytest.mark.combined
@pytest.mark.parametrize("mode", ["lists", "entities"])
@pytest.mark.parametrize(
    ("base", "after"),
    [
        (_Nothing, ["miss"] * 5),
        # What is not there may be what the mutation made.
        (_Id, ["miss", "hit", "miss", "hit", "miss"]),
    ],
)
def test_a_mutation_invalidates_the_whole_type_if_its_key_has_several_fields_and_it_has_no_id(
    memory_cache: ResponseCache, base: type, after: list[str], mode: str
) -> None:
    schema = with_receipts(memory_cache, base, mode)
    statuses(schema)
    assert statuses(schema) == ["hit"] * 5
    ask(schema, "mutation { correct(till: 1) { till } }")
    assert statuses(schema) == after


@pytest.mark.parametrize("mode", ["lists", "entities", "types"])
def test_creating_an_object_invalidates_the_null_stored_for_a_key_other_than_its_id(
    memory_cache: ResponseCache, mode: Any
) -> None:
    shelf = {"a": "1"}

    @cache_control(ttl=60)
    @federation.type(keys=["sku"])
    class Part:
        id: strawberry.ID
        sku: str

        @classmethod
        def resolve_reference(cls, sku: str) -> "Part | None":
            return cls(id=strawberry.ID(shelf[sku]), sku=sku) if sku in shelf else None

    @strawberry.type
    class Mutation:
        @strawberry.mutation
        def add(self, sku: str) -> Part:
            shelf[sku] = str(len(shelf) + 1)
            return Part(id=strawberry.ID(shelf[sku]), sku=sku)

    extension = ResponseCacheExtension(
        memory_cache, tenant=None, debug=True, invalidate_on_mutation=mode
    )
    schema = federation.Schema(mutation=Mutation, types=[Part], extensions=[extension])
    query = "query ($sent: [_Any!]!) { _entities(representations: $sent) { ... on Part { id } } }"

    def found(sku: str) -> tuple[object, str]:
        result = schema.execute_sync(query, {"sent": [{"__typename": "Part", "sku": sku}]})
        assert result.data is not None
        return result.data["_entities"][0], status(result)

    assert [found(sku) for sku in ("a", "b", "a", "b")] == [
        ({"id": "1"}, "miss"),
        (None, "miss"),
        ({"id": "1"}, "hit"),
        (None, "hit"),
    ]
    ask(schema, 'mutation { add(sku: "b") { id } }')
    assert found("b") == ({"id": "2"}, "miss")
    # The others are refreshed only where a mutation refreshes whole types.
    assert found("a") == ({"id": "1"}, "miss" if mode == "types" else "hit")


@pytest.mark.parametrize("key", ["shop till", "till { number }"])
def test_check_notes_a_key_of_several_or_nested_fields_and_says_what_to_write(
    memory_cache: ResponseCache, key: str
) -> None:
    @strawberry.type
    class Till:
        number: int

    @cache_control(ttl=60)
    @federation.type(keys=[key])
    class Receipt:
        shop: str
        till: Till

    @strawberry.type
    class Query:
        @cache_control(ttl=60)
        @strawberry.field
        def receipt(self) -> Receipt:
            return Receipt(shop="north", till=Till(number=1))

        @cache_control(ttl=60)
        @strawberry.field
        def motto(self) -> str:
            return "once"

    extension = ResponseCacheExtension(memory_cache, tenant=None)
    schema = federation.Schema(Query, extensions=[extension])
    (note,) = extension.check(schema)
    assert note.startswith(f'Receipt: its @key "{key}" is not one field')
    assert "invalidates every response with a Receipt. Give the class a property id" in note
    assert explain(schema, "{ receipt { shop } }").notes == (note,)
    sent = {"sent": [{"__typename": "Receipt"}]}
    assert explain(schema, ONE.replace("till", "shop"), sent).notes == (note,)
    assert explain(schema, "{ motto }").notes == ()


@pytest.mark.parametrize("keys", [["shop till", "code"], ["code", "shop till"]])
def test_check_notes_nothing_if_one_of_the_keys_is_a_single_field(
    memory_cache: ResponseCache, keys: list[str]
) -> None:
    @cache_control(ttl=60)
    @federation.type(keys=[*keys])
    class Receipt:
        shop: str
        till: int
        code: str

    extension = ResponseCacheExtension(memory_cache, tenant=None)
    assert extension.check(federation.Schema(types=[Receipt], extensions=[extension])) == ()


def test_check_notes_that_nothing_is_cached_unless_an_entity_type_has_a_hint(
    memory_cache: ResponseCache,
) -> None:
    @federation.type(keys=["upc"])
    class Part:
        upc: str

    extension = ResponseCacheExtension(memory_cache, tenant=None)
    (note,) = extension.check(federation.Schema(types=[Part], extensions=[extension]))
    assert "nothing of this schema is cached" in note
    cache_control(ttl=60)(Part)
    assert extension.check(federation.Schema(types=[Part], extensions=[extension])) == ()
