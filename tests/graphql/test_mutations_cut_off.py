"""A mutation that is cut off, and a commit that happens elsewhere, leave no old data."""

import asyncio
from collections.abc import AsyncIterator, Callable
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


async def test_a_commit_that_happens_at_once_is_invalidated_before_the_answer(
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


async def test_a_mutation_that_is_cancelled_after_it_ran_is_invalidated(
    memory_cache: ResponseCache,
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
    for _ in range(100):
        await asyncio.sleep(0)
    result = await schema.execute("{ thing { number } }", context_value={"rows": rows})
    assert result.data == {"thing": {"number": 2}}


@pytest.mark.parametrize("face", ["sync", "async"])
async def test_a_mutation_that_is_cut_off_by_a_base_exception_invalidates(
    memory_cache: ResponseCache, face: str
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
    for _ in range(100):
        await asyncio.sleep(0)
    result = await schema.execute("{ thing { number } }", context_value={"rows": rows})
    assert result.data == {"thing": {"number": 2}}


@pytest.mark.faults
def test_a_fault_of_a_deferred_invalidation_is_not_raised_into_the_commit(
    memory_cache: ResponseCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    deferred: list[Callable[[], None]] = []
    ours = ResponseCacheExtension(memory_cache, tenant=None, on_commit=deferred.append)
    schema = strawberry.Schema(Things, Changes, extensions=[ours])
    schema.execute_sync("mutation { bumpSync { number } }", context_value={"rows": {"number": 1}})

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(ResponseCache, "invalidate_sync", fail)
    deferred.pop()()


async def test_a_commit_in_the_loop_of_another_thread_is_invalidated(
    memory_cache: ResponseCache,
) -> None:
    """`loop.create_task` is called from a thread that is not the loop's; in debug mode it raises."""
    deferred: list[Callable[[], None]] = []
    ours = ResponseCacheExtension(memory_cache, tenant=None, on_commit=deferred.append)
    schema = strawberry.Schema(Things, Changes, extensions=[ours])
    context = {"rows": {"number": 1}}
    await schema.execute("{ thing { number } }", context_value=context)
    await schema.execute("mutation { bump { number } }", context_value=context)

    async def commit() -> None:
        deferred.pop()()

    await asyncio.to_thread(asyncio.run, commit())
    asyncio.get_running_loop().set_debug(True)
    await schema.execute("mutation { bump { number } }", context_value=context)
    await asyncio.to_thread(asyncio.run, commit())


def test_an_async_on_commit_is_refused(memory_cache: ResponseCache) -> None:
    async def on_commit(function: Callable[[], None]) -> None:
        function()

    with pytest.raises(
        CacheConfigurationError, match="on_commit is a function; pass a plain function"
    ):
        ResponseCacheExtension(memory_cache, tenant=None, on_commit=on_commit)
