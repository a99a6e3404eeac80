"""Whatever ends a mutation, over whatever transport: a read that begins after the answer never sees the old value.

A unit of work commits in its teardown, registered before or after the cache, while somebody reads.
"""

import asyncio
import contextvars
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
import strawberry
from hypothesis import given, settings
from hypothesis import strategies as st
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig

from strawberry_response_cache import (
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
    invalidates,
)
from strawberry_response_cache.graphql.invalidation import mutation as _mutation
from tests.conftest import UNHURRIED
from tests.graphql.generated import EXAMPLES
from tests.graphql.ledger import status
from tests.graphql.transports import TRANSPORTS, Application, ask

ENDS: Final = (
    "well",
    "its resolver raises",
    "a later field raises",
    "a teardown raises",
    "cancelled in the resolver",
    "cancelled before the commit",
    "cancelled after the commit",
)


@strawberry.type
class Item:
    id: strawberry.ID
    number: int

    @strawberry.field
    async def late(self) -> int:
        await asyncio.sleep(0)
        return 1


@strawberry.type
class Query:
    @strawberry.field
    def other(self) -> int:
        return 1

    @cache_control(ttl=60)
    @strawberry.field
    def item(self, info: strawberry.Info) -> Item:
        return Item(id=strawberry.ID("1"), number=info.context["stored"]["number"])

    @cache_control(ttl=60, tags=["total"])
    @strawberry.field
    def total(self, info: strawberry.Info) -> int:
        return int(info.context["stored"]["number"])


async def _reached(context: dict[str, Any], end: str) -> None:
    """Wait to be cancelled, if this is where."""
    if context.get("end") == end:
        context["reached"].set()
        await asyncio.Event().wait()


@strawberry.type
class Mutation:
    @invalidates("total")
    @strawberry.mutation
    async def add(self, info: strawberry.Info) -> Item:
        return await _add(info.context)

    @invalidates("total", "Item:{args.id}")
    @strawberry.mutation
    async def add_to(self, info: strawberry.Info, id: strawberry.ID) -> Item:  # noqa: A002 - as schemas have it
        """Says what it changes, since its result does not say it where it raises."""
        return await _add(info.context)

    @strawberry.mutation
    def fail(self) -> int | None:
        raise ValueError


async def _add(context: dict[str, Any]) -> Item:
    context["staged"] = number = context["stored"]["number"] + 1
    await context["read"]()
    await _reached(context, "cancelled in the resolver")
    if context["end"] == "its resolver raises":
        raise ValueError
    return Item(id=strawberry.ID("1"), number=number)


class UnitOfWork(SchemaExtension):
    """Commits what was staged, whatever happened; meanwhile somebody reads."""

    async def on_operation(self) -> AsyncIterator[None]:
        context = self.execution_context.context
        try:
            yield
        finally:
            if "staged" in context:
                await self._commit(context)

    async def _commit(self, context: dict[str, Any]) -> None:
        number = context.pop("staged")  # the operations of a batch share a context
        try:
            await context["read"]()
            await _reached(context, "cancelled before the commit")
        finally:
            context["stored"]["number"] = number
        await context["read"]()
        await _reached(context, "cancelled after the commit")
        if context["end"] == "a teardown raises":
            raise ValueError


@dataclass
class World:
    """The data, and a schema over the cache for either order of the extensions."""

    cache: ResponseCache
    reach: Any = "lists"
    stored: dict[str, int] = field(default_factory=lambda: {"number": 0})

    def __post_init__(self) -> None:
        ours = ResponseCacheExtension(
            self.cache, tenant=None, debug=True, invalidate_on_mutation=self.reach
        )
        config = StrawberryConfig(
            batching_config={"max_operations": 2}, enable_experimental_incremental_execution=True
        )
        self.applications = {
            before: Application(
                strawberry.Schema(
                    Query,
                    Mutation,
                    extensions=[UnitOfWork, ours] if before else [ours, UnitOfWork],
                    config=config,
                )
            )
            for before in (True, False)
        }

    async def read(self, *, before: bool = True) -> dict[str, int]:
        """Read both values, by a request of somebody else."""

        async def reading() -> dict[str, int]:
            schema = self.applications[before].schema
            said = {}
            for query in ("{ item { number } }", "{ total }"):
                context = {"stored": self.stored}
                result: Any = await schema.execute(query, context_value=context)
                assert result.errors is None
                assert status(result) in {"hit", "miss"}
                value = next(iter(result.data.values()))
                said[query] = value["number"] if isinstance(value, dict) else value
            return said

        return await asyncio.create_task(reading(), context=contextvars.Context())

    async def assert_fresh(self, *, before: bool = True) -> None:
        expected = self.stored["number"]
        assert set((await self.read(before=before)).values()) == {expected}

    async def change(self, transport: str, end: str, *, before: bool) -> None:
        """Run a mutation; check what is read as soon as its answer is there, and when all is over."""
        reached = asyncio.Event()
        old = self.stored["number"]
        context = {
            "stored": self.stored,
            "read": lambda: self.read(before=before),
            "end": end,
            "reached": reached,
        }

        seen: list[set[int]] = []

        async def on_answer() -> None:
            seen.append({*(await self.read(before=before)).values()})

        change = 'addTo(id: "1")' if end == "its resolver raises" else "add"
        more = " fail" if end == "a later field raises" else ""
        query = f"mutation {{ {change} {{ number late }}{more} }}"
        application = self.applications[before]
        asking = asyncio.ensure_future(ask(application, transport, query, context, on_answer))
        if end.startswith("cancelled"):
            waiting = asyncio.ensure_future(reached.wait())
            await asyncio.wait({asking, waiting}, return_when=asyncio.FIRST_COMPLETED)
            assert reached.is_set()
            asking.cancel()
        try:
            await asking
        except asyncio.CancelledError:
            assert end.startswith("cancelled")
        except ValueError:
            assert end == "a teardown raises"
        assert seen == [{old + 1}] * len(seen)
        assert seen or end == "a teardown raises" or end.startswith("cancelled")
        while tasks := [*_mutation._tasks]:
            await asyncio.gather(*tasks)
        await self.assert_fresh(before=before)


CHANGES = st.tuples(st.sampled_from(TRANSPORTS), st.sampled_from(ENDS), st.booleans())
NUMBERS: Final = itertools.count()


async def play(quick_url: str, steps: list[tuple[str, str, bool]], reach: Any = "lists") -> None:
    prefix = f"transports-{next(NUMBERS)}"
    async with (
        asyncio.timeout(60),
        ResponseCache.from_url(quick_url, prefix=prefix, telemetry=False, **UNHURRIED) as cache,
    ):
        world = World(cache, reach)
        await world.assert_fresh()
        for transport, end, before in steps:
            await world.change(transport, end, before=before)


@settings(max_examples=EXAMPLES)
@given(st.lists(CHANGES, max_size=8))
def test_a_read_after_the_answer_of_a_mutation_never_sees_the_old_value(
    quick_url: str, steps: list[tuple[str, str, bool]]
) -> None:
    asyncio.run(play(quick_url, steps))


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_read_sees_the_new_value_whichever_way_a_mutation_ends_over_each_transport(
    quick_url: str, transport: str, end: str, before: bool
) -> None:
    asyncio.run(play(quick_url, [(transport, end, before)]))


def test_the_model_sees_an_invalidation_that_is_left_out(quick_url: str) -> None:
    with pytest.raises(AssertionError):
        asyncio.run(play(quick_url, [("http", "well", True)], reach=None))


MARKS: Final = {
    "http": '{"data"',
    "form": '{"data"',
    "batch": '[{"data"',
    "multipart": "---\r\nContent-Type: application/json",
    "sse": "event: next",
    "websocket": '{"id":"1","type":"next"',
}


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_each_transport_answers_in_its_own_format(
    memory_cache: ResponseCache, transport: str
) -> None:
    world = World(memory_cache)
    context = {"stored": world.stored, "read": world.read, "end": "well"}

    async def on_answer() -> None:
        pass

    application = world.applications[True]
    answer = await ask(
        application, transport, "mutation { add { number late } }", context, on_answer
    )
    assert answer.replace(" ", "").strip().startswith(MARKS[transport].replace(" ", ""))
    assert "errors" not in answer
