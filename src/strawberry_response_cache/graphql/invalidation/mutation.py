"""One mutation: it always runs, and what it changed is invalidated before it answers."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from graphql.execution import Executor

from strawberry_response_cache.core import CacheError, CacheStoreError, ResponseCache
from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core._user_code import Raised, called
from strawberry_response_cache.core.drivers.driving import running_loop
from strawberry_response_cache.graphql._guard import Guard, faults
from strawberry_response_cache.graphql._options import Options, Reach
from strawberry_response_cache.graphql._request import RequestContext, at_once
from strawberry_response_cache.graphql.annotations.run_notes import RunNotes
from strawberry_response_cache.graphql.invalidation.entities import Entities
from strawberry_response_cache.graphql.keys.plan import Setting
from strawberry_response_cache.graphql.policy.policy import work_out_policy

if TYPE_CHECKING:
    import concurrent.futures

_LONGEST_WAIT: Final = 5.0
"""Seconds."""

Owed: TypeAlias = tuple[ResponseCache, set[str]]
"""Which tags, where."""


class Mutation:
    """The invalidations that one mutation owes.

    Args:
        request: The request's context.
        setting: The schema and its rules.
        notes: What its resolvers say.
        entities: The objects that its result holds.
    """

    __slots__ = (
        "_cut_off",
        "_entities",
        "_faults",
        "_is_due",
        "_is_settling",
        "_notes",
        "_options",
        "_request",
        "_setting",
    )

    def __init__(
        self, request: RequestContext, setting: Setting, notes: RunNotes, entities: Entities
    ) -> None:
        self._request = request
        self._options = request.options.invalidation
        self._setting = setting
        self._notes = notes
        self._entities = entities
        self._cut_off: set[str] = set()
        self._faults = faults.elsewhere
        self._is_settling = False
        self._is_due = False

    async def ask(self) -> None:
        """Ask for the tenant, before anything runs."""
        await self._request.ask(session=False)
        self._notes.cache = self._request.tenant_cache()

    def cut_short(self, executor: Executor[Any]) -> None:
        """Note everything that may have changed: how far it came is not known."""
        if self._setting.mistakes:
            self._notes.invalidates_everything = True  # what it may have changed is not known
        else:
            self._cut_off = _types_of(executor, self._setting)

    # -- Invalidating -------------------------------------------------------------------------------------

    def _tags(self) -> set[str]:
        reached = _reached(self._entities, self._options.reach)
        return self._notes.invalidated | self._cut_off | reached

    def _owed(self) -> Owed | None:
        """Return what is to be invalidated where; None if there is nothing, or no telling where."""
        if faults.elsewhere != self._faults:
            self._notes.invalidates_everything = (
                True  # a resolver may have named tags that were lost
            )
        tags = self._tags()
        if not tags and not self._notes.invalidates_everything:
            return None
        cache = self._notes.cache
        if cache is None:
            log_without_tenant()
            return None
        return cache, tags

    async def settle(self) -> None:
        """Invalidate what it changed, now or when the user's transaction is over."""
        if (owed := self._owed()) is None:
            return
        loop = asyncio.get_running_loop()
        self._is_settling = True
        try:
            is_deferred = self._is_deferred(partial(self._invalidate_in, loop, owed))
        finally:
            self._is_settling = False
        if not is_deferred or self._is_due:
            await self._invalidate(owed)
        if self._options.again_after is not None:
            loop.call_later(self._options.again_after, self.invalidate_beside)

    def settle_sync(self) -> None:
        """Invalidate what it changed; the twin of `settle`."""
        if (owed := self._owed()) is None:
            return
        guard = self._request.guard
        if not self._is_deferred(partial(guard.step, self._invalidate_sync, owed)):
            self._invalidate_sync(owed)
        if self._options.again_after is not None:
            timer = threading.Timer(self._options.again_after, self._invalidate_sync, [owed])
            timer.daemon = True
            timer.start()

    def _is_deferred(self, invalidate: Callable[[], None]) -> bool:
        """Hand the invalidation to the user's transaction hook, if there is one that takes it."""
        if self._options.on_commit is None:
            return False
        answer = called(self._options.on_commit, invalidate)
        if type(answer) is Raised:
            logger.error(
                "The extension's on_commit failed (%s); the invalidation is not deferred.",
                answer.kind,
                extra={"error.type": answer.kind},
            )
            return False
        return True

    def _beside(self, owed: Owed) -> Coroutine[Any, Any, None]:
        """Return what invalidates in a task of its own, and clears the tenant after a fault."""
        guard = self._request.guard
        return guard.either(partial(self._invalidate, owed), partial(owed[0].clear, queued=True))

    async def _invalidate(self, owed: Owed) -> None:
        """Invalidate; what Redis does not take is queued, and nothing is raised."""
        cache, tags = owed
        try:
            if tags:
                await cache.invalidate(*sorted(tags), queued=True)
            if self._notes.invalidates_everything:
                await cache.clear(queued=True)
        except CacheError as error:
            _lost(error)

    def _invalidate_sync(self, owed: Owed) -> None:
        """Invalidate; the twin of `_invalidate`."""
        cache, tags = owed
        try:
            if tags:
                cache.invalidate_sync(*sorted(tags), queued=True)
            if self._notes.invalidates_everything:
                cache.clear_sync(queued=True)
        except CacheError as error:
            _lost(error)

    def _invalidate_in(self, loop: asyncio.AbstractEventLoop, owed: Owed) -> None:
        """Invalidate from wherever a transaction ended: in the loop of the request while it runs.

        A thread of its own waits for it; a thread that runs a loop cannot.
        """
        if self._is_settling:  # there was no transaction: `settle` invalidates before the answer
            self._is_due = True
        elif (here := running_loop()) is loop:
            _keep(loop.create_task(self._beside(owed)))
        elif not loop.is_running():
            self._request.guard.step(self._invalidate_sync, owed)
        else:
            invalidating = asyncio.run_coroutine_threadsafe(self._beside(owed), loop)
            if here is None:
                self._wait(invalidating)

    def _wait(self, invalidating: "concurrent.futures.Future[None]") -> None:
        """Wait for an invalidation, but not for ever: its loop may be waiting for this very thread."""
        try:
            invalidating.result(_LONGEST_WAIT)
        except TimeoutError:
            logger.warning(
                "The invalidation of a mutation is not done after %s seconds: its event loop is busy. It "
                "goes on.",
                _LONGEST_WAIT,
            )

    def settle_early(self, *, in_loop: bool) -> None:
        """Do what `settle` does, without waiting for it in an event loop: nobody is left to wait."""
        if not in_loop:
            self.settle_sync()
        elif (owed := self._owed()) is not None:
            loop = asyncio.get_running_loop()
            if not self._is_deferred(partial(self._invalidate_in, loop, owed)):
                _keep(loop.create_task(self._beside(owed)))
            if self._options.again_after is not None:
                loop.call_later(self._options.again_after, self.invalidate_beside)

    def invalidate_beside(self) -> None:
        """Invalidate what it changed in a task of its own, which outlives its caller."""
        if (owed := self._owed()) is None:
            return
        _keep(asyncio.get_running_loop().create_task(self._beside(owed)))


_tasks: set[asyncio.Task[None]] = set()
"""Loops hold their tasks weakly."""


def _keep(task: "asyncio.Task[None]") -> None:
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


def _lost(error: CacheError) -> None:
    if isinstance(error, CacheStoreError):
        return  # the cache has logged it, with the server and once per interval
    kind = type(error).__qualname__
    logger.error(
        "The invalidation of a mutation was lost (%s); what the mutation changed is served until its "
        "ttl ends.",
        kind,
        extra={"error.type": kind},
    )


def log_without_tenant() -> None:
    """Say that nothing could be invalidated."""
    logger.error(
        "A mutation ran whose tenant is not known, so nothing was invalidated; what the mutation changed "
        "is served until its ttl ends."
    )


async def invalidate_everything(options: Options, context: object, guard: Guard) -> None:
    """Clear the tenant after a mutation of which a fault lost what it had changed.

    Args:
        options: The extension's configuration.
        context: The context of the request.
        guard: The guard of the request.
    """
    request = RequestContext(options, context, guard, synchronous=False)
    await request.ask(session=False)
    if (cache := request.tenant_cache()) is None:
        log_without_tenant()
    else:
        await cache.clear(queued=True)


def invalidate_everything_sync(options: Options, context: object, guard: Guard) -> None:
    """Clear the tenant; the twin of `invalidate_everything`."""
    request = RequestContext(options, context, guard, synchronous=True)
    at_once(request.ask, session=False)
    if (cache := request.tenant_cache()) is None:
        log_without_tenant()
    else:
        cache.clear_sync(queued=True)


def _reached(entities: Entities, reach: Reach) -> set[str]:
    """Return the tags of what a result holds."""
    match reach:
        case "types":
            return set(entities.types)
        case "entities":
            return entities.tags_to_invalidate()
        case "lists":
            return entities.tags_to_invalidate() | {f"[{name}]" for name in entities.types}
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
