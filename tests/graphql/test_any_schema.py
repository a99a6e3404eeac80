"""Of any schema, whoever asks: every answer is the one that a schema without a cache gives.

What a value depends on shows in it, and it depends on all that the annotations allow and on nothing
else: see `tests.graphql.generated.honest_world`.
"""

import asyncio
import contextvars
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import hypothesis
import pytest
import strawberry
from hypothesis import given, settings
from hypothesis import strategies as st
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.types import ExecutionResult

from strawberry_response_cache import ResponseCache, ResponseCacheExtension
from tests.graphql.generated import EXAMPLES, IS_QUICK
from tests.graphql.generated.classes import classes_of
from tests.graphql.generated.honest_world import HonestWorld, Rules, Versions
from tests.graphql.generated.mutations import Change, changes, mutation_of, several_changes
from tests.graphql.generated.operations import Request, Selection, alike, beside, requests, wrapped
from tests.graphql.generated.requesters import ONE, Requester, several_requesters
from tests.graphql.generated.schemas import (
    ALONE,
    ID,
    ROOT,
    UNCACHED,
    Blueprint,
    Hint,
    Member,
    Type,
    blueprints,
)
from tests.graphql.generated.towers import climbs, towers
from tests.graphql.generated.walk import Policy, Walk

MANY = EXAMPLES if IS_QUICK else settings().max_examples


@pytest.fixture(scope="module")
def loop(store: ResponseCache) -> Iterator[asyncio.AbstractEventLoop]:
    """One event loop for all examples."""
    made = asyncio.new_event_loop()
    yield made
    made.run_until_complete(store.aclose())
    made.close()


@dataclass(frozen=True)
class Round:
    """Everybody asks everything, after something has changed.

    Attributes:
        face: One request after the other, in a thread or in an event loop; or all of them at once.
        order: Where in turn each stands.
        changes: What has changed.
    """

    face: str
    order: tuple[tuple[int, int], ...]
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, repr=False)
class Example:
    """A schema, who asks it for what, and what changes meanwhile."""

    blueprint: Blueprint
    default_ttl: float | None
    guarded: str
    requests: tuple[Request, ...]
    requesters: tuple[Requester, ...]
    rounds: tuple[Round, ...]
    reach: str = "lists"
    is_steady: bool = False

    def __repr__(self) -> str:
        said = [f"default_ttl={self.default_ttl}, guarded={self.guarded!r}, reach={self.reach!r}"]
        said += [*map(str, self.requesters), *map(str, self.rounds)]
        return "\n".join([repr(self.blueprint), *map(repr, self.requests), *said]) + "\n"

    def policy(self, request: Request) -> Policy:
        """What follows from all that can stand there."""
        walk = Walk(self.blueprint, self.default_ttl, self.guarded)
        walk.over(request.selections, frozenset({ROOT}), request)
        return walk.policy()


FACES = st.sampled_from(["sync", "sync", "async", "together"])
ONE_BY_ONE = st.sampled_from(["sync", "async"])
REACHES = st.sampled_from(["lists", "entities"])


@st.composite
def examples(draw: st.DrawFn) -> Example:
    blueprint = draw(blueprints(honest=True))
    first = draw(requests(blueprint))
    if draw(st.sampled_from([False, False, False, True])):
        first = replace(first, operations=tuple(beside(each) for each in first.operations))
    if draw(st.booleans()):
        first = wrapped(first)
    others = (draw(alike(blueprint, first, other_variables=each)) for each in (True, False))
    asked = (first, *others)
    requesters = draw(several_requesters())
    everything = [(who, what) for who in range(len(requesters)) for what in range(len(asked))]
    tenants = [each.tenant for each in requesters]
    rounds = []
    for number in range(2):
        changed = draw(several_changes(blueprint, tenants)) if number else ()
        order = tuple(draw(st.permutations(everything)))
        rounds.append(Round(draw(FACES), order, changed))
    return Example(
        blueprint,
        draw(st.sampled_from([None, None, None, 5000])),
        draw(st.sampled_from(["private", "private", "private", "uncacheable"])),
        asked,
        requesters,
        tuple(rounds),
    )


@st.composite
def changed_often(draw: st.DrawFn) -> Example:
    """One who asks, and one change after the other: each shows what it reaches by itself."""
    if draw(st.booleans()):
        blueprint = draw(towers())
        first = draw(climbs(blueprint))[0]
    else:
        blueprint = draw(blueprints(honest=True))
        first = draw(requests(blueprint))
    asked = (first, replace(first, operations=tuple(map(beside, first.operations))))
    who = draw(ONE)
    rounds = []
    for number in range(6):
        changed = (draw(changes(blueprint, [who.tenant])),) if number else ()
        rounds.append(Round(draw(ONE_BY_ONE), ((0, 0), (0, 1)), changed))
    reach, is_steady = draw(REACHES), draw(st.booleans())
    return Example(blueprint, None, "private", asked, (who,), tuple(rounds), reach, is_steady)


@st.composite
def climbed_towers(draw: st.DrawFn) -> Example:
    blueprint = draw(towers())
    asked = draw(climbs(blueprint))
    requesters = draw(several_requesters())
    everything = [(who, what) for who in range(len(requesters)) for what in range(len(asked))]
    tenants = [requesters[0].tenant]
    rounds = []
    for number in range(3):
        changed = draw(several_changes(blueprint, tenants)) if number else ()
        rounds.append(Round(draw(FACES), tuple(draw(st.permutations(everything))), changed))
    return Example(blueprint, None, "private", asked, requesters, tuple(rounds))


TAGGED_TOWER = Blueprint(
    (
        Type("O0", declares=(Member(ALONE, resolver=True, hint=Hint(6000)), Member("id", ID))),
        Type("O1", declares=(Member("s1", "O0", resolver=True), Member("id", ID))),
        Type(
            ROOT,
            declares=(
                Member(UNCACHED, resolver=True),
                Member("q0", "O0", listed=True, resolver=True, hint=Hint(tags=("t0",))),
                Member("q1", "O1", listed=True, resolver=True, hint=Hint(tags=("t1",))),
            ),
        ),
    )
)


def changed_above() -> Example:
    """Entries below a tag, and below a tag and another object, of which each changes in turn."""
    entry = Selection(ALONE)
    roots = (
        Selection("q0", below=(entry,)),
        Selection("q1", below=(Selection("s1", below=(entry,)),)),
    )
    asked = tuple(Request(((root, Selection(UNCACHED)),), 0) for root in roots)
    order = ((0, 0), (0, 1))
    changes = [(), *((Change("direct", "acme", tag),) for tag in TAGGED_TOWER.tags)]
    rounds = tuple(Round("sync", order, each) for each in changes)
    return Example(TAGGED_TOWER, None, "private", asked, (Requester(),), rounds)


class Quiet(strawberry.Schema):
    """A schema that logs no errors: there are many, on purpose."""

    def process_errors(self, *args: Any, **kwargs: Any) -> None:
        """Leave them to the answer."""


@dataclass
class Server:
    """The schema of an example with a cache, and the same one without."""

    example: Example
    store: ResponseCache
    loop: asyncio.AbstractEventLoop
    versions: Versions = field(default_factory=Versions)
    serial: int = 0

    def __post_init__(self) -> None:
        example = self.example
        self.rules = Rules(example.blueprint, example.default_ttl, example.guarded)
        self.classes = classes_of(example.blueprint)
        mutation = mutation_of(example.blueprint, self.classes)
        names = [t.name for t in example.blueprint.types if not t.union and t.name != ROOT]
        self.types = [self.classes[name] for name in names]
        extension = ResponseCacheExtension(
            self.store,
            tenant=lambda context: context["world"].requester.tenant,
            session=lambda context: context["world"].requester.session,
            vary={
                "locale": lambda context: context["world"].requester.locale,
                "zone": lambda context: context["world"].requester.zone,
            },
            default_ttl=example.default_ttl,
            guarded=example.guarded,  # type: ignore[arg-type] # one of the two, as drawn
            invalidate_on_mutation=example.reach,  # type: ignore[arg-type] # as drawn
            debug=True,
        )
        root = self.classes[ROOT]
        self.cached = Quiet(root, mutation, types=self.types, extensions=[extension])
        parsed, valid = ParserCache(), ValidationCache()
        known = [lambda: parsed, lambda: valid]
        self.uncached = Quiet(root, mutation, types=self.types, extensions=known)
        extension.check(self.cached)

    def world(self, who: Requester, serial: int, *, waits: bool = False) -> HonestWorld:
        later = _later if waits else None
        is_steady = self.example.is_steady
        return HonestWorld(
            self.rules, self.classes, self.versions, who, serial, later, is_steady=is_steady
        )

    # - Asking

    def ask(self, who: Requester, request: Request, face: str) -> None:
        """See that an answer is the one of the schema without a cache."""
        if face == "sync":
            self.serial += 1
            result = self.cached.execute_sync(**self._request(who, request, self.serial))
            self._compare(who, request, self.serial, result)
        else:
            self.loop.run_until_complete(self._ask_later(who, request))

    def ask_together(self, asked: list[tuple[Requester, Request]]) -> None:
        """See the same of requests that arrive at the same moment."""

        async def all_at_once() -> None:
            await asyncio.gather(*(self._ask_later(*each) for each in asked))

        self.loop.run_until_complete(all_at_once())

    async def _ask_later(self, who: Requester, request: Request) -> None:
        self.serial += 1
        serial = self.serial
        result = await self.cached.execute(**self._request(who, request, serial, waits=True))
        self._compare(who, request, serial, result)

    def _request(
        self, who: Requester, request: Request, serial: int, *, waits: bool = False
    ) -> dict[str, Any]:
        return {
            "query": str(request),
            "variable_values": dict(request.given),
            "operation_name": request.operation_name,
            "context_value": {"world": self.world(who, serial, waits=waits)},
        }

    def _compare(
        self, who: Requester, request: Request, serial: int, result: ExecutionResult
    ) -> None:
        asked = self._request(who, request, serial)
        expected = self.uncached.execute_sync(**asked)
        assert answer(result) == answer(expected)
        assert result.extensions is not None
        said = result.extensions["responseCache"]
        if said.get("ttl"):
            self._promises_enough(request, said, asked["context_value"]["world"])

    def _promises_enough(self, request: Request, said: dict[str, Any], world: HonestWorld) -> None:
        """See that what is stored lives no longer, and is for nobody more, than is allowed."""
        policy = self.example.policy(request)
        assert policy.ttl is not None
        restricted = [int(r.removeprefix("ttl ")) for r in world.restricted if r.startswith("ttl ")]
        assert said["ttl"] <= min([policy.ttl, *restricted])
        if policy.scope == "PRIVATE" or "private" in world.restricted:
            assert said["scope"] == "PRIVATE"

    # - Changing

    def change(self, change: Change, face: str, between: tuple[Requester, Request]) -> None:
        """Change something, and invalidate it in one of the ways."""
        if change.way == "direct":
            self.versions.change(change.tenant, *change.tags(self.example.reach))
            cache = self.store.for_tenant(change.tenant)
            if face == "sync":
                cache.invalidate_sync(change.tag)
            else:
                self.loop.run_until_complete(cache.invalidate(change.tag))
            return
        who = Requester(change.tenant)
        context = {
            "world": self.world(who, 0),
            "identity": change.identity,
            "change": lambda: self.versions.change(change.tenant, *change.tags(self.example.reach)),
            # Somebody else, and not the mutation itself.
            "between": lambda: contextvars.Context().run(self.ask, *between, "sync"),
            "cached": True,
        }
        if face == "sync" or change.way == "early":
            result = self.cached.execute_sync(change.mutation(), context_value=context)
        else:
            mutate = self.cached.execute(change.mutation(later=True), context_value=context)
            result = self.loop.run_until_complete(mutate)
        assert (result.errors is not None) == (change.way == "fail")


async def _later(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


def answer(result: ExecutionResult) -> tuple[str, list[str]]:
    """An answer as it is sent: the order of the keys counts; errors have none."""
    errors = [json.dumps(each.formatted, sort_keys=True) for each in result.errors or []]
    return repr(result.data), sorted(errors)


def clear(store: ResponseCache) -> None:
    for tenant in ("acme", "globex"):
        store.for_tenant(tenant).clear_sync()


def ask_everything(server: Server, example: Example, which: Round) -> None:
    """Let everybody ask everything, in the order of a round."""
    asked = [(example.requesters[who], example.requests[what]) for who, what in which.order]
    for change in which.changes:
        server.change(change, which.face, asked[0])
    if which.face == "together":
        server.ask_together(asked)
        return
    for who, request in asked:
        server.ask(who, request, which.face)


def play(store: ResponseCache, loop: asyncio.AbstractEventLoop, example: Example) -> None:
    """Play all rounds of an example; every answer is compared."""
    clear(store)
    server = Server(example, store, loop)
    for each in example.rounds:
        ask_everything(server, example, each)


@settings(max_examples=MANY)
@given(example=examples())
def test_every_answer_is_the_one_of_the_schema_without_a_cache(
    store: ResponseCache, loop: asyncio.AbstractEventLoop, example: Example
) -> None:
    """Whoever asks, in whatever order, by whichever method of the schema, and whatever has changed."""
    play(store, loop, example)


@settings(max_examples=MANY)
@given(example=changed_often())
def test_no_answer_is_older_than_the_last_change(
    store: ResponseCache, loop: asyncio.AbstractEventLoop, example: Example
) -> None:
    """However it was changed, and however far mutations reach."""
    play(store, loop, example)


@settings(max_examples=MANY)
@given(example=climbed_towers())
@hypothesis.example(example=changed_above())
def test_entries_of_nested_objects_inherit_from_every_field_above(
    store: ResponseCache, loop: asyncio.AbstractEventLoop, example: Example
) -> None:
    """Nested objects with entries of their own are answered as by the schema without a cache."""
    play(store, loop, example)


def _with_hints(blueprint: Blueprint, change: Callable[[Hint], Hint]) -> Blueprint:
    """The same blueprint, with the hints of all fields changed."""
    types = []
    for each in blueprint.types:
        members = (replace(m, hint=m.hint and change(m.hint)) for m in each.declares)
        types.append(replace(each, declares=tuple(members)))
    return replace(blueprint, types=tuple(types))


def _with_hints_of_types(blueprint: Blueprint, change: Callable[[Hint], Hint]) -> Blueprint:
    """The same blueprint, with the hints of all types changed."""
    types = (replace(each, hint=each.hint and change(each.hint)) for each in blueprint.types)
    return replace(blueprint, types=tuple(types))


def _halved(hint: Hint) -> Hint:
    return replace(hint, ttl=hint.ttl and hint.ttl // 2)


DEPLOYED: dict[str, Callable[[Blueprint], Blueprint]] = {
    "the default of an argument": lambda b: replace(b, number=2),
    "the default within an input type": lambda b: replace(b, low=3),
    "tags": lambda b: _with_hints(b, lambda hint: replace(hint, tags=(*hint.tags, "new"))),
    "ttls": lambda b: _with_hints(b, _halved),
    "ttls of types": lambda b: _with_hints_of_types(b, _halved),
    "where an id is read": lambda b: replace(b, id_attribute="number"),
}
DEPLOYS = st.sampled_from(sorted(DEPLOYED))


@settings(max_examples=EXAMPLES)
@given(example=examples(), deploy=DEPLOYS)
def test_a_deploy_with_changed_hints_is_served_no_wrong_entry_of_the_release_before(
    store: ResponseCache, loop: asyncio.AbstractEventLoop, example: Example, deploy: str
) -> None:
    """A process with changed hints or defaults shares the store of one without the change."""
    clear(store)
    before = Server(example, store, loop)
    ask_everything(before, example, example.rounds[0])
    changed = replace(example, blueprint=DEPLOYED[deploy](example.blueprint))
    after = Server(changed, store, loop, serial=before.serial)
    ask_everything(after, changed, example.rounds[0])
