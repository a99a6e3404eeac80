"""Of any schema and any operation: the policy is what a naive walk finds, and a key means one response."""

import math
from dataclasses import dataclass
from typing import Any

import strawberry
from graphql import FragmentDefinitionNode, OperationDefinitionNode, parse
from hypothesis import given, settings
from hypothesis import strategies as st
from strawberry.types import ExecutionResult

from strawberry_response_cache import ResponseCache, ResponseCacheExtension
from strawberry_response_cache.graphql._adoption import setting_of
from strawberry_response_cache.graphql._options import options_of
from strawberry_response_cache.graphql.policy import policy as _policy
from tests.graphql.generated import EXAMPLES, IS_QUICK
from tests.graphql.generated.classes import classes_of
from tests.graphql.generated.members import shared_places
from tests.graphql.generated.operations import Request, requests
from tests.graphql.generated.picked import PickedWorld
from tests.graphql.generated.schemas import ROOT, Blueprint, blueprints
from tests.graphql.generated.walk import Policy, Walk
from tests.graphql.ledger import outcome, status

MANY = EXAMPLES if IS_QUICK else settings().max_examples


def ask(schema: strawberry.Schema, request: Request, world: PickedWorld) -> ExecutionResult:
    result = schema.execute_sync(
        str(request),
        variable_values=dict(request.given),
        operation_name=request.operation_name,
        context_value={"world": world},
    )
    assert result.errors is None
    return result


def decided(schema: strawberry.Schema, request: Request, world: PickedWorld) -> Policy:
    """What the cache decides of a request that it has not seen yet."""
    return decision_of(ask(schema, request, world))


def decision_of(result: ExecutionResult) -> Policy:
    """What the cache said that it decided."""
    said = outcome(result)
    if said["status"] == "miss":
        limiting = {said["limitedBy"]} if "limitedBy" in said else set()
        return Policy(said["ttl"], said["scope"], limiting=frozenset(limiting))
    assert said["status"] == "bypass"
    return Policy(reasons=frozenset({said["reason"]}))


@dataclass(frozen=True)
class Example:
    """A schema, a request to it, and what numbers pick from its data."""

    blueprint: Blueprint
    request: Request
    default_ttl: float | None
    guarded: str
    max_ttl: float | None = None

    def walk(self) -> Walk:
        longest = math.inf if self.max_ttl is None else self.max_ttl
        return Walk(self.blueprint, self.default_ttl, self.guarded, longest)

    def policy(self) -> Policy:
        """What follows from all that can stand there."""
        walk = self.walk()
        walk.over(self.request.selections, frozenset({ROOT}), self.request)
        return walk.policy()


ANY = blueprints()


@st.composite
def examples(draw: st.DrawFn, of: st.SearchStrategy[Blueprint] = ANY) -> Example:
    blueprint = draw(of)
    default_ttl = draw(st.sampled_from([None, None, 5000, 1000]))
    guarded = draw(st.sampled_from(["private", "private", "private", "uncacheable"]))
    max_ttl = draw(st.sampled_from([None, None, None, 1500, 700]))
    return Example(blueprint, draw(requests(blueprint)), default_ttl, guarded, max_ttl)


def schema_of(example: Example, classes: dict[str, Any], store: ResponseCache) -> strawberry.Schema:
    extension = ResponseCacheExtension(
        store,
        tenant=None,
        session=lambda _: "alice",
        vary={"locale": lambda _: "en", "zone": lambda _: 1},
        debug=True,
        default_ttl=example.default_ttl,
        max_ttl=example.max_ttl,
        guarded=example.guarded,  # type: ignore[arg-type] # one of the two, as drawn
    )
    others = [classes[t.name] for t in example.blueprint.types if not t.union and t.name != ROOT]
    return strawberry.Schema(classes[ROOT], types=others, extensions=[extension])


def planned_of(schema: strawberry.Schema, request: Request) -> _policy.Policy:
    """What was worked out before anything ran; a stale window shows nowhere else so soon."""
    setting = setting_of(schema, options_of(schema))
    definitions = parse(str(request)).definitions
    operations = [each for each in definitions if isinstance(each, OperationDefinitionNode)]
    fragments = [each for each in definitions if isinstance(each, FragmentDefinitionNode)]
    return _policy.work_out_policy(
        setting.schema,
        setting.rules,
        operations[request.selected],
        {each.name.value: each for each in fragments},
        variables=request.variables,
        defaults=setting.defaults,
    )


@settings(max_examples=MANY)
@given(example=examples(blueprints(by_type=True)))
def test_the_policy_is_what_a_naive_walk_finds_where_types_say_for_how_long(
    store: ResponseCache, example: Example
) -> None:
    see_that_the_policy_is_what_a_naive_walk_finds(store, example)


@settings(max_examples=MANY)
@given(example=examples(shared_places()))
def test_the_policy_is_what_a_naive_walk_finds_for_unions_and_interfaces(
    store: ResponseCache, example: Example
) -> None:
    see_that_the_policy_is_what_a_naive_walk_finds(store, example)


@settings(max_examples=EXAMPLES)
@given(example=examples())
def test_the_policy_is_what_a_naive_walk_over_all_possible_types_finds(
    store: ResponseCache, example: Example
) -> None:
    see_that_the_policy_is_what_a_naive_walk_finds(store, example)


def see_that_the_policy_is_what_a_naive_walk_finds(store: ResponseCache, example: Example) -> None:
    expected = example.policy()
    classes = classes_of(example.blueprint)
    # Of nulls and empty lists, so that no object speaks for itself.
    world = PickedWorld(example.blueprint, classes)
    store.clear_sync()
    schema = schema_of(example, classes, store)
    found = decided(schema, example.request, world)
    assert found.scope == expected.scope
    if found.ttl is None or expected.ttl is None:
        assert found.ttl == expected.ttl
    else:
        # A response that holds entries of its fields ends with the first of them, which are older.
        assert expected.ttl - 100 <= found.ttl <= expected.ttl
        assert found.limiting <= expected.limiting
        planned = planned_of(schema, example.request)
        assert (planned.stale, frozenset(planned.vary)) == (expected.stale, expected.vary)
    assert found.reasons <= expected.reasons


@settings(max_examples=EXAMPLES)
@given(example=examples(), picks=st.lists(st.integers(0, 11), min_size=1, max_size=8))
def test_the_policy_is_never_laxer_than_the_fields_that_were_executed(
    store: ResponseCache, example: Example, picks: list[int]
) -> None:
    classes = classes_of(example.blueprint)
    world, later = (PickedWorld(example.blueprint, classes, tuple(picks)) for _ in range(2))
    schema = schema_of(example, classes, store)
    store.clear_sync()
    first = ask(schema, example.request, world)
    found = decision_of(first)
    walk = example.walk()
    walk.over_executed(world.executed)
    if found.cacheable:
        assert found.ttl is not None
        assert not walk.reasons
        assert not walk.poisoned
        assert found.ttl <= min(walk.ttls.values(), default=found.ttl)
        assert found.scope == "PRIVATE" or not walk.private
    elif example.policy().cacheable:
        # Nothing forbade it beforehand, so an object did that was really there, perhaps in an entry of its own.
        assert walk.poisoned
        assert found.reasons <= {"ttl_zero", "uncacheable_part"}
    again = ask(schema, example.request, later)
    assert status(again) == ("hit" if found.cacheable else "bypass")
    if found.cacheable:
        assert again.data == first.data
        assert later.executed == []
