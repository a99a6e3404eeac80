"""What is kept of documents, their conditions and their variables is bounded, whatever clients send."""

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import strawberry
from graphql import DocumentNode, OperationDefinitionNode, parse
from strawberry.extensions import SchemaExtension

from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control
from strawberry_response_cache.graphql.keys.plan import Plan
from strawberry_response_cache.graphql.keys.plans import Plans
from tests.conftest import living
from tests.graphql.ledger import Ledger

pytestmark = [pytest.mark.parametrize("url", ["memory://"]), pytest.mark.usefixtures("older")]

PLAN, VARIANT, FIELD, STEMS = "Plan", "Variant", "FieldPlan", "Stems"


def kept(kind: str) -> list[Any]:
    """All objects of one of the package's classes that these tests have made."""
    gc.collect()
    return [each for each in living() if type(each).__name__ == kind]


class KeepsEveryDocument(SchemaExtension):
    """As a parser cache without a bound does."""

    documents: dict[str, Any] = {}  # noqa: RUF012 - for all requests

    def on_parse(self) -> Iterator[None]:
        text = str(self.execution_context.query)
        if text not in self.documents:
            self.documents[text] = parse(text)
        self.execution_context.graphql_document = self.documents[text]
        yield


async def test_plans_of_documents_that_an_extension_keeps_alive_are_bounded_in_bytes(
    make_ledger: Callable[..., Ledger],
) -> None:
    before = len(kept(PLAN))
    ledger = make_ledger(KeepsEveryDocument, plan_bytes=1_000_000)
    ledger.schema.extensions = tuple(reversed(ledger.schema.extensions))
    try:
        for number in range(200):
            ledger.ask_sync(f"{{ a{number}: unannotated }}")
        assert len(KeepsEveryDocument.documents) == 200
        assert before + 10 < len(kept(PLAN)) <= before + 500_000 // 4_000
    finally:
        KeepsEveryDocument.documents.clear()


async def test_the_plan_of_a_document_is_freed_with_the_document(
    make_ledger: Callable[..., Ledger],
) -> None:
    before = len(kept(PLAN))
    ledger = make_ledger(KeepsEveryDocument)
    ledger.schema.extensions = tuple(reversed(ledger.schema.extensions))
    for number in range(30):
        ledger.ask_sync(f"{{ a{number}: unannotated }}")
    assert len(kept(PLAN)) == before + 30
    KeepsEveryDocument.documents.clear()
    assert len(kept(PLAN)) <= before + 1, "that of the latest request may be in somebody's hands"


def plans_of(ledger: Ledger) -> Plans:
    found: Plans = vars(ledger.schema)["_response_cache"].adopted.plans
    return found


def planned(plans: Plans, document: DocumentNode) -> list[Plan]:
    operations = [
        each for each in document.definitions if isinstance(each, OperationDefinitionNode)
    ]
    return [plans.plan(document, each, {}) for each in operations]


def test_plans_are_kept_per_document_and_dropped_when_it_is_freed(
    make_ledger: Callable[..., Ledger],
) -> None:
    plans = plans_of(make_ledger())
    one, other = parse("query A { unannotated } query B { total }"), parse("{ unannotated }")
    first = planned(plans, one)
    assert all(now is before for now, before in zip(planned(plans, one), first, strict=True))
    assert len({each.canonical for each in first}) == 2
    planned(plans, other)
    assert len(plans) == 2
    numbers = [getattr(plans.planned(each), "number", None) for each in (one, other)]
    assert len({None, *numbers}) == 3
    assert plans.planned(parse("{ unannotated }")) is None
    del one, first
    gc.collect()
    planned(plans, other)
    assert len(plans) == 1
    assert getattr(plans.planned(other), "number", None) == numbers[1]


@pytest.mark.combined  # each way by itself
@pytest.mark.parametrize("is_noted", [True, False], ids=["noted", "another thread has the note"])
def test_a_document_at_the_address_of_a_freed_one_has_plans_of_its_own(
    make_ledger: Callable[..., Ledger], *, is_noted: bool
) -> None:
    plans = plans_of(make_ledger())
    known: dict[int, int] = {}
    again = 0
    for _ in range(300):
        document = parse("{ unannotated }", no_location=True)
        again += id(document) in known
        assert plans.planned(document) is None
        if not is_noted:
            vars(plans)["_gone"].clear()
        [plan] = planned(plans, document)
        assert plan.operation is document.definitions[0]
        number = getattr(plans.planned(document), "number", 0)
        assert number not in known.values()
        known[id(document)] = number
        del document, plan
    if not again:
        pytest.skip("no address was used twice")


def test_freeing_documents_whose_plans_were_evicted_keeps_the_plans_of_others(
    make_ledger: Callable[..., Ledger],
) -> None:
    plans = Plans(plans_of(make_ledger()).setting, max_bytes=40_000)
    documents = [parse("{ unannotated }") for _ in range(40)]
    for each in documents:
        planned(plans, each)
    assert len(plans) < 40
    last = documents[-1]
    [plan] = planned(plans, last)
    documents.clear()
    gc.collect()
    assert planned(plans, last) == [plan]
    assert len(plans) == 1


def test_the_plans_kept_of_one_document_are_bounded_in_bytes(
    make_ledger: Callable[..., Ledger],
) -> None:
    plans = Plans(plans_of(make_ledger()).setting, max_bytes=400_000)
    document = parse(" ".join(f"query Q{number} {{ unannotated }}" for number in range(60)))
    planned(plans, document)
    found = plans.planned(document)
    assert found is not None
    assert 1 < len(found.plans) < 60


@strawberry.type
class Query:
    @strawberry.field
    def fresh(self) -> int:
        return 0

    @cache_control(ttl=60)
    @strawberry.field
    def echo(self, number: int) -> int:
        return number


@pytest.fixture
def ask(cache: ResponseCache) -> Callable[..., Any]:
    extension = ResponseCacheExtension(cache, tenant=None, debug=True)
    schema = strawberry.Schema(Query, extensions=[extension])

    async def execute(query: str, **variables: Any) -> Any:
        result = await schema.execute(query, variable_values=variables)
        assert result.errors is None
        return result

    return execute


async def test_the_conditions_kept_of_one_document_are_bounded(
    ask: Callable[..., Any],
) -> None:
    names = [f"c{number}" for number in range(7)]
    declared = " ".join(f"${name}: Boolean!" for name in names)
    fields = " ".join(f"{name}: __typename @include(if: ${name})" for name in names)
    query = f"query ({declared}) {{ fresh {fields} }}"
    before = len(kept(VARIANT))
    for chosen in range(2 ** len(names)):
        taken = {name: bool(chosen >> place & 1) for place, name in enumerate(names)}
        for _ in range(2):
            result = await ask(query, **taken)
            assert set(result.data) == {"fresh", *(name for name in names if taken[name])}
    assert before < len(kept(VARIANT)) <= before + 64 + 1


async def test_the_keys_kept_for_the_variables_of_one_field_are_bounded(
    ask: Callable[..., Any],
) -> None:
    for number in range(100):
        result = await ask("query ($n: Int!) { fresh echo(number: $n) }", n=number)
        assert result.data["echo"] == number
    kept_here = [vars(stems).values() for stems in kept(STEMS)]
    sizes = [len(each) for values in kept_here for each in values if isinstance(each, dict)]
    assert max(sizes) == 64


# -- In bytes: what is kept of one document takes no more than its share of `plan_bytes` ---------------------


def entity(number: int) -> Any:
    """Return a type of which a gateway asks for objects."""
    made = type(f"Entity{number}", (), {"__annotations__": {"id": strawberry.ID}})
    return cache_control(ttl=60)(strawberry.federation.type(made, keys=["id"]))


ENTITIES = [entity(number) for number in range(12)]


@pytest.fixture
def ask_in_little_room(cache: ResponseCache) -> Iterator[Callable[..., Any]]:
    """Ask a schema in which one document and its plan have room for about four variants; all documents stay."""
    extension = ResponseCacheExtension(cache, tenant=None, plan_bytes=400_000)
    schema = strawberry.federation.Schema(
        Query, types=ENTITIES, extensions=[KeepsEveryDocument, extension]
    )

    async def execute(query: str, **variables: Any) -> Any:
        result = await schema.execute(query, variable_values=variables)
        assert result.errors is None
        return result.data

    yield execute
    KeepsEveryDocument.documents.clear()


async def test_the_conditions_kept_of_one_document_are_bounded_in_bytes(
    ask_in_little_room: Callable[..., Any],
) -> None:
    names = [f"c{number}" for number in range(4)]
    declared = " ".join(f"${name}: Boolean!" for name in names)
    fields = " ".join(f"{name}: __typename @include(if: ${name})" for name in names)
    before = len(kept(VARIANT))
    for chosen in range(2 ** len(names)):
        taken = {name: bool(chosen >> place & 1) for place, name in enumerate(names)}
        await ask_in_little_room(f"query ({declared}) {{ fresh {fields} }}", **taken)
    assert before < len(kept(VARIANT)) <= before + 5


async def test_the_fields_kept_of_one_document_are_bounded_in_bytes(
    ask_in_little_room: Callable[..., Any],
) -> None:
    before = len(kept(FIELD))
    aliases = " ".join(f"a{number}: echo(number: {number})" for number in range(30))
    data = await ask_in_little_room(f"{{ fresh {aliases} }}")
    assert data == {"fresh": 0} | {f"a{number}": number for number in range(30)}
    assert before < len(kept(FIELD)) <= before + 5


async def test_the_keys_kept_of_one_document_are_bounded_in_bytes(
    ask_in_little_room: Callable[..., Any],
) -> None:
    for number in range(60):
        await ask_in_little_room("query ($n: Int!) { fresh echo(number: $n) }", n=number)
    kept_here = [vars(stems).values() for stems in kept(STEMS)]
    sizes = [len(each) for values in kept_here for each in values if isinstance(each, dict)]
    assert 1 < max(sizes) < 30


async def test_the_types_of_entities_kept_of_one_document_are_bounded_in_bytes(
    ask_in_little_room: Callable[..., Any],
) -> None:
    names = [f"Entity{number}" for number in range(len(ENTITIES))]
    conditions = " ".join(f"... on {name} {{ id }}" for name in names)
    query = f"query ($of: [_Any!]!) {{ _entities(representations: $of) {{ {conditions} }} }}"
    data = await ask_in_little_room(query, of=[{"__typename": name, "id": "1"} for name in names])
    assert data == {"_entities": [{"id": "1"}] * len(names)}
    sizes = [len(variant.entity_plans) for variant in kept(VARIANT)]
    assert 0 < max(sizes) <= 5
