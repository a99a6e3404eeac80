"""Where looking a field up costs more than generating it, `debug` and `explain` say so."""

from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
import strawberry

from benchmarks.delay import delaying, port_of
from strawberry_response_cache import ResponseCache, ResponseCacheExtension, cache_control, explain
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._field_costs import FieldCosts
from tests.graphql.ledger import outcome

_ENOUGH = 16
_QUERY = "{ account(number: %d) { name } }"


@strawberry.type
class Account:
    id: strawberry.ID

    @cache_control(ttl=60)
    @strawberry.field
    def name(self) -> str:
        return "Cash"


@strawberry.type
class Query:
    @strawberry.field
    def account(self, number: int) -> Account:
        return Account(id=strawberry.ID(str(number)))

    @cache_control(ttl=60)
    @strawberry.field
    def motto(self, number: int) -> str:
        return "once"


@pytest.fixture
async def far_cache(
    new_cache: Callable[..., ResponseCache], valkey_url: str
) -> AsyncIterator[ResponseCache]:
    """A cache whose server is so far away that a lookup takes longer than any field here."""
    proxy = await delaying(urlsplit(valkey_url).port or 0, lambda: 0.005)
    yield new_cache(f"redis://127.0.0.1:{port_of(proxy)}")
    proxy.close()


def of(cache: ResponseCache, **options: Any) -> strawberry.Schema:
    extension = ResponseCacheExtension(cache, tenant=None, **options)
    return strawberry.Schema(Query, extensions=[extension])


async def test_debug_and_explain_advise_to_make_an_expensive_field_a_part_of_its_parent(
    far_cache: ResponseCache,
) -> None:
    schema = of(far_cache, debug=True)
    for number in range(_ENOUGH):
        before = explain(schema, _QUERY % number)
        said = outcome(await schema.execute(_QUERY % number))
    (line,) = said["fields"]
    assert line["advice"].startswith("Generating Account.name takes ")
    assert "cache_control(inherit=True) at Account.name" in line["advice"]
    (note,) = explain(schema, _QUERY % 1).notes
    assert note.startswith("Generating Account.name takes ")
    assert before.notes == () or before.notes[0].startswith("Generating Account.name")


def known(
    cache: ResponseCache, *, generating: float, looking_up: float, field: str = "Account.name"
) -> None:
    counters = tenant_of(cache).counters
    for _ in range(_ENOUGH):
        counters.field_costs.generated(field, generating)
        counters.field_costs.looked_up(looking_up)
        counters.requests["field"].hit(0, is_local=False)


def test_no_advice_is_given_for_a_root_field_which_has_no_parent(
    memory_cache: ResponseCache,
) -> None:
    query = "{ account(number: 1) { id } motto(number: 1) }"
    schema = of(memory_cache)
    known(memory_cache, generating=0.001, looking_up=0.002, field="Query.motto")
    (field,) = (each for each in explain(schema, query).fields if each.own_ttl is not None)
    assert field.coordinate == "Query.motto"
    assert explain(schema, query).notes == ()


def test_no_advice_is_given_for_a_field_whose_entries_save_time(
    memory_cache: ResponseCache,
) -> None:
    schema = of(memory_cache)
    known(memory_cache, generating=0.002, looking_up=0.001)
    assert explain(schema, _QUERY % 1).notes == ()


def test_no_advice_is_given_for_a_field_whose_lookups_local_memory_makes_cheap(
    memory_cache: ResponseCache,
) -> None:
    schema = of(memory_cache)
    known(memory_cache, generating=0.001, looking_up=0.002)
    requests = tenant_of(memory_cache).counters.requests["field"]
    requests.local_hits = requests.redis_hits
    assert explain(schema, _QUERY % 1).notes == ()
    requests.local_hits -= 1
    assert len(explain(schema, _QUERY % 1).notes) == 1


def test_measured_costs_of_fields_are_bounded_and_can_be_reset() -> None:
    costs = FieldCosts()
    for number in range(3000):
        for _ in range(_ENOUGH):
            costs.generated(f"A.f{number}", 1.0)
    assert costs.generating("A.f1") == 1.0
    assert costs.generating("A.f2999") is None
    assert costs.looking_up() is None
    costs.reset()
    assert costs.generating("A.f1") is None
