"""Of any schema and any operation: the policy is what a naive walk finds, and a key means one response."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import strawberry
from hypothesis import given, settings
from hypothesis import strategies as st
from strawberry.types import ExecutionResult

from strawberry_response_cache import CacheScope, ResponseCache, ResponseCacheExtension
from tests.graphql.generated import (
    EXAMPLES,
    ROOT,
    SCALAR,
    Blueprint,
    Executed,
    Hint,
    Member,
    Request,
    Selection,
    World,
    blueprints,
    classes_of,
    requests,
)
from tests.graphql.ledger import outcome, status


@pytest.fixture(scope="module")
def store() -> Iterator[ResponseCache]:
    """One cache for all examples, which clear it or stay apart by the name of their schema."""
    with ResponseCache.from_url(
        "memory://",
        prefix="properties",
        telemetry=False,
        read_deadline=20,
        connect_deadline=20,
        invalidate_deadline=20,
        early_refresh=0,
    ) as cache:
        yield cache


@dataclass(frozen=True)
class Policy:
    """What is decided of an operation: for how long and for whom, or why not at all."""

    ttl: float | None = None
    scope: str | None = None
    reasons: frozenset[str] = frozenset()

    @property
    def cacheable(self) -> bool:
        return not self.reasons


def ask(schema: strawberry.Schema, request: Request, world: World) -> ExecutionResult:
    result = schema.execute_sync(
        str(request),
        variable_values=dict(request.given),
        operation_name=request.operation_name,
        context_value={"world": world},
    )
    assert result.errors is None
    return result


def decided(schema: strawberry.Schema, request: Request, world: World) -> Policy:
    """What the cache decides of a request that it has not seen yet."""
    return decision_of(ask(schema, request, world))


def decision_of(result: ExecutionResult) -> Policy:
    """What the cache said that it decided."""
    said = outcome(result)
    if said["status"] == "miss":
        return Policy(said["ttl"], said["scope"])
    assert said["status"] == "bypass"
    return Policy(reasons=frozenset({said["reason"]}))


# -- The naive walk ------------------------------------------------------------------------------------

FOLLOWS = None
"""What a field says that lives as long as its parent."""


@dataclass
class Walk:
    """What a blueprint's hints say, read from the specification word by word."""

    blueprint: Blueprint
    default_ttl: float | None
    guarded: str
    ttls: set[float] = field(default_factory=set)
    reasons: set[str] = field(default_factory=set)
    private: bool = False
    poisoned: bool = False

    # - One field, on one concrete parent, with one concrete result

    def type_ttl(self, name: str) -> float | None:
        """A type's own ttl, else 0 if it inherits that; longer ones are not inherited."""
        own, *inherited = [self.blueprint.by_name[n].hint for n in self.blueprint.lineages[name]]
        return _own_or_zero(own, inherited)

    def field_ttl(self, parent: str, name: str) -> float | None:
        """A field's own ttl, else 0 if one of the same name on a base or interface says so."""
        own = self.blueprint.member(parent, name).hint
        return _own_or_zero(own, [m.hint for m in self.blueprint.declarations(parent, name)])

    def said(self, parent: str, member: Member) -> float | str | None:
        """What a field says whatever it returns: its own ttl, or the reason that it has no hint."""
        own = self.field_ttl(parent, member.name)
        if own is None and self.default_ttl is None and member.hint is None and member.resolver:
            return "root_without_hint" if parent == ROOT else "resolver_without_hint"
        return own

    def poisons(self, member: Member, result: str) -> bool:
        """Whether an object counts only when it is there: one of a ttl=0 type where others may be."""
        return self.blueprint.by_name[member.returns].abstract and self.type_ttl(result) == 0

    def lifetime(self, parent: str, member: Member, result: str | None) -> float | str | None:
        """How long a field lives: seconds, `FOLLOWS`, or the reason why it must not be cached."""
        said = self.said(parent, member)
        if said is not None:
            return said
        if result is not None:
            by_type = self.type_ttl(result)
            if by_type is None:
                by_type = self.type_ttl(member.returns)
            if by_type is not None:
                return by_type
        if member.hint and member.hint.inherit:
            return FOLLOWS
        if self.default_ttl is not None:
            return self.default_ttl if parent == ROOT or result is not None else FOLLOWS
        return "without_ttl" if member.resolver else FOLLOWS

    def guard(self, parent: str, member: Member) -> str | None:
        """Whether a check forbids to cache; below a cached field its decision is for the session."""
        if not member.guarded:
            return None
        return "guarded" if parent == ROOT or self.guarded == "uncacheable" else None

    def is_private(self, parent: str, name: str, results: Iterable[str]) -> bool:
        """Whether anything that speaks of a field says PRIVATE."""
        hints = [each.hint for each in self.blueprint.declarations(parent, name)]
        for result in results:
            hints += [self.blueprint.by_name[n].hint for n in self.blueprint.lineages[result]]
        said = any(hint and hint.scope is CacheScope.PRIVATE for hint in hints)
        return said or self.blueprint.member(parent, name).guarded

    # - What can stand there

    def over(
        self, selections: Iterable[Selection], parents: frozenset[str], request: Request
    ) -> None:
        """Walk over selections, with all the object types on which they may be resolved."""
        for each in selections:
            if not all(condition.holds(request.variables) for condition in each.conditions):
                continue
            if each.field is None:
                here = self.blueprint.possible(each.on) if each.on else parents
                self.over(each.below, parents & here, request)
            elif each.field != "__typename":
                for parent in parents:
                    self.on(parent, self.blueprint.member(parent, each.field), each, request)

    def on(self, parent: str, member: Member, selection: Selection, request: Request) -> None:
        """Note what one field says, and walk on below it."""
        refused = self.guard(parent, member)
        if refused:
            self.reasons.add(refused)
        if member.returns == SCALAR:
            self.note(self.lifetime(parent, member, None))
            self.private |= self.is_private(parent, member.name, ())
            return
        results = self.blueprint.possible(member.returns)
        self.private |= self.is_private(parent, member.name, {member.returns, *results})
        # An object that poisons what holds it says nothing before it is there, nor does what it holds.
        poisonous = {result for result in results if self.poisons(member, result)}
        for result in results:
            lifetime = self.lifetime(parent, member, result)
            if lifetime != 0 or result not in poisonous or results == poisonous:
                self.note(lifetime)
        self.over(selection.below, results - poisonous, request)

    def note(self, lifetime: float | str | None) -> None:
        if isinstance(lifetime, str):
            self.reasons.add(lifetime)
        elif lifetime is not FOLLOWS:
            self.ttls.add(lifetime)

    def policy(self) -> Policy:
        """The lowest ttl, PRIVATE if anything is."""
        reasons = set(self.reasons)
        if self.poisoned or 0 in self.ttls:
            reasons.add("ttl_zero")
        elif not self.ttls:
            reasons.add("without_ttl")
        if reasons:
            return Policy(reasons=frozenset(reasons))
        return Policy(min(self.ttls), "PRIVATE" if self.private else "PUBLIC")

    # - What was there

    def over_executed(self, executed: Iterable[Executed]) -> None:
        """Walk over the fields that were resolved, with their objects."""
        for each in executed:
            member = self.blueprint.member(each.parent, each.field)
            refused = self.guard(each.parent, member)
            if refused:
                self.reasons.add(refused)
            self.private |= self.is_private(each.parent, each.field, each.gave)
            for result in each.gave:
                self.note(self.lifetime(each.parent, member, result))
                if self.poisons(member, result):
                    self.poisoned = True
            if not each.gave:
                # Of a null, only the field itself says how long it lives.
                scalar = member.returns == SCALAR
                said = self.lifetime(each.parent, member, None)
                self.note(said if scalar else self.said(each.parent, member))


def _own_or_zero(own: Hint | None, inherited: Iterable[Hint | None]) -> float | None:
    if own and own.ttl is not None:
        return own.ttl
    return 0 if any(hint and hint.ttl == 0 for hint in inherited) else None


@dataclass(frozen=True)
class Example:
    """A schema, a request to it, and what numbers pick from its data."""

    blueprint: Blueprint
    request: Request
    default_ttl: float | None
    guarded: str

    def walk(self) -> Walk:
        return Walk(self.blueprint, self.default_ttl, self.guarded)

    def policy(self) -> Policy:
        """What follows from all that can stand there."""
        walk = self.walk()
        walk.over(self.request.selections, frozenset({ROOT}), self.request)
        return walk.policy()


@st.composite
def examples(draw: st.DrawFn) -> Example:
    blueprint = draw(blueprints())
    default_ttl = draw(st.sampled_from([None, None, 50, 10]))
    guarded = draw(st.sampled_from(["private", "private", "private", "uncacheable"]))
    return Example(blueprint, draw(requests(blueprint)), default_ttl, guarded)


def schema_of(example: Example, classes: dict[str, Any], store: ResponseCache) -> strawberry.Schema:
    extension = ResponseCacheExtension(
        store,
        tenant=None,
        session=lambda _: "alice",
        debug=True,
        default_ttl=example.default_ttl,
        guarded=example.guarded,  # type: ignore[arg-type] # one of the two, as drawn
    )
    others = [classes[t.name] for t in example.blueprint.types if not t.union and t.name != ROOT]
    return strawberry.Schema(classes[ROOT], types=others, extensions=[extension])


@settings(max_examples=EXAMPLES)
@given(example=examples())
def test_the_policy_is_what_a_naive_walk_over_all_that_can_stand_there_finds(
    store: ResponseCache, example: Example
) -> None:
    expected = example.policy()
    classes = classes_of(example.blueprint)
    # Of nulls and empty lists, so that no object speaks for itself.
    world = World(example.blueprint, classes)
    store.clear_sync()
    found = decided(schema_of(example, classes, store), example.request, world)
    assert found.scope == expected.scope
    if found.ttl is None or expected.ttl is None:
        assert found.ttl == expected.ttl
    else:
        # A response that holds entries of its fields ends with the first of them, which are older.
        assert expected.ttl - 1 <= found.ttl <= expected.ttl
    assert found.reasons <= expected.reasons


@settings(max_examples=EXAMPLES)
@given(example=examples(), picks=st.lists(st.integers(0, 11), min_size=1, max_size=8))
def test_the_policy_is_never_laxer_than_the_fields_that_were_executed(
    store: ResponseCache, example: Example, picks: list[int]
) -> None:
    classes = classes_of(example.blueprint)
    world, later = (World(example.blueprint, classes, tuple(picks)) for _ in range(2))
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
        assert found.ttl <= min(walk.ttls, default=found.ttl)
        assert found.scope == "PRIVATE" or not walk.private
    elif example.policy().cacheable:
        # Nothing forbade it beforehand, so an object did that was really there.
        assert walk.poisoned
        assert found.reasons == {"ttl_zero"}
    again = ask(schema, example.request, later)
    assert status(again) == ("hit" if found.cacheable else "bypass")
    if found.cacheable:
        assert again.data == first.data
        assert later.executed == []
