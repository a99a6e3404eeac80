"""One mutation: it always runs, and what it changed is purged before it answers."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from graphql.execution import Executor

from strawberry_response_cache.core import CacheError, ResponseCache
from strawberry_response_cache.graphql._context import RequestContext
from strawberry_response_cache.graphql._plan import Setting
from strawberry_response_cache.graphql._policy import work_out_policy
from strawberry_response_cache.graphql._recorder import Recorder

logger = logging.getLogger("strawberry_response_cache")

Reach: TypeAlias = Literal["lists", "entities", "types"] | None
"""What is purged of the objects that a mutation's result holds; see `ResponseCacheExtension`."""


class Mutation:
    """The purges that one mutation owes.

    Args:
        request: The request's context.
        reach: See `Reach`.
        setting: The schema and its rules.
    """

    __slots__ = ("_cache", "_cut_off", "_reach", "_setting", "recorder")

    def __init__(self, request: RequestContext, reach: Reach, setting: Setting) -> None:
        # The tenant as it is before anything runs, as for a lookup.
        self._cache: ResponseCache | None = request.tenant_cache()
        self._reach = reach
        self._setting = setting
        self._cut_off: set[str] = set()
        self.recorder = Recorder()

    def run(self, executor: Executor[Any], execute: Callable[[], Any]) -> Any:  # noqa: ANN401 - a result
        """Run a mutation in a thread of its own."""
        with self.recorder.recording(executor):
            return execute()

    async def run_async(self, executor: Executor[Any], execute: Callable[[], Any]) -> Any:  # noqa: ANN401 - a result
        """Run a mutation in an event loop.

        A caller who is gone leaves it unknown what had changed: everything that may have been is purged.
        """
        try:
            with self.recorder.recording(executor):
                result = execute()
                return await result if executor.is_awaitable(result) else result
        except asyncio.CancelledError:
            self._cut_off = _types_of(executor, self._setting)
            self.purge_beside()
            raise

    # -- Purging -------------------------------------------------------------------------------------

    def _tags(self) -> set[str]:
        recorder = self.recorder
        return recorder.purges | self._cut_off | _reached(recorder, self._reach)

    def _owed(self) -> tuple[ResponseCache, set[str]] | None:
        """Return what is to be purged where; None if there is nothing, or no telling where."""
        tags = self._tags()
        if not tags and not self.recorder.purges_everything:
            return None
        if self._cache is None:
            logger.error(
                "A mutation's purge has no tenant; what it changed lives on until its ttl ends."
            )
            return None
        return self._cache, tags

    async def purge(self) -> None:
        """Purge what it changed; what Redis does not take is queued, and nothing is raised."""
        if (owed := self._owed()) is None:
            return
        cache, tags = owed
        try:
            if self.recorder.purges_everything:
                await cache.clear()
            else:
                await cache.invalidate(*sorted(tags), queued=True)
        except CacheError as error:
            _lost(error)

    def purge_sync(self) -> None:
        """Purge what it changed; the twin of `purge`."""
        if (owed := self._owed()) is None:
            return
        cache, tags = owed
        try:
            if self.recorder.purges_everything:
                cache.clear_sync()
            else:
                cache.invalidate_sync(*sorted(tags), queued=True)
        except CacheError as error:
            _lost(error)

    def purge_beside(self) -> None:
        """Purge what it changed in a task of its own, which outlives its caller."""
        task = asyncio.get_running_loop().create_task(self.purge())
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)


_tasks: set[asyncio.Task[None]] = set()
"""Loops hold their tasks weakly."""


def _lost(error: CacheError) -> None:
    kind = type(error).__qualname__
    logger.error(
        "A mutation's purge was lost (%s); what it changed lives on until its ttl ends.",
        kind,
        extra={"error.type": kind},
    )


def _reached(recorder: Recorder, reach: Reach) -> set[str]:
    """Return the tags of what a result holds."""
    entities = recorder.entities
    match reach:
        case "types":
            return set(entities.types)
        case "entities":
            return entities.tags_to_purge()
        case "lists":
            return entities.tags_to_purge() | {f"[{name}]" for name in entities.types}
        case _:
            return set()


def _types_of(executor: Executor[Any], setting: Setting) -> set[str]:
    """Return the tags of every type that a mutation's result may hold."""
    schema = setting.schema
    if schema.mutation_type is None:
        return set()
    policy = work_out_policy(
        schema,
        setting.rules,
        executor.operation,
        executor.fragment_definitions,
        variables=executor.variable_values.coerced,
        defaults=setting.defaults,
        root=schema.mutation_type,
    )
    return policy.type_tags
