"""The two faces of a cache behind one, so that a caller is written once for tasks and for threads."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self, TypeAlias, TypeVar

from strawberry_response_cache.core import CachedResponse, ResponseCache

T = TypeVar("T")

Value: TypeAlias = dict[str, Any]
Generate: TypeAlias = Callable[[], Coroutine[Any, Any, Value]]
Load: TypeAlias = Callable[[list[str]], Coroutine[Any, Any, list[Value | Exception]]]


class Callers(NamedTuple):
    """What the callers of a process do: in tasks, and in threads, where nothing of it suspends."""

    tasks: list[Coroutine[Any, Any, None]]
    threads: list[Coroutine[Any, Any, None]]


class Patience(Protocol):
    """Cancels what runs inside it when it ends, and raises TimeoutError then."""

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> bool | None: ...
    def expired(self) -> bool: ...


class Face(Protocol):
    """What a caller needs."""

    name: str

    def patience(self, seconds: float | None) -> Patience: ...
    async def pause(self, seconds: float) -> None: ...
    async def remember(
        self, cache: ResponseCache, key: str, generate: Generate, **how: Any
    ) -> CachedResponse[Value]: ...
    async def remember_many(
        self, cache: ResponseCache, keys: list[str], load: Load, **how: Any
    ) -> list[Value | Exception]: ...
    async def invalidate(self, cache: ResponseCache, *tags: str) -> None: ...
    async def forget(self, cache: ResponseCache, key: str) -> None: ...
    async def clear(self, cache: ResponseCache) -> None: ...


class TaskFace:
    """The async face, for the tasks of an event loop."""

    name = "task"

    def patience(self, seconds: float | None) -> Patience:
        return asyncio.timeout(seconds)

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def remember(
        self, cache: ResponseCache, key: str, generate: Generate, **how: Any
    ) -> CachedResponse[Value]:
        return await cache.remember([key], generator=generate, **how)

    async def remember_many(
        self, cache: ResponseCache, keys: list[str], load: Load, **how: Any
    ) -> list[Value | Exception]:
        return await cache.remember_many(keys, load_many=load, key=lambda key: [key], **how)

    async def invalidate(self, cache: ResponseCache, *tags: str) -> None:
        await cache.invalidate(*tags)

    async def forget(self, cache: ResponseCache, key: str) -> None:
        await cache.forget([key])

    async def clear(self, cache: ResponseCache) -> None:
        await cache.clear()


class ThreadFace:
    """The sync face, for threads: nothing that is awaited here ever suspends, see `at_once`."""

    name = "thread"

    def patience(self, seconds: float | None) -> Patience:
        return _Endless()  # nobody cancels a thread

    async def pause(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 - there is no loop here, see at_once

    async def remember(
        self, cache: ResponseCache, key: str, generate: Generate, **how: Any
    ) -> CachedResponse[Value]:
        return cache.remember_sync([key], generator=lambda: at_once(generate()), **how)

    async def remember_many(
        self, cache: ResponseCache, keys: list[str], load: Load, **how: Any
    ) -> list[Value | Exception]:
        return cache.remember_many_sync(
            keys, load_many=lambda missing: at_once(load(missing)), key=lambda key: [key], **how
        )

    async def invalidate(self, cache: ResponseCache, *tags: str) -> None:
        cache.invalidate_sync(*tags)

    async def forget(self, cache: ResponseCache, key: str) -> None:
        cache.forget_sync([key])

    async def clear(self, cache: ResponseCache) -> None:
        cache.clear_sync()


class _Endless:
    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def expired(self) -> bool:
        return False


def at_once(coroutine: Awaitable[T]) -> T:
    """Run a coroutine that never suspends, without a loop."""
    try:
        coroutine.__await__().send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    msg = "a coroutine of the sync face was suspended"
    raise AssertionError(msg)
