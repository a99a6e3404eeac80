"""What a client sends of an object that it asks Apollo Federation for reaches no other client."""

from typing import Any

import pytest
import strawberry

from strawberry_response_cache import ResponseCache, cache_control
from tests.graphql.both_ways import WAYS, BothWays
from tests.graphql.ledger import outcome

pytestmark = pytest.mark.parametrize("way", WAYS)


def fields(result: Any) -> dict[str, str]:
    """What the cache did for each field."""
    return {each["field"]: each["status"] for each in outcome(result)["fields"]}


@strawberry.federation.type(keys=["id"])
class Named:
    """It is found by its id."""

    id: strawberry.ID
    name: str = "of the server"

    @classmethod
    def resolve_reference(cls, id: strawberry.ID, name: str = "of the server") -> "Named":  # noqa: A002 - the key's name
        return cls(id=id, name=name)

    @cache_control(ttl=60)
    @strawberry.field
    def greeting(self) -> str:
        return f"from {self.name}"


@strawberry.federation.type(keys=["id"])
class Maker:
    id: strawberry.ID
    name: str = "the maker"

    @cache_control(ttl=60)
    @strawberry.field
    def greeting(self) -> str:
        return f"from {self.name}"


@strawberry.federation.type(keys=["id"])
class Part:
    """Strawberry makes it of what a client sends: there is no ``resolve_reference``."""

    id: strawberry.ID
    weight: int = 1
    maker: Maker | None = None

    @cache_control(ttl=60)
    @strawberry.field
    def doubled(self) -> int:
        return 2 * self.weight


@strawberry.type
class Parts:
    @strawberry.field
    def fresh(self) -> int:
        return 1

    @strawberry.field
    def named(self) -> Named:
        return Named(id=strawberry.ID("1"))

    @strawberry.field
    def part(self) -> Part:
        return Part(id=strawberry.ID("1"), weight=5, maker=Maker(id=strawberry.ID("1")))


@pytest.mark.parametrize(
    "sent",
    [
        {"weight": 999},
        {"weight": 5, "maker": {"id": "1", "name": "nobody"}},
        {"weight": 5, "maker": {"id": "1", "name": "somebody"}},
        {},
    ],
)
async def test_values_that_a_client_sends_of_an_entity_reach_no_other_client(
    memory_cache: ResponseCache, way: str, sent: dict[str, Any]
) -> None:
    shop = BothWays(Parts, memory_cache, federation=True)
    entities = """query ($of: [_Any!]!) { fresh _entities(representations: $of) {
        ... on Part { doubled maker { greeting } } } }"""
    plain = "{ fresh part { doubled maker { greeting } } }"

    def of(said: dict[str, Any]) -> dict[str, Any]:  # Strawberry changes what it is given
        return {"of": [{"__typename": "Part", "id": "1", **each} for each in ({}, said)]}

    for said in (sent, {}, sent):
        expected = await shop.ask_plain(entities, of(said), form="operation")
        result = await shop.ask(entities, of(said), way=way)
        assert result.data == expected.data
        others = await shop.ask(plain, way=way)
        assert others.data == (await shop.ask_plain(plain, form="operation")).data
    again = await shop.ask(entities, of(sent), way=way)
    assert {*fields(again).values()} == {"hit"}


async def test_an_object_that_is_found_by_its_id_shares_the_entries_of_its_fields(
    memory_cache: ResponseCache, way: str
) -> None:
    shop = BothWays(Parts, memory_cache, federation=True)
    entities = """query ($of: [_Any!]!) { fresh _entities(representations: $of) {
        ... on Named { greeting } } }"""
    await shop.ask("{ fresh named { greeting } }", way=way)
    for sent, expected in (({}, "hit"), ({"name": "somebody"}, "miss"), ({}, "hit")):
        of = [{"__typename": "Named", "id": "1", **sent}]
        result = await shop.ask(entities, {"of": of}, way=way)
        assert f"from {sent.get('name', 'of the server')}" in str(result.data)
        assert fields(result) == {"Named.greeting": expected}


async def test_entity_values_that_no_key_can_hold_reach_no_other_client(
    memory_cache: ResponseCache, way: str
) -> None:
    shop = BothWays(Parts, memory_cache, federation=True)
    sent = '{__typename: "Part", id: "1", weight: 1e999, maker: {id: "1", name: "nobody"}}'
    entities = f"{{ fresh _entities(representations: [{sent}]) {{ ... on Part {{ maker {{ greeting }} }} }} }}"
    result = await shop.ask(entities, way=way)
    assert "from nobody" in str(result.data)
    plain = "{ fresh part { maker { greeting } } }"
    assert "from the maker" in str((await shop.ask(plain, way=way)).data)
