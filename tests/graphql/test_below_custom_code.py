"""Below custom code, which may change an object for each request, nested fields have no entries of their own."""

from typing import Annotated, Any

import pytest
import strawberry
from strawberry.extensions import FieldExtension, SchemaExtension

from strawberry_response_cache import CacheScope, ResponseCache, cache_control, explain
from strawberry_response_cache.graphql.policy.reasons import Reason
from tests.graphql.both_ways import WAYS, BothWays
from tests.graphql.ledger import outcome, reason

PUBLIC, PRIVATE = CacheScope.PUBLIC, CacheScope.PRIVATE


class Redacting(FieldExtension):
    """Hands on each object as the requester may see it."""

    def resolve(self, next_: Any, source: Any, info: strawberry.Info, **kwargs: Any) -> Any:
        found = next_(source, info, **kwargs)
        for each in found if isinstance(found, list) else [found]:
            each.shown_to = info.context.get("user")
        return found

    async def resolve_async(
        self, next_: Any, source: Any, info: strawberry.Info, **kwargs: Any
    ) -> Any:
        return self.resolve(next_, source, info, **kwargs)


@strawberry.type
class Item:
    id: strawberry.ID
    shown_to: strawberry.Private[str] = ""

    @cache_control(ttl=60)
    @strawberry.field
    def price(self) -> str:
        return f"for {self.shown_to}"

    @cache_control(ttl=60, scope=PUBLIC)
    @strawberry.field
    def weight(self) -> str:
        return "for everyone"

    @cache_control(ttl=60, scope=PRIVATE)
    @strawberry.field
    def note(self) -> str:
        return f"for {self.shown_to}"

    @strawberry.field
    def other(self) -> "Item":
        return Item(id=strawberry.ID(f"{self.id} other"), shown_to=self.shown_to)


@strawberry.type
class Box:
    id: strawberry.ID
    shown_to: strawberry.Private[str] = ""

    @cache_control(ttl=60)
    @strawberry.field
    def price(self) -> str:
        return f"box for {self.shown_to}"


Thing = Annotated[Item | Box, strawberry.union("Thing")]


@strawberry.type
class Query:
    @strawberry.field
    def fresh(self) -> int:
        return 1

    @strawberry.field(extensions=[Redacting()])  # type: ignore[untyped-decorator]
    def item(self) -> Item:
        return Item(id=strawberry.ID("1"))

    @strawberry.field(extensions=[Redacting()])  # type: ignore[untyped-decorator]
    def items(self) -> list[Item]:
        return [Item(id=strawberry.ID(str(number))) for number in range(3)]

    @strawberry.field(extensions=[Redacting()])  # type: ignore[untyped-decorator]
    def things(self) -> list[Thing]:
        return [Item(id=strawberry.ID("1")), Box(id=strawberry.ID("1"))]

    @strawberry.field
    def open(self) -> Item:
        return Item(id=strawberry.ID("1"), shown_to="anyone")


BELOW = [
    "{ item { price } }",
    "{ item { other { other { price } } } }",
    "{ item { ...On } } fragment On on Item { price }",
    "{ items { price } }",
    "{ things { ... on Item { price } ... on Box { price } } }",
]


@pytest.mark.parametrize("query", BELOW)
@pytest.mark.parametrize("way", WAYS)
async def test_each_requester_gets_the_object_as_custom_code_above_changed_it(
    memory_cache: ResponseCache, query: str, way: str
) -> None:
    both = BothWays(Query, memory_cache)
    for user in ["alice", "bob"] * 2:
        expected = await both.ask_plain(query, form="field", user=user)
        answer = await both.ask(query, way=way, form="field", user=user)
        assert answer.data == expected.data
    for told in outcome(answer)["fields"]:
        assert (told["status"], told["reason"]) == ("bypass", "custom_code")
        assert "name Redacting in trusted_extensions" in told["advice"]
        assert f"write scope= in the cache_control of {told['field']}" in told["advice"]


@pytest.mark.parametrize("way", WAYS)
async def test_a_field_with_a_scope_in_its_hint_has_an_entry_below_custom_code(
    memory_cache: ResponseCache, way: str
) -> None:
    both, query = BothWays(Query, memory_cache), "{ items { price weight note } }"
    for user, weight, note in [("alice", "miss", "miss"), ("bob", "hit", "miss")]:
        for first in (True, False):
            answer = await both.ask(query, way=way, form="field", user=user)
            assert answer.data == (await both.ask_plain(query, form="field", user=user)).data
            told = {each["field"]: each["status"] for each in outcome(answer)["fields"]}
            assert told == {
                "Item.price": "bypass",
                "Item.weight": weight if first else "hit",
                "Item.note": note if first else "hit",
            }


@pytest.mark.parametrize("way", WAYS)
async def test_fields_without_custom_code_above_or_below_trusted_code_have_entries(
    memory_cache: ResponseCache, way: str
) -> None:
    elsewhere = BothWays(Query, memory_cache)
    trusting = BothWays(Query, memory_cache, trusted_extensions=[Redacting])
    for both, query in ((elsewhere, "{ open { price } }"), (trusting, "{ items { price } }")):
        for status in ("miss", "hit"):
            answer = await both.ask(query, way=way, form="field", user="alice")
            assert {each["status"] for each in outcome(answer)["fields"]} == {status}


@pytest.mark.parametrize("query", ["{ item { price } }", "{ open { price weight } item { id } }"])
@pytest.mark.parametrize("way", WAYS)
async def test_below_a_resolve_hook_of_another_extension_nothing_has_an_entry(
    memory_cache: ResponseCache, way: str, query: str
) -> None:
    class Hook(SchemaExtension):
        def resolve(self, _next: Any, root: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
            return _next(root, info, *args, **kwargs)

    both = BothWays(Query, memory_cache, trusted_extensions=[Redacting])
    schema = strawberry.Schema(Query, extensions=[both.extension, Hook])
    for _ in range(2):
        context = {"user": "alice"}
        if way == "execute":
            result = await schema.execute(query, context_value=context)
        else:
            result = schema.execute_sync(query, context_value=context)
        assert (result.errors, reason(result)) == (None, "custom_code")
        assert "fields" not in outcome(result)


def test_explain_names_the_custom_code_above(memory_cache: ResponseCache) -> None:
    schema = BothWays(Query, memory_cache).schema
    (item,) = explain(schema, "{ item { price weight other { price } } }").fields
    price, weight, other = item.fields
    (deeper,) = other.fields
    assert (item.reason, weight.reason, weight.own_ttl) == (Reason.CUSTOM_CODE, None, 60)
    for each in (price, deeper):
        assert (each.reason, each.own_ttl) == (Reason.CUSTOM_CODE, None)
        assert each.advice.startswith("Query.item, above Item.price, runs the field extension ")
    assert explain(schema, "{ open { price } }").fields[0].fields[0].own_ttl == 60
