"""The invalidations of one mutation: before it answers, or after the user's transaction."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import Future, wait
from functools import partial
from typing import Any, Final

from graphql.execution import Executor

from strawberry_response_cache.core import CacheError, CacheStoreError, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._faults import faults
from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core._user_code import Raised, called
from strawberry_response_cache.core.drivers.driving import running_loop
from strawberry_response_cache.graphql._compat.sync_or_async import at_once
from strawberry_response_cache.graphql._guard import Guard
from strawberry_response_cache.graphql._options import Options, Reach, Warnings
from strawberry_response_cache.graphql._report import InvalidatedByMutation, Report, When
from strawberry_response_cache.graphql._request import RequestContext
from strawberry_response_cache.graphql.annotations.run_notes import RunNotes
from strawberry_response_cache.graphql.invalidation.django_transactions import (
    after_open_transactions,
    is_djangos,
)
from strawberry_response_cache.graphql.invalidation.due_invalidation import DueInvalidation, posted
from strawberry_response_cache.graphql.invalidation.entities import (
    Entities,
    at_most,
    whole_types,
)
from strawberry_response_cache.graphql.invalidation.repeats import repeats
from strawberry_response_cache.graphql.keys.setting import Setting
from strawberry_response_cache.graphql.policy.policy import work_out_policy

_LONGEST_WAIT: Final = 5.0
"""Seconds for which a thread waits for an invalidation in an event loop of another thread."""


class _Ended:
    """An invalidation that has ended: awaiting it does not wait."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


_ENDED: Final = _Ended()


class Mutation:
    """The invalidations that one mutation causes.

    Args:
        request: The request's context.
        setting: The schema and its rules.
        notes: What its resolvers noted.
        entities: The objects that its result holds.
        report: Gets what it invalidates.
        around: The notes of an outer mutation, whose resolver executes this one; None without one. The outer one may
            commit for both, so it invalidates the same again at its end.
    """

    __slots__ = (
        "_around",
        "_cut_off",
        "_entities",
        "_faults",
        "_is_due",
        "_is_repeated",
        "_is_settling",
        "_notes",
        "_options",
        "_report",
        "_request",
        "_setting",
        "_warnings",
    )

    def __init__(
        self,
        request: RequestContext,
        setting: Setting,
        notes: RunNotes,
        entities: Entities,
        *,
        report: Report,
        around: RunNotes | None = None,
    ) -> None:
        self._request = request
        self._options = request.options.invalidation
        self._warnings = request.options.warnings
        self._setting = setting
        self._notes = notes
        self._entities = entities
        self._report = report
        self._around = around
        self._cut_off: set[str] = set()
        self._faults = faults.elsewhere
        self._is_settling = False
        self._is_due = False
        self._is_repeated = False

    async def ask(self) -> None:
        """Determine the tenant, before any resolver runs."""
        await self._request.ask(session=False)
        self._notes.cache = self._request.tenant_cache()

    def cut_short(self, executor: Executor[Any]) -> None:
        """Note all types that the mutation may have changed: it has no complete result, as after a cancellation."""
        if self._setting.mistakes:
            # The rules have mistakes, so its types are not known.
            self._notes.invalidates_everything = True
        else:
            self._cut_off = _types_of(executor, self._setting)

    # -- Invalidating -------------------------------------------------------------------------------------

    def _tags(self) -> set[str]:
        reached = _reached(self._entities, self._options.reach)
        return at_most(self._notes.invalidated | self._cut_off | reached)

    def _due_invalidation(self) -> DueInvalidation | None:
        """Return what to invalidate; None if that is nothing, or if the tenant is not known.

        An outer mutation of the same tenant gets the tags too, and invalidates them again at its end.
        """
        if faults.elsewhere != self._faults:
            # A resolver may have named tags that were lost.
            self._notes.invalidates_everything = True
        tags = self._tags()
        if not tags and not self._notes.invalidates_everything:
            return None
        cache = self._notes.cache
        if cache is None:
            log_without_tenant(self._warnings)
            return None
        if (around := self._around) is not None and are_of_one_tenant(cache, around.cache):
            around.invalidated |= tags
            around.invalidates_everything |= self._notes.invalidates_everything
        return DueInvalidation(cache, tags, self._notes.invalidates_everything)

    async def settle(self) -> None:
        """Invalidate what the mutation changed: now, or after the commit of the user's transaction."""
        if (loop := running_loop()) is None:  # for example, under Trio
            self.settle_sync()
            return
        if (due := self._due_invalidation()) is None:
            return
        self._is_settling = True
        try:
            is_deferred = self._is_deferred(due, partial(self._invalidate_in, loop, due))
        finally:
            self._is_settling = False
        if not is_deferred or self._is_due:
            # In a task of its own, which continues if this one is cancelled.
            await asyncio.shield(self._begin(loop, due))

    def settle_sync(self) -> None:
        """Invalidate what the mutation changed: now, or after the user's transaction; the sync form of `settle`."""
        if (due := self._due_invalidation()) is None:
            return
        guard = self._request.guard

        def invalidate() -> Awaitable[None]:
            guard.step(self._invalidate_sync, due)
            return _ENDED

        if not self._is_deferred(due, invalidate):
            self._invalidate_sync(due)

    def _log_lost(self, error: CacheError) -> None:
        # The cache logs errors of the server, with the server and once per interval.
        if not isinstance(error, CacheStoreError):
            kind = type(error).__qualname__
            self._warnings.lost_invalidation(kind, f"that failed ({kind})")

    def _note(self, due: DueInvalidation, when: When) -> None:
        """Note and log the outcome of an invalidation."""
        self._report.told = told = InvalidatedByMutation(when, due.tags, due.everything)
        logger.debug(
            "A mutation invalidated %s tags (%s).",
            len(told.tags),
            when,
            extra={
                "response_cache.tag.count": len(told.tags),
                "response_cache.invalidate.kind": told.kind,
            },
        )

    def _is_deferred(self, due: DueInvalidation, invalidate: Callable[[], Awaitable[None]]) -> bool:
        """Pass the invalidation to ``on_commit``, or to Django's open transactions; return whether one took it."""
        on_commit = self._options.on_commit
        if on_commit is None or is_djangos(on_commit):
            if running_loop() is not None:
                return False  # Django has no transactions there
            if called(after_open_transactions, invalidate) is not True:
                return False
            self._note(due, "deferred")
            return True
        answer = called(on_commit, invalidate)
        if type(answer) is Raised:
            self._warnings.unusable_on_commit(answer.kind, "failed")
            return False
        if inspect.isawaitable(answer) and not isinstance(answer, asyncio.Future | _Ended):
            if inspect.iscoroutine(answer):
                answer.close()
            self._warnings.unusable_on_commit(
                type(answer).__qualname__, "is no plain function: nobody awaits what it returned"
            )
            return False
        if self._report.told is None and not self._is_due:  # else the hook called it at once
            self._note(due, "deferred")
        return True

    def _begin(self, loop: asyncio.AbstractEventLoop, due: DueInvalidation) -> "asyncio.Task[None]":
        """Start a task that invalidates. If the event loop ends first, the invalidation is completed without it."""
        task = loop.create_task(self._guarded(due))
        _tasks.add(task)  # loops hold their tasks weakly
        task.add_done_callback(_tasks.discard)
        task.add_done_callback(partial(self._request.guard.step, self._make_up, due))
        return task

    def _make_up(self, due: DueInvalidation, begun: "asyncio.Future[None] | Future[None]") -> None:
        """Invalidate in this thread if the task was cancelled: `asyncio.run` cancels the tasks left at its end."""
        if begun.cancelled():
            self._invalidate_sync(due)

    def _guarded(self, due: DueInvalidation) -> Coroutine[Any, Any, None]:
        """Return a coroutine that invalidates, and that clears the tenant after a fault."""
        guard = self._request.guard
        return guard.either(partial(self._invalidate, due), partial(due.cache.clear, queued=True))

    async def _invalidate(self, due: DueInvalidation) -> None:
        """Invalidate, note the outcome, and plan the repetition. What Redis does not take is queued."""
        try:
            await due.invalidate()
        except CacheError as error:
            self._log_lost(error)
            self._note(due, "lost")
        else:
            self._note(due, "queued" if tenant_of(due.cache).has_pending() else "now")
        self._repeat_later(due, asyncio.get_running_loop())

    def _invalidate_sync(self, due: DueInvalidation) -> None:
        """Invalidate, note the outcome, and plan the repetition; the sync form of `_invalidate`."""
        try:
            due.invalidate_sync()
        except CacheError as error:
            self._log_lost(error)
            self._note(due, "lost")
        else:
            self._note(due, "queued" if tenant_of(due.cache).has_pending() else "now")
        self._repeat_later(due, None)

    def _invalidate_in(
        self, loop: asyncio.AbstractEventLoop, due: DueInvalidation
    ) -> Awaitable[None]:
        """Invalidate after a transaction, in the event loop of the request, or in this thread if that loop has ended.

        The calling thread waits until that is done, unless it runs an event loop itself.

        Returns:
            An awaitable that ends with the invalidation, for callers in an event loop.
        """
        if self._is_settling:  # there was no transaction: `settle` invalidates before the answer
            self._is_due = True
        elif (here := running_loop()) is loop:
            return asyncio.shield(self._begin(loop, due))
        elif not loop.is_running() or (invalidating := posted(self._guarded(due), loop)) is None:
            self._request.guard.step(self._invalidate_sync, due)
        else:
            guard = self._request.guard
            invalidating.add_done_callback(partial(guard.step, self._make_up, due))
            if here is not None:
                return asyncio.shield(asyncio.wrap_future(invalidating, loop=here))
            self._wait(invalidating)
        return _ENDED

    def _repeat_later(self, due: DueInvalidation, loop: asyncio.AbstractEventLoop | None) -> None:
        """Plan to invalidate once more after the seconds of ``invalidate_again``, for database replicas that lag."""
        if self._options.again_after is not None and not self._is_repeated:
            self._is_repeated = True
            repeats.call_later(self._options.again_after, partial(due.invalidate_in, loop))

    def _wait(self, invalidating: "Future[None]") -> None:
        """Wait some seconds for an invalidation; not longer, because its loop may be waiting for this thread."""
        if not wait([invalidating], _LONGEST_WAIT).done:
            logger.warning(
                "The invalidation of a mutation has not ended after %s seconds, because its event loop is "
                "busy. It continues.",
                _LONGEST_WAIT,
            )

    def settle_early(self) -> None:
        """Invalidate what the mutation changed; in an event loop, in the background, because the request has ended."""
        if (loop := running_loop()) is None:
            self.settle_sync()
        elif (due := self._due_invalidation()) is not None and not self._is_deferred(
            due, partial(self._invalidate_in, loop, due)
        ):
            self._begin(loop, due)


_tasks: set[asyncio.Task[None]] = set()


def are_of_one_tenant(cache: ResponseCache, other: ResponseCache | None) -> bool:
    """Whether two caches are of one tenant."""
    return other is not None and tenant_of(cache).identity == tenant_of(other).identity


def log_without_tenant(warnings: Warnings) -> None:
    """Log that nothing could be invalidated, because the tenant is not known."""
    warnings.lost_invalidation("", "its tenant is not known")


async def invalidate_everything(
    options: Options, context: object, guard: Guard, *, is_sync: bool = False
) -> None:
    """Clear the tenant after a mutation, because a fault lost the list of what it changed.

    Args:
        options: The extension's configuration.
        context: The context of the request.
        guard: The guard of the request.
        is_sync: Whether to call Redis without awaiting anything.
    """
    request = RequestContext(options, context, guard, synchronous=is_sync)
    await request.ask(session=False)
    if (cache := request.tenant_cache()) is None:
        log_without_tenant(options.warnings)
    elif is_sync or running_loop() is None:
        cache.clear_sync(queued=True)
    else:
        await cache.clear(queued=True)


def invalidate_everything_sync(options: Options, context: object, guard: Guard) -> None:
    """Clear the tenant; the sync form of `invalidate_everything`."""
    at_once(invalidate_everything, options, context, guard, is_sync=True)


def _reached(entities: Entities, reach: Reach) -> set[str]:
    """Return the tags to invalidate for the objects in a result, by ``invalidate_on_mutation``."""
    match reach:
        case "types":
            return whole_types(entities.types)
        case "entities":
            return entities.tags_to_invalidate()
        case "lists":
            return entities.tags_to_invalidate() | {f"[{name}]" for name in entities.types}
        case _:
            return set()


def _types_of(executor: Executor[Any], setting: Setting) -> set[str]:
    """Return the tags of every type that the result of a mutation can hold."""
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
    others = {each.name for name in policy.types for each in setting.same_rows.get(name, ())}
    return policy.type_tags | whole_types(policy.types | others)
