"""`invalidate` and `invalidate_sync`: invalidation from a resolver."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any, Final

from strawberry.types import Info

from strawberry_response_cache.core import CacheConfigurationError, ResponseCache
from strawberry_response_cache.core.drivers.driving import running_loop
from strawberry_response_cache.graphql._compat.executor import announced_run
from strawberry_response_cache.graphql._compat.sync_or_async import at_once
from strawberry_response_cache.graphql._guard import Guard, resolver_guard
from strawberry_response_cache.graphql._options import Options, options_of
from strawberry_response_cache.graphql._request import RequestContext
from strawberry_response_cache.graphql.annotations.restrict import MISUSE, raw_info
from strawberry_response_cache.graphql.annotations.run_notes import mutation_around, notes_of_run
from strawberry_response_cache.graphql.annotations.tag_templates import checked_tags
from strawberry_response_cache.graphql.invalidation.django_transactions import (
    after_open_transactions,
)
from strawberry_response_cache.graphql.invalidation.mutation import (
    are_of_one_tenant,
    log_without_tenant,
)


def invalidate(info: Info, *tags: str) -> Coroutine[Any, Any, None]:
    """Invalidate tags of this request's tenant, from a resolver: now, and again at the end of a mutation.

    In a mutation, the call notes the tags, which are invalidated at its end; awaiting the call invalidates them now
    as well. In a query or a subscription, the call starts the invalidation, and awaiting the call waits until it is
    done; a query answers only after that. In an open transaction of Django, a query invalidates again after the
    commit.

    The call does not raise if Redis is down: the invalidation is queued, and until it is replayed, this process
    reads nothing of the tenant from the cache. If the extension's ``tenant`` returns nothing usable, an ERROR is
    logged and nothing is invalidated.

    Args:
        info: The ``info`` that Strawberry passes to the resolver.
        *tags: The tags, as in `ResponseCache.invalidate`.

    Raises:
        TypeError: If ``info`` is not the ``info`` of a resolver, or a tag is not a string.
        CacheConfigurationError: If the schema has no `ResponseCacheExtension`, or a tag is empty, too
            long or has control characters.

    Returns:
        An awaitable: in a mutation it invalidates now, otherwise it waits until the invalidation is done.

    Example:
        >>> import strawberry
        >>> from strawberry_response_cache import invalidate
        >>> @strawberry.type
        ... class Mutation:
        ...     @strawberry.mutation
        ...     async def import_entries(self, info: strawberry.Info) -> bool:
        ...         await invalidate(info, "Entry", "Account")
        ...         return True
    """
    with resolver_guard(raises=MISUSE):
        named, options = checked_tags(tags), _options_of(info)
        with resolver_guard():
            if _are_noted(info, named):
                return _invalidate(info, named, options)
            if (loop := running_loop()) is not None:
                return _ended(_begin(loop, info, named, options))
            _invalidate_at_once(info, named, options)
    return _nothing_left_to_await()


async def _nothing_left_to_await() -> None:
    """Do nothing: the invalidation is done, or a fault was noted."""


async def _ended(invalidating: "asyncio.Task[None]") -> None:
    await asyncio.shield(invalidating)


def _begin(
    loop: asyncio.AbstractEventLoop, info: Info, tags: tuple[str, ...], options: Options
) -> "asyncio.Task[None]":
    """Start a task that invalidates. If the event loop ends first, the invalidation is completed without it."""

    def invalidate_at_once() -> None:
        with resolver_guard():
            _invalidate_at_once(info, tags, options)

    def end(task: "asyncio.Task[None]") -> None:
        _tasks.discard(task)
        if task.cancelled():
            invalidate_at_once()

    task = loop.create_task(_invalidate(info, tags, options))
    _tasks.add(task)  # loops hold their tasks weakly
    task.add_done_callback(end)
    if (run := announced_run.get()) is not None:
        run.invalidating[task] = invalidate_at_once
    return task


_tasks: Final[set["asyncio.Task[None]"]] = set()


async def _invalidate(info: Info, tags: tuple[str, ...], options: Options) -> None:
    with resolver_guard():
        if (cache := _known_cache(info)) is None:
            request = RequestContext(options, info.context, Guard(), synchronous=False)
            await request.ask(session=False)
            cache = request.tenant_cache()
        if cache is None:
            log_without_tenant(options.warnings)
            return
        _note_around(tags, cache)
        if running_loop() is None:  # for example, under Trio
            cache.invalidate_sync(*tags, queued=True)
        else:
            await cache.invalidate(*tags, queued=True)


def _invalidate_at_once(info: Info, tags: tuple[str, ...], options: Options) -> None:
    if (cache := _known_cache(info)) is None:
        request = RequestContext(options, info.context, Guard(), synchronous=True)
        at_once(request.ask, session=False)
        cache = request.tenant_cache()
    if cache is None:
        log_without_tenant(options.warnings)
    else:
        is_noted = _note_around(tags, cache) or _is_of_mutation(info)
        cache.invalidate_sync(*tags, queued=True)
        # Until the commit, other processes may store the old data again.
        if not is_noted and running_loop() is None:
            after_open_transactions(partial(_invalidate_again, cache, tags))


def _invalidate_again(cache: ResponseCache, tags: tuple[str, ...]) -> None:
    with resolver_guard():
        cache.invalidate_sync(*tags, queued=True)


def invalidate_sync(info: Info, *tags: str) -> None:
    """Invalidate tags now, and again at the end of a mutation; the sync form of `invalidate`.

    The tags are those of this request's tenant. If Redis is down, the invalidation is queued and nothing is raised. In
    an open transaction of Django, a query invalidates the tags again after the commit.

    Args:
        info: The ``info`` that Strawberry passes to the resolver.
        *tags: The tags, as in `ResponseCache.invalidate`.

    Raises:
        TypeError: If ``info`` is not the ``info`` of a resolver, or a tag is not a string.
        CacheConfigurationError: If the schema has no `ResponseCacheExtension`, or a tag is empty, too
            long or has control characters.

    Example:
        >>> import strawberry
        >>> from strawberry_response_cache import invalidate_sync
        >>> @strawberry.type
        ... class Mutation:
        ...     @strawberry.mutation
        ...     def import_entries(self, info: strawberry.Info) -> bool:
        ...         invalidate_sync(info, "Entry", "Account")
        ...         return True
    """
    with resolver_guard(raises=MISUSE):
        named, options = checked_tags(tags), _options_of(info)
        with resolver_guard():
            _are_noted(info, named)
            _invalidate_at_once(info, named, options)


def _are_noted(info: Info, tags: tuple[str, ...]) -> bool:
    """Note the tags for the end of the mutation, if this is one; return whether it is one."""
    notes = notes_of_run(raw_info(info))
    if notes is None or not notes.is_of_mutation:
        return False
    notes.invalidated.update(tags)
    return True


def _is_of_mutation(info: Info) -> bool:
    notes = notes_of_run(raw_info(info))
    return notes is not None and notes.is_of_mutation


def _known_cache(info: Info) -> ResponseCache | None:
    """Return the cache of the request's tenant; None if it is not known yet."""
    notes = notes_of_run(raw_info(info))
    return None if notes is None else notes.cache


def _note_around(tags: tuple[str, ...], cache: ResponseCache) -> bool:
    """Note the tags for the end of the mutation whose resolver executes this query, and which may commit later.

    Returns:
        Whether there is such a mutation, of the same tenant.
    """
    notes = mutation_around()
    if notes is None or not are_of_one_tenant(cache, notes.cache):
        return False
    notes.invalidated.update(tags)
    return True


def _options_of(info: Info) -> Options:
    """Return the configuration of the schema's extension.

    Raises:
        CacheConfigurationError: If the schema has no extension.
        TypeError: If ``info`` is not the ``info`` of a resolver.
    """
    raw_info(info)
    if (options := options_of(info.schema)) is None:
        msg = "The schema has no ResponseCacheExtension; register it in extensions=[...]."
        raise CacheConfigurationError(msg)
    return options
