"""No fault of this package changes an answer, however and wherever in a request it is raised.

Each scenario is played once without a fault, while `Instrument` notes every call into the package. Then
it is played again for each function that was called, with a fault at the start of the call and with one
at its end. Each time the answers have to be those of the same schema without the extension, no
resolver may run more often, and the requests that follow have to be right as well: right for whoever
asks, not older than a mutation, and without waiting for what the fault left behind.

By default each call fails in the first scenario that makes it; most of these faults, and nearly all of
those in threads, transports and first requests, are left to `-m exhaustive`. `EXHAUSTIVE_FAULTS=graphql` makes it fail
in all of them, and its second and third occurrence as well; `EXHAUSTIVE_FAULTS=core` does so with the
calls inside the core that are made on behalf of a request.

The log of this package raises as well, at each line that tells of a fault.
"""

import asyncio
import gc
import itertools
import logging
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, TypeAlias

import httpx
import pytest
import strawberry
from strawberry.asgi import GraphQL
from strawberry.types import ExecutionResult

from strawberry_response_cache import ResponseCache
from strawberry_response_cache.asgi import GraphQL as CachingGraphQL
from strawberry_response_cache.core import _interval
from tests.conftest import driver_of
from tests.graphql.injection import Depth, Fault, InjectedFaultError, Instrument, When
from tests.graphql.shop import Context, Store, cached_shop, plain_shop
from tests.graphql.test_mutations_as_served import Socket

pytestmark = pytest.mark.faults

EXHAUSTIVE: Final = os.environ.get("EXHAUSTIVE_FAULTS")
PATIENCE: Final = 10
"""Seconds after which a request hangs; each takes milliseconds."""
LEASE: Final = 60
"""Longer than that: whoever waits for a lease that a fault left behind hangs."""

Answer: TypeAlias = dict[str, Any]
Tracing: TypeAlias = Callable[[], AbstractContextManager[None]]


# -- How requests come ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Ask:
    """One operation, and who asks."""

    query: str
    user: str | None = "alice"
    variables: dict[str, Any] | None = None


def _answer(result: Any) -> Answer:
    """Return what a client is told, apart from what the cache says of itself."""
    if not isinstance(result, dict):
        errors = result.errors
        result = {
            "data": result.data,
            "errors": errors and [error.formatted for error in errors],
            "extensions": getattr(result, "extensions", None),
        }
    extensions = dict(result.get("extensions") or {})
    extensions.pop("responseCache", None)
    errors = sorted(result.get("errors") or [], key=repr)  # in which order does not matter
    return {"data": result.get("data"), "errors": errors} | extensions


async def _execute(schema: strawberry.Schema, ask: Ask, context: Context) -> Answer:
    return _answer(
        await schema.execute(ask.query, variable_values=ask.variables, context_value=context)
    )


async def _execute_sync(
    schema: strawberry.Schema, ask: Ask, context: Context, tracing: Tracing
) -> Answer:
    def execute() -> ExecutionResult:
        with tracing():
            return schema.execute_sync(
                ask.query, variable_values=ask.variables, context_value=context
            )

    return _answer(await asyncio.to_thread(execute))


async def _turns() -> None:
    """Let tasks that nobody waits for come to their ends."""
    for _ in range(10):
        await asyncio.sleep(0)


class Way:
    """How the operations of a scenario are sent: one after another to `Schema.execute`."""

    async def send(
        self,
        schema: strawberry.Schema,
        asks: Iterable[Ask],
        context: Callable[[Ask], Context],
        tracing: Tracing,
    ) -> list[Answer]:
        with tracing():
            answers = [answer async for answer in self._answers(schema, asks, context)]
            await _turns()
        return answers

    async def _answers(
        self, schema: strawberry.Schema, asks: Iterable[Ask], context: Callable[[Ask], Context]
    ) -> AsyncIterator[Answer]:
        for ask in asks:
            yield await _execute(schema, ask, context(ask))


class Threads(Way):
    """In threads without an event loop, to `Schema.execute_sync`."""

    async def send(
        self,
        schema: strawberry.Schema,
        asks: Iterable[Ask],
        context: Callable[[Ask], Context],
        tracing: Tracing,
    ) -> list[Answer]:
        return [await _execute_sync(schema, ask, context(ask), tracing) for ask in asks]


class SyncInLoop(Way):
    """To `Schema.execute_sync`, in the thread of a running event loop."""

    async def _answers(
        self, schema: strawberry.Schema, asks: Iterable[Ask], context: Callable[[Ask], Context]
    ) -> AsyncIterator[Answer]:
        for ask in asks:
            yield _answer(
                schema.execute_sync(
                    ask.query, variable_values=ask.variables, context_value=context(ask)
                )
            )


class Gathered(Way):
    """All at once, over one context."""

    async def _answers(
        self, schema: strawberry.Schema, asks: Iterable[Ask], context: Callable[[Ask], Context]
    ) -> AsyncIterator[Answer]:
        asks = list(asks)
        shared = context(asks[0])
        for answer in await asyncio.gather(*(_execute(schema, ask, shared) for ask in asks)):
            yield answer


class Streamed(Way):
    """To `Schema.stream`, which takes subscriptions as well."""

    async def _answers(
        self, schema: strawberry.Schema, asks: Iterable[Ask], context: Callable[[Ask], Context]
    ) -> AsyncIterator[Answer]:
        for ask in asks:
            stream: Any = await schema.stream(ask.query, context_value=context(ask))
            async for result in stream:
                yield _answer(result)


class Subscribed(Way):
    """To `Schema.subscribe`."""

    async def _answers(
        self, schema: strawberry.Schema, asks: Iterable[Ask], context: Callable[[Ask], Context]
    ) -> AsyncIterator[Answer]:
        for ask in asks:
            stream: Any = await schema.subscribe(ask.query, context_value=context(ask))
            async for result in stream:
                yield _answer(result)


class View(GraphQL[Any, Any]):
    """The shop over ASGI."""

    def __init__(self, schema: strawberry.Schema, context: Context) -> None:
        super().__init__(schema)
        self._context = context

    async def get_context(self, request: Any, response: Any) -> Any:
        return self._context


class Posted(Way):
    """All in one HTTP request, as a batch."""

    async def _answers(
        self, schema: strawberry.Schema, asks: Iterable[Ask], context: Callable[[Ask], Context]
    ) -> AsyncIterator[Answer]:
        asks = list(asks)
        view: Any = View(schema, context(asks[0]))
        body = [{"query": ask.query, "variables": ask.variables} for ask in asks]
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(view, raise_app_exceptions=False), base_url="http://shop"
        ) as client:
            response = await client.post("/", json=body)
        if response.status_code != httpx.codes.OK:
            yield {"status": response.status_code}
            return
        for answer in response.json():
            yield _answer(answer)


class CachingView(CachingGraphQL[Any, Any]):
    """The shop over ASGI, by the view of this package."""

    def __init__(self, schema: strawberry.Schema, context: Context) -> None:
        super().__init__(schema)
        self._context = context

    async def get_context(self, request: Any, response: Any) -> Any:
        return self._context


class Viewed(Way):
    """Each in two GET requests, of which the second names what it has, and all in a batch: to our own view."""

    async def _answers(
        self, schema: strawberry.Schema, asks: Iterable[Ask], context: Callable[[Ask], Context]
    ) -> AsyncIterator[Answer]:
        asks = list(asks)
        view: Any = CachingView(schema, context(asks[0]))
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(view, raise_app_exceptions=False), base_url="http://shop"
        ) as client:
            for ask in asks:
                first = await client.get("/", params={"query": ask.query})
                yield _received(first)
                known = {"If-None-Match": first.headers.get("etag", "")}
                again = await client.get("/", params={"query": ask.query}, headers=known)
                is_known = again.status_code == httpx.codes.NOT_MODIFIED and not again.content
                yield _received(first if is_known else again)
            body = [{"query": ask.query} for ask in asks]
            response = await client.post("/", json=body)
            for answer in response.json():
                yield _answer(answer)


def _received(response: httpx.Response) -> Answer:
    said = _answer(response.json()) if response.is_success else {"text": response.text}
    return {"status": response.status_code} | said


class Telephone(Socket):
    """A websocket that returns all that it is told."""

    async def frames(self, number: str, query: str) -> AsyncIterator[Answer]:
        await self._send({"id": number, "type": "subscribe", "payload": {"query": query}})
        while (message := await self._answer())["type"] == "next":
            yield _answer(message["payload"])
        if message["type"] != "complete":
            yield message


class Called(Way):
    """Over one websocket."""

    async def _answers(
        self, schema: strawberry.Schema, asks: Iterable[Ask], context: Callable[[Ask], Context]
    ) -> AsyncIterator[Answer]:
        asks = list(asks)
        async with Telephone(View(schema, context(asks[0]))) as telephone:
            for number, ask in enumerate(asks):
                async for answer in telephone.frames(str(number), ask.query):
                    yield answer


# -- What is played ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Scenario:
    """Requests, of which some meet a fault.

    Attributes:
        asks: What is asked while a fault is injected.
        way: How.
        before: What was asked before, in the same tenant.
        later: What is asked afterwards; None asks the same again.
        others: Who asks the same again.
        first: Whether no request has used the schema before.
        options: Those of the extension.
    """

    asks: tuple[Ask, ...]
    way: Way = field(default_factory=Way)
    before: tuple[Ask, ...] = ()
    later: tuple[Ask, ...] | None = None
    others: tuple[str | None, ...] = ("bob", "alice")
    first: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def changes(self) -> bool:
        """Whether all that is asked always runs: mutations, subscriptions."""
        return all(ask.query.startswith(("mutation", "subscription")) for ask in self.asks)

    @property
    def subscribes(self) -> bool:
        """Whether a subscription is asked; its events count as well, and it goes on after its execution."""
        return any(ask.query.startswith("subscription") for ask in self.asks)

    @property
    def afterwards(self) -> tuple[Ask, ...]:
        """What is asked afterwards."""
        again = (
            replace(ask, user=user) for user in self.others for ask in dict.fromkeys(self.asks)
        )
        return tuple(again) if self.later is None else self.later

    def __str__(self) -> str:
        """Name it by what it asks."""
        before = ", asked before" if self.before else ""
        return f"{' '.join(ask.query for ask in self.asks)}{before}"


@dataclass
class Played:
    """What a scenario came to.

    Attributes:
        answers: To what was asked meanwhile.
        runs: Of resolvers, meanwhile.
        later: The answers to what was asked afterwards.
        later_runs: Of resolvers, afterwards.
        counted: How many operations the cache counted, all together.
    """

    answers: list[Answer]
    runs: Counter[str]
    later: list[Answer]
    later_runs: Counter[str]
    counted: int


@dataclass
class Stage:
    """A schema, the cache that it has, and what was played on it."""

    schema: strawberry.Schema
    cache: ResponseCache | None = None
    played: set[Scenario] = field(default_factory=set)

    async def play(self, scenario: Scenario, tenant: str, instrument: Instrument) -> Played:
        """Play a scenario for a tenant that has nothing stored yet."""
        store, counted = Store(), self._counted

        def context(ask: Ask) -> Context:
            return Context(store, tenant, ask.user, is_cached=self.cache is not None)

        async def simply(asks: Iterable[Ask]) -> list[Answer]:
            if isinstance(scenario.way, Threads):
                return await scenario.way.send(self.schema, asks, context, nullcontext)
            return [await _execute(self.schema, ask, context(ask)) for ask in asks]

        async with asyncio.timeout(PATIENCE):
            await simply(scenario.before)
        store.runs.clear()
        async with asyncio.timeout(PATIENCE):
            answers = await scenario.way.send(
                self.schema, scenario.asks, context, instrument.tracing
            )
        runs = Counter(store.runs)
        store.runs.clear()
        async with asyncio.timeout(PATIENCE):
            later = await simply(scenario.afterwards)
            await self._end()
        return Played(answers, runs, later, Counter(store.runs), self._counted - counted)

    @property
    def _counted(self) -> int:
        return 0 if self.cache is None else self.cache.statistics().operations.total

    async def _end(self) -> None:
        """Wait until nothing is under way."""
        if self.cache is not None:
            drivers = [driver_of(self.cache, synchronous=each) for each in (False, True)]
            while any(len(driver.flights) for driver in drivers):
                await asyncio.sleep(0.001)


def differences(
    scenario: Scenario, expected: Played, played: Played, instrument: Instrument
) -> Iterator[str]:
    """Say in which way what was played is not as it has to be."""
    if played.answers != expected.answers:
        wrong = next(
            (a for a, e in zip(played.answers, expected.answers, strict=False) if a != e),
            f"{len(played.answers)} answers",
        )
        yield f"answered {wrong}"
    if played.later != expected.later:
        numbers = [
            f"{scenario.afterwards[n].user}'s {scenario.afterwards[n].query}: {a}"
            for n, (a, e) in enumerate(zip(played.later, expected.later, strict=True))
            if a != e
        ]
        yield f"afterwards answered {numbers}"
    yield from _wrong_numbers(scenario, expected.runs, played.runs)
    fault = instrument.fault
    is_exact = not (fault and fault.call.called.module in COUNTING) and not scenario.subscribes
    if played.counted != expected.counted and is_exact:
        yield f"counted {played.counted} operations, not {expected.counted}"
    if RESTRICTING & {function.name for function in instrument.chain}:
        for what in expected.runs:
            if what.split()[0] in instrument.others and not played.later_runs[what]:
                yield f"stored what {what} restricted"


def _wrong_numbers(
    scenario: Scenario, expected: Counter[str], played: Counter[str]
) -> Iterator[str]:
    """Say which resolvers ran more or less often than they may.

    What changes something runs exactly as often as without a cache, and what is not in the cache at least
    once: equal requests that come together may share it.
    """
    for what in expected | played:
        if what.startswith("?"):
            continue  # a check: it may run again
        most, times = expected[what], played[what]
        least = min(most, 1)
        if scenario.changes or what.startswith("!"):
            least = most
        elif scenario.before:
            least = 0
        if not least <= times <= most:
            yield f"ran {what} {times} times, not {least} to {most}"


COUNTING: Final = {
    "graphql/execution/counting.py",
    "core/_counters.py",
    "core/_request_counters.py",
}
"""A fault in counting may lose its count."""
RESTRICTING: Final = {"restrict_cache", "skip_cache"}
RESTOCK: Final = "mutation { restock(id: 1, by: 5) { id stock label maker { motto } } }"
REMOVE: Final = "mutation { remove(id: 2) }"
HALF: Final = "mutation { half(id: 1) { id } }"
NESTED: Final = "{ fresh item(id: 1) { label note } }"
READS: Final = (
    Ask("{ item(id: 1) { id stock } items { stock } }"),
    Ask("{ fresh listed { label } }"),
)


def queries(way: Way) -> Iterator[Scenario]:
    """Everything that a query can meet on its way; what is cheap to play comes first."""
    yield Scenario(way=way, asks=(Ask("{ item(id: 1) { name } }"),))
    yield Scenario(way=way, asks=(Ask("{ me greeting }"),))
    yield Scenario(way=way, asks=(Ask("{ nothing }"), Ask("{"), Ask("{ __typename }")))
    yield Scenario(
        way=way,
        asks=(
            Ask(
                "query($id: ID!, $by: Filter = {least: 1}, $more: Boolean!)"
                "{ item(id: $id) { name } items(by: $by) { id label @include(if: $more) } }",
                variables={"id": "1", "more": False},
            ),
        ),
    )
    yield Scenario(way=way, asks=(Ask(NESTED),))
    yield Scenario(way=way, asks=(Ask("{ guarded members quiet }"),), others=("bob", None, "alice"))
    yield Scenario(way=way, asks=(Ask("{ draft }"),))
    yield Scenario(way=way, asks=(Ask("{ skipped }"),))
    yield Scenario(way=way, asks=(Ask("{ fresh rates draft expired }"),))
    yield Scenario(way=way, asks=(Ask("{ failing }"), Ask("{ fatal }"), Ask("{ fresh fatal }")))
    yield Scenario(way=way, asks=(Ask('{ listed { copies(mark: "a") broken } }'),))
    yield Scenario(way=way, asks=(Ask("{ listed { label maker { motto } } }"),))
    yield Scenario(way=way, asks=(Ask("{ listed { price } }"),), others=("bob", None, "alice"))
    yield Scenario(
        way=way, asks=(Ask("{ found { ... on Item { label } ... on Parcel { weight } } }"),)
    )
    if not isinstance(way, Threads | SyncInLoop):
        yield Scenario(way=way, asks=(Ask("{ soon { name label } membersSoon }"),))


def hits(way: Way) -> Iterator[Scenario]:
    """What is in the cache: of the same user, and of another."""
    for query in (
        "{ item(id: 1) { name } }",
        "{ me greeting }",
        "{ fresh item(id: 1) { label } }",
        "{ draft }",
        "{ guarded members quiet }",
        "{ listed { label note } }",
    ):
        yield Scenario(way=way, asks=(Ask(query),), before=(Ask(query),))
    yield Scenario(way=way, asks=(Ask("{ draft }"),), before=(Ask("{ draft }", "bob"),))
    yield Scenario(way=way, asks=(Ask("{ fresh me }"),), before=(Ask("{ fresh me }", "bob"),))


def verified(way: Way) -> Iterator[Scenario]:
    """What is in the cache and is executed all the same: of the same user, and of another."""
    options = {"verify": 1.0}
    for query in (
        "{ item(id: 1) { name } me }",
        "{ fresh item(id: 1) { label } guarded quiet }",
        "{ listed { label note } }",
    ):
        ask = Ask(query)
        yield Scenario(way=way, asks=(ask,), before=(ask,), options=options)
    ask = Ask("{ draft }")
    yield Scenario(way=way, asks=(ask,), before=(replace(ask, user="bob"),), options=options)
    before = Ask(_gadgets("weight use", "1", "2"))
    asked = Ask(_gadgets("weight use", "3", "2", "broken", "1"))
    yield Scenario(way=way, asks=(asked,), before=(before,), options=options)


def gateways(way: Way) -> Iterator[Scenario]:
    """What a gateway asks for: objects with and without an entry, one twice, and one that cannot be found."""
    some = ("1", "2", "1", "missing")
    yield Scenario(way=way, asks=(Ask(_gadgets("weight", *some)),))
    yield Scenario(
        way=way,
        asks=(Ask(_gadgets("weight use", "3", "2", "broken", "1")),),
        before=(Ask(_gadgets("weight use", *some)),),
    )
    owned = _gadgets("owner", "1", "2")
    yield Scenario(way=way, asks=(Ask(owned),), before=(Ask(owned, "bob"),), others=("bob", None))


def _gadgets(fields: str, *numbers: str) -> str:
    sent = " ".join(f'{{__typename: "Gadget", id: "{number}"}}' for number in numbers)
    return f"{{ _entities(representations: [{sent}]) {{ ... on Gadget {{ {fields} }} }} }}"


def mutations(way: Way) -> Iterator[Scenario]:
    """Everything that a mutation can meet on its way."""

    def mutating(*asks: str, **options: Any) -> Scenario:
        return Scenario(
            way=way, asks=tuple(map(Ask, asks)), before=READS, later=READS, options=options
        )

    yield mutating(RESTOCK)
    yield mutating(REMOVE, "mutation { rename(id: 1) { id } }")
    yield mutating(HALF)
    yield mutating("mutation { refillSync }")
    yield mutating("mutation { restock(id: 1, by: 1) { id } remove(id: 2) }")
    yield mutating(RESTOCK, on_commit=lambda invalidate: invalidate())
    if not isinstance(way, Threads):
        yield mutating("mutation { refill }")
        yield mutating("mutation { removeSoon(id: 1) }")


def served(way: Way) -> Iterator[Scenario]:
    """Queries and mutations as a transport brings them."""
    together = isinstance(way, Gathered | Posted)
    once = (Ask("{ item(id: 1) { name } me }"), Ask(NESTED))
    yield Scenario(way=way, asks=(*once, once[0], once[0]) if together else once)
    changes = (Ask(RESTOCK), Ask(REMOVE))
    yield Scenario(
        way=way,
        asks=(*changes, Ask("{ me }")) if together else changes,
        before=READS,
        later=READS,
    )


def viewed(way: Way) -> Iterator[Scenario]:
    """What the view of this package adds headers and bytes to."""
    named = Ask("{ item(id: 1) { name } }")
    options = {"debug": False}
    yield Scenario(way=way, asks=(named, Ask("{ me greeting }")), options=options)
    yield Scenario(way=way, asks=(named,), before=(named,), options=options)
    yield Scenario(way=way, asks=(named,), before=(named,))
    yield Scenario(way=way, asks=(Ask("{ failing }"), Ask("{")), options=options)
    yield Scenario(way=way, asks=(Ask("mutation { refillSync }"),), later=READS, options=options)


def subscriptions(way: Way) -> Iterator[Scenario]:
    yield Scenario(
        way=way, asks=(Ask("subscription { ticks { id label maker { motto } } }"),), later=READS
    )


def first(way: Way) -> Iterator[Scenario]:
    """What the first requests of a schema meet."""
    for scenario in (*queries(way), *mutations(way)):
        yield replace(scenario, before=(), first=True)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Scenarios whose faults are injected by one test.

    Attributes:
        scenarios: They.
        beside: Others, whose calls fail in another group; here only what they do not call fails.
        shares: Which parts of the faults are injected, of `parts`. Neighbours are in different parts,
            and so are the two ends of one call.
        parts: How many there are.
        is_exhaustive: Whether it is left to an exhaustive run.
    """

    scenarios: tuple[Scenario, ...]
    beside: tuple[Scenario, ...] = ()
    shares: tuple[int, ...] = (0,)
    parts: int = 1
    is_exhaustive: bool = False


def _groups() -> Iterator[tuple[str, Group]]:
    # All of it in a loop. Elsewhere the same calls are made in other surroundings: a part of them.
    for where, way, parts in (("loop", Way(), 1), ("thread", Threads(), 2)):
        missing, changing = (*queries(way),), (*mutations(way),)
        misses = Group(scenarios=missing, parts=parts)
        found = Group(scenarios=(*hits(way),), parts=2 * parts)
        shown = Group(scenarios=(*verified(way),), beside=found.scenarios, is_exhaustive=True)
        asked = Group(scenarios=(*gateways(way),), parts=parts, is_exhaustive=True)
        changes = Group(scenarios=changing, parts=parts)
        # Each of these plays all of the above as well, and makes a schema for each fault.
        first_requests = Group(
            scenarios=(*first(way),), beside=(*missing, *changing), parts=2 * parts - 1
        )
        if parts == 1:
            yield from _split(f"misses in a {where}", misses, 48, 2)
            yield from _split(f"hits in a {where}", found, 16)
            yield from _split(f"mutations in a {where}", changes, 24)
            for share in range(2):
                name = f"first requests in a loop, {share + 1} of 2"
                yield name, replace(first_requests, shares=(share,), parts=2, is_exhaustive=True)
        else:
            for share in range(2):
                name = f"misses in a {where}, {share + 1} of 2"
                parted = replace(misses, shares=(2 * share,), parts=2 * parts, is_exhaustive=True)
                yield name, parted
            yield f"hits in a {where}", replace(found, is_exhaustive=True)
            yield f"mutations in a {where}", replace(changes, is_exhaustive=True)
            yield f"first requests in a {where}", replace(first_requests, is_exhaustive=True)
        yield f"verified hits in a {where}", shown
        yield f"gateways in a {where}", asked
    blocking = Group(scenarios=(*queries(SyncInLoop()),), parts=8, is_exhaustive=True)
    yield "misses in a thread that has a loop", blocking
    ways = {"gathered": Gathered(), "batch": Posted(), "websocket": Called(), "stream": Streamed()}
    for number, (name, way) in enumerate(ways.items()):
        group = Group(scenarios=(*served(way),), shares=(number,), parts=len(ways))
        yield name, replace(group, is_exhaustive=True)
    yield from _split("own view", Group(scenarios=(*viewed(Viewed()),)), 64, 3)
    for number, (name, way) in enumerate(
        {"subscription": Subscribed(), "subscription over a websocket": Called()}.items()
    ):
        group = Group(scenarios=(*subscriptions(way),), shares=(number,), parts=2)
        yield name, replace(group, is_exhaustive=True)


def _split(name: str, group: Group, ways: int, others: int = 1) -> Iterator[tuple[str, Group]]:
    """Divide the faults of a group: the first of so many parts is for the quick run.

    The others are for an exhaustive run, in so many groups, since each group plays its scenarios first.
    """
    ((share,), parts) = group.shares, group.parts
    shares = [share + way * parts for way in range(ways)]
    yield name, replace(group, shares=(shares[0],), parts=parts * ways)
    for other in range(others):
        rest = tuple(shares[1 + other :: others])
        yield (
            f"{name}, {other + 1} of {others} others",
            replace(group, shares=rest, parts=parts * ways, is_exhaustive=True),
        )


GROUPS: Final = dict(_groups())

NewCache: TypeAlias = Callable[..., ResponseCache]


class Theatre:
    """Has a stage for the scenarios of the same options, and new ones when a fault has damaged the last.

    Args:
        new_cache: Makes caches.
    """

    def __init__(self, new_cache: NewCache) -> None:
        self._new_cache = new_cache
        self._stages: dict[tuple[str, ...], Stage] = {}
        self._plain = Stage(plain_shop())
        self._tenants = itertools.count()
        self._remembering = _remembering()
        self.leave()

    async def expected(self, scenario: Scenario) -> Played:
        """Play a scenario without a cache."""
        return await self._plain.play(scenario, f"tenant {next(self._tenants)}", Instrument())

    async def play(self, scenario: Scenario, instrument: Instrument) -> Played:
        """Play a scenario for a tenant of its own."""
        stage = None if scenario.first else self._stages.get(tuple(scenario.options))
        if stage is None:
            stage = Stage(cached_shop(self._cache, **scenario.options), self._cache)
        if not scenario.first and scenario not in stage.played:
            # Plans and documents are known from here on.
            await stage.play(scenario, f"tenant {next(self._tenants)}", Instrument())
            stage.played.add(scenario)
            self._stages[tuple(scenario.options)] = stage
        for each in self._remembering:
            each.cache_clear()  # else whether it is called depends on the ages of entries, in seconds
        return await stage.play(scenario, f"tenant {next(self._tenants)}", instrument)

    def leave(self) -> None:
        """Play the next one elsewhere."""
        self._stages.clear()
        self._cache = self._new_cache(lease=LEASE, wait_budget=LEASE)


def _remembering() -> list[Any]:
    """Return the functions of headers that remember what they returned for an age."""
    package = f"{ResponseCache.__module__.partition('.')[0]}.graphql.http."
    modules = [each for name, each in sys.modules.items() if name.startswith(package)]
    kinds = [kind for each in modules for kind in vars(each).values() if isinstance(kind, type)]
    found = [value for each in (*modules, *kinds) for value in [*vars(each).values()]]
    functions = {id(each): getattr(each, "__func__", each) for each in found}
    remembering = [each for each in functions.values() if hasattr(each, "cache_clear")]
    return [each for each in remembering if each.__module__.startswith(package)]


@dataclass
class Tally:
    """What came of the faults of one group of scenarios.

    Attributes:
        wrong: What those did that changed something.
        injected: How many there were.
        missed: Those that were not reached again.
    """

    wrong: list[str] = field(default_factory=list)
    injected: int = 0
    missed: list[str] = field(default_factory=list)


async def inject_all(group: Group, new_cache: NewCache, depth: Depth) -> Tally:
    """Inject every fault in turn: each call in the first scenario that makes it, or in all."""
    tally = Tally()
    theatre = Theatre(new_cache)
    known: set[Fault] = set()
    for scenario in group.beside:
        unharmed = Instrument(depth=depth)
        await theatre.play(scenario, unharmed)
        known.update(_faults(unharmed))
    for scenario in group.scenarios:
        expected = await theatre.expected(scenario)
        unharmed = Instrument(depth=depth)
        played = await theatre.play(scenario, unharmed)
        expected.counted = played.counted
        assert list(differences(scenario, expected, played, unharmed)) == [], "without a fault"
        faults = [fault for fault in _faults(unharmed) if EXHAUSTIVE or fault not in known]
        known.update(faults)
        for fault in faults if EXHAUSTIVE else _part(faults, group):
            await _inject(theatre, scenario, expected, Instrument(fault, depth), tally)
    return tally


def _part(faults: list[Fault], group: Group) -> Iterator[Fault]:
    numbers = {call: number for number, call in enumerate(dict.fromkeys(f.call for f in faults))}
    for fault in faults:
        if (numbers[fault.call] + (fault.when is When.AFTER)) % group.parts in group.shares:
            yield fault


def _faults(unharmed: Instrument) -> Iterator[Fault]:
    """Return all that can be injected, found by a play without faults."""
    for call, times in unharmed.calls.items():
        for occurrence in range(1, 1 + min(times, 3 if EXHAUSTIVE else 1)):
            yield Fault(call=call, occurrence=occurrence, when=When.BEFORE)
            if (call, occurrence) in unharmed.ended:
                yield Fault(call=call, occurrence=occurrence, when=When.AFTER)


async def _inject(
    theatre: Theatre,
    scenario: Scenario,
    expected: Played,
    instrument: Instrument,
    tally: Tally,
) -> None:
    with _noting_errors_of_tasks() as noted:
        try:
            played = await theatre.play(scenario, instrument)
            wrong = list(differences(scenario, expected, played, instrument))
        except Exception as error:  # noqa: BLE001 - whatever is raised is noted, and fails the test
            wrong = [f"raised {error!r}"]
    wrong += noted
    what = f"{instrument.fault} in {scenario}"
    tally.injected += 1
    if not instrument.is_reached:
        tally.missed.append(what)
    if wrong:
        entry = instrument.chain[-1] if instrument.chain else None
        tally.wrong.append(f"{what}, entered through {entry}: {'; '.join(wrong)}")
        theatre.leave()


@contextmanager
def _noting_errors_of_tasks() -> Iterator[list[str]]:
    """Note errors of tasks that nobody takes."""
    noted: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, said: noted.append(f"left to the loop: {said['message']}"))
    try:
        yield noted
    finally:
        loop.set_exception_handler(None)


@pytest.fixture(autouse=True)
def _without_resolver_errors(caplog: pytest.LogCaptureFixture) -> None:
    """Leave out Strawberry's log of the shop's own errors; with their tracebacks they take seconds."""
    caplog.set_level("CRITICAL", "strawberry.execution")


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    """A real server, which answers in half the time of a store inside the process.

    Faults in the core are injected with that store: there, more of it runs in the task of a request.
    """
    if EXHAUSTIVE == "core":
        return "memory://"
    found: str = request.getfixturevalue("valkey_url")
    return found


class _FailingLog(logging.Handler):
    """Raises at every record: what handlers raise is no part of an answer either."""

    def emit(self, record: logging.LogRecord) -> None:
        raise InjectedFaultError


@pytest.fixture(autouse=True)
def _failing_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the log of this package fail, at every fault and not at one per interval."""
    monkeypatch.setattr(_interval, "SECONDS", 0.0)
    handler, log = _FailingLog(), logging.getLogger("strawberry_response_cache")
    log.addHandler(handler)
    yield
    log.removeHandler(handler)


# A fault at the end of a call drops what it returned: a coroutine is then never awaited.
@pytest.mark.combined
@pytest.mark.parametrize(
    "group",
    [
        pytest.param(name, marks=pytest.mark.exhaustive if group.is_exhaustive else ())
        for name, group in GROUPS.items()
    ],
)
async def test_no_fault_changes_an_answer(group: str, new_cache: NewCache, url: str) -> None:
    depth = Depth(EXHAUSTIVE or "graphql")
    tally = await inject_all(GROUPS[group], partial(new_cache, url), depth)
    gc.collect()  # coroutines that nobody awaited are told in this test, and in no other
    assert tally.injected
    if tally.wrong:
        pytest.fail(f"{len(tally.wrong)} of {tally.injected}:\n" + "\n".join(tally.wrong))
    assert tally.missed == []
