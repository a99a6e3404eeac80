"""A mutation that is cut off, and a commit that happens elsewhere, leave no old data."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest
import strawberry
from strawberry.extensions import SchemaExtension

from strawberry_response_cache import (
    CacheConfigurationError,
    ResponseCache,
    ResponseCacheExtension,
    cache_control,
)
from tests.conftest import Eventually
from tests.graphql.conftest import UntilInvalidated

user: ContextVar[str] = ContextVar("user", default="guest")


def said(result: Any) -> Any:
    return result.data, [e.message for e in result.errors or ()]


class CutOff(BaseException):
    """As gevent.Timeout, SystemExit, or a soft time limit of a worker."""


@strawberry.type
class Thing:
    id: strawberry.ID
    number: int


@strawberry.type
class Things:
    @cache_control(ttl=60)
    @strawberry.field
    def thing(self, info: strawberry.Info) -> Thing:
        return Thing(id=strawberry.ID("1"), number=info.context["rows"]["number"])


@strawberry.type
class Changes:
    @strawberry.mutation
    async def bump(self, info: strawberry.Info) -> Thing:
        info.context["rows"]["number"] += 1
        if info.context.get("cut_off"):
            raise CutOff
        return Thing(id=strawberry.ID("1"), number=info.context["rows"]["number"])

    @strawberry.mutation
    def bump_sync(self, info: strawberry.Info) -> Thing:
        info.context["rows"]["number"] += 1
        if info.context.get("cut_off"):
            raise CutOff
        return Thing(id=strawberry.ID("1"), number=info.context["rows"]["number"])


async def test_a_mutation_with_an_immediate_commit_invalidates_before_the_answer(
    cache: ResponseCache,
) -> None:
    """In autocommit mode, Django's transaction.on_commit calls the function at once."""
    ours = ResponseCacheExtension(cache, tenant=None, on_commit=lambda function: function())
    schema = strawberry.Schema(Things, Changes, extensions=[ours])
    context = {"rows": {"number": 1}}
    await schema.execute("{ thing { number } }", context_value=context)
    await schema.execute("mutation { bump { number } }", context_value=context)
    result = await schema.execute("{ thing { number } }", context_value=context)
    assert result.data == {"thing": {"number": 2}}


class SlowTeardown(SchemaExtension):
    async def on_operation(self) -> AsyncIterator[None]:
        yield
        if (waiting := self.execution_context.context.get("waiting")) is not None:
            waiting.set()
            await asyncio.Event().wait()


async def test_a_mutation_cancelled_after_its_resolvers_ran_invalidates(
    memory_cache: ResponseCache, until_invalidated: UntilInvalidated
) -> None:
    ours = ResponseCacheExtension(memory_cache, tenant=None)
    schema = strawberry.Schema(Things, Changes, extensions=[SlowTeardown, ours])
    rows, waiting = {"number": 1}, asyncio.Event()
    await schema.execute("{ thing { number } }", context_value={"rows": rows})
    context = {"rows": rows, "waiting": waiting}
    mutation = asyncio.create_task(
        schema.execute("mutation { bump { number } }", context_value=context)
    )
    await waiting.wait()
    mutation.cancel()
    with pytest.raises(asyncio.CancelledError):
        await mutation
    await until_invalidated()
    result = await schema.execute("{ thing { number } }", context_value={"rows": rows})
    assert result.data == {"thing": {"number": 2}}


@pytest.mark.parametrize("face", ["sync", "async"])
async def test_a_mutation_whose_resolver_raises_a_base_exception_invalidates(
    memory_cache: ResponseCache, until_invalidated: UntilInvalidated, face: str
) -> None:
    ours = ResponseCacheExtension(memory_cache, tenant=None)
    schema = strawberry.Schema(Things, Changes, extensions=[ours])
    rows = {"number": 1}
    await schema.execute("{ thing { number } }", context_value={"rows": rows})
    context = {"rows": rows, "cut_off": True}
    with pytest.raises(CutOff):  # noqa: PT012 - one call of two faces
        if face == "sync":
            schema.execute_sync("mutation { bumpSync { number } }", context_value=context)
        else:
            await schema.execute("mutation { bump { number } }", context_value=context)
    await until_invalidated()
    result = await schema.execute("{ thing { number } }", context_value={"rows": rows})
    assert result.data == {"thing": {"number": 2}}


@pytest.mark.faults
def test_a_fault_of_a_deferred_invalidation_is_not_raised_into_the_commit(
    memory_cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    deferred: list[Callable[[], object]] = []
    ours = ResponseCacheExtension(memory_cache, tenant=None, on_commit=deferred.append)
    schema = strawberry.Schema(Things, Changes, extensions=[ours])
    schema.execute_sync("mutation { bumpSync { number } }", context_value={"rows": {"number": 1}})

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(ResponseCache, "invalidate_sync", fail)
    before = ours.faults
    deferred.pop()()
    assert ours.faults > before


async def test_a_commit_in_the_event_loop_of_another_thread_invalidates(
    memory_cache: ResponseCache,
) -> None:
    """`loop.create_task` is called from a thread that is not the loop's; in debug mode it raises."""
    deferred: list[Callable[[], object]] = []
    ours = ResponseCacheExtension(memory_cache, tenant=None, on_commit=deferred.append)
    schema = strawberry.Schema(Things, Changes, extensions=[ours])
    context = {"rows": {"number": 1}}
    await schema.execute("{ thing { number } }", context_value=context)

    async def commit() -> None:
        deferred.pop()()

    async def is_fresh() -> bool:
        read = await schema.execute("{ thing { number } }", context_value=context)
        return read.data == {"thing": {"number": context["rows"]["number"]}}

    for debug in (False, True):
        asyncio.get_running_loop().set_debug(debug)
        await schema.execute("mutation { bump { number } }", context_value=context)
        assert not await is_fresh()
        await asyncio.to_thread(asyncio.run, commit())
        async with asyncio.timeout(60):
            while not await is_fresh():
                await asyncio.sleep(0)


def test_an_async_on_commit_is_refused(memory_cache: ResponseCache) -> None:
    async def on_commit(function: Callable[[], object]) -> None:
        function()

    with pytest.raises(
        CacheConfigurationError, match="on_commit is a function; pass a plain function"
    ):
        ResponseCacheExtension(memory_cache, tenant=None, on_commit=on_commit)


# -- Once, after the teardown of every extension, whatever ends it -------------------------------------------


class CommitsInTheEnd(SchemaExtension):
    """Commits whatever happened, shielded from cancellations; meanwhile somebody reads."""

    async def on_operation(self) -> AsyncIterator[None]:
        context = self.execution_context.context
        committed = dict(context["rows"])
        context["rows"] = dict(committed)
        try:
            yield
        finally:
            if context["rows"] != committed:
                reading = asyncio.create_task(context["read"](), context=contextvars.Context())
                await asyncio.shield(reading)
                context["stored"].update(context["rows"])


ENDS = ["it is cancelled", "its time is over", "a base exception", "another extension"]


class CancelsItself(SchemaExtension):
    """A later extension whose teardown raises what cancels nobody."""

    async def on_operation(self) -> AsyncIterator[None]:
        yield
        if self.execution_context.context.get("end") == "another extension":
            raise asyncio.CancelledError


@pytest.mark.parametrize("end", ENDS)
async def test_a_mutation_that_is_cancelled_or_raises_invalidates_once_after_other_extensions_commit(
    valkey_cache: ResponseCache, raw_valkey: Any, eventually: Eventually, end: str
) -> None:
    """Its task continues afterwards, as that of a consumer of a queue does."""
    waiting, limit = asyncio.Event(), asyncio.timeout(None)

    @strawberry.type
    class Mutation:
        @strawberry.mutation
        async def bump(self, info: strawberry.Info) -> Thing:
            info.context["rows"]["number"] += 1
            if end == "its time is over":
                limit.reschedule(asyncio.get_running_loop().time())
            if end in {"it is cancelled", "its time is over"}:
                waiting.set()
                await asyncio.Event().wait()
            if end == "a base exception":
                raise CutOff
            return Thing(id=strawberry.ID("1"), number=info.context["rows"]["number"])

    ours = ResponseCacheExtension(valkey_cache, tenant=None)
    schema = strawberry.Schema(Things, Mutation, extensions=[CommitsInTheEnd, ours, CancelsItself])
    stored = {"number": 1}

    async def read() -> Any:
        context = {"rows": dict(stored), "stored": stored}
        return (await schema.execute("{ thing { number } }", context_value=context)).data

    assert await read() == {"thing": {"number": 1}}
    raw_valkey.config_resetstat()

    def published() -> int:
        found: dict[str, dict[str, int]] = raw_valkey.info("commandstats")
        return found.get("cmdstat_publish", {"calls": 0})["calls"]

    context = {"rows": stored, "stored": stored, "read": read, "end": end}
    running = schema.execute("mutation { bump { number } }", context_value=context)
    try:
        if end == "it is cancelled":
            task = asyncio.create_task(running)
            await waiting.wait()
            task.cancel()
            await task
        elif end == "its time is over":
            async with limit:
                await running
        else:
            await running
    except (asyncio.CancelledError, TimeoutError, CutOff):
        pass
    assert stored == {"number": 2}
    await eventually(published)
    assert await read() == {"thing": {"number": 2}}
    assert published() == 1


@pytest.mark.parametrize("face", ["sync", "async"])
async def test_on_commit_is_called_for_a_mutation_that_raises_a_base_exception(
    memory_cache: ResponseCache, until_invalidated: UntilInvalidated, face: str
) -> None:
    """A transaction that is rolled back changed nothing, and nothing is invalidated."""
    deferred: list[Callable[[], object]] = []
    ours = ResponseCacheExtension(memory_cache, tenant=None, on_commit=deferred.append)
    schema = strawberry.Schema(Things, Changes, extensions=[ours])
    rows = {"number": 1}

    async def read() -> Any:
        return (await schema.execute("{ thing { number } }", context_value={"rows": rows})).data

    await read()
    context = {"rows": rows, "cut_off": True}
    with pytest.raises(CutOff):  # noqa: PT012 - one call of two faces
        if face == "sync":
            schema.execute_sync("mutation { bumpSync { number } }", context_value=context)
        else:
            await schema.execute("mutation { bump { number } }", context_value=context)
    assert await read() == {"thing": {"number": 1}}, "nothing is committed yet"
    [commit] = deferred
    commit()
    await until_invalidated()
    assert await read() == {"thing": {"number": 2}}


class FailsToSay(SchemaExtension):
    def get_results(self) -> dict[str, Any]:
        raise LookupError


@pytest.mark.parametrize("face", ["sync", "async"])
@pytest.mark.parametrize("before", [True, False])
async def test_on_commit_is_called_although_another_extension_fails_the_answer(
    memory_cache: ResponseCache, face: str, before: bool
) -> None:
    deferred: list[Callable[[], object]] = []
    ours = ResponseCacheExtension(memory_cache, tenant=None, on_commit=deferred.append)
    extensions: list[Any] = [FailsToSay, ours] if before else [ours, FailsToSay]
    schema = strawberry.Schema(Things, Changes, extensions=extensions)
    context = {"rows": {"number": 1}}
    with pytest.raises(LookupError):  # noqa: PT012 - one call of two faces
        if face == "sync":
            schema.execute_sync("mutation { bumpSync { number } }", context_value=context)
        else:
            await schema.execute("mutation { bump { number } }", context_value=context)
    assert len(deferred) == 1


# -- Where the event loop ends ------------------------------------------------------------------------------


@strawberry.type
class Cancelled:
    @strawberry.mutation
    async def bump(self, info: strawberry.Info) -> Thing:
        info.context["rows"]["number"] += 1
        if info.context.get("end") == "in the resolver":
            raise asyncio.CancelledError
        return Thing(id=strawberry.ID("1"), number=info.context["rows"]["number"])


class Ends(SchemaExtension):
    """Ends the loop while the mutation waits for its invalidation, or cancels the mutation in its teardown."""

    def on_operation(self) -> Iterator[None]:
        yield
        context = self.execution_context.context
        if context.get("end") == "in a teardown":
            raise asyncio.CancelledError
        if context.get("end") == "in the invalidation":
            asyncio.get_running_loop().call_soon(context["finish"].set_result, None)


@pytest.mark.parametrize("end", ["in the resolver", "in a teardown", "in the invalidation"])
def test_an_event_loop_that_ends_right_after_a_mutation_loses_no_invalidation(
    valkey_url: str, new_cache: Callable[..., ResponseCache], end: str
) -> None:
    """`asyncio.run` cancels the tasks that still run, as a server that shuts down does."""
    cache = new_cache(valkey_url)
    ours = ResponseCacheExtension(cache, tenant=None)
    schema = strawberry.Schema(Things, Cancelled, extensions=[Ends, ours])
    rows = {"number": 1}

    async def mutate() -> None:
        context: dict[str, Any] = {"rows": rows, "end": end}
        running = schema.execute("mutation { bump { number } }", context_value=context)
        if end != "in the invalidation":
            with pytest.raises(asyncio.CancelledError):
                await running
            return
        context["finish"] = asyncio.get_running_loop().create_future()
        asyncio.create_task(running)  # noqa: RUF006 - the loop ends before it does
        await context["finish"]

    def read() -> Any:
        return schema.execute_sync("{ thing { number } }", context_value={"rows": rows}).data

    assert read() == {"thing": {"number": 1}}
    asyncio.run(mutate())
    assert read() == {"thing": {"number": 2}}


def test_a_commit_during_which_the_event_loop_ends_invalidates_and_raises_nothing(
    memory_cache: ResponseCache,
) -> None:
    """A thread commits, and the event loop of the request ends before it runs the callback."""
    deferred: list[Callable[[], object]] = []
    ours = ResponseCacheExtension(memory_cache, tenant=None, on_commit=deferred.append)
    schema = strawberry.Schema(Things, Changes, extensions=[ours])
    rows = {"number": 1}
    committing: list[threading.Thread] = []

    async def mutate() -> None:
        await schema.execute("mutation { bump { number } }", context_value={"rows": rows})
        [commit] = deferred
        loop, posted = asyncio.get_running_loop(), threading.Event()
        post = loop.call_soon_threadsafe

        def told(*arguments: Any, **named: Any) -> Any:
            handle = post(*arguments, **named)
            posted.set()
            return handle

        loop.call_soon_threadsafe = told  # type: ignore[method-assign,assignment] # it does what the original does
        committing.append(threading.Thread(target=commit))
        committing[0].start()
        assert posted.wait(60)

    def read() -> Any:
        return schema.execute_sync("{ thing { number } }", context_value={"rows": rows}).data

    assert read() == {"thing": {"number": 1}}
    asyncio.run(mutate())
    committing[0].join()
    assert read() == {"thing": {"number": 2}}
