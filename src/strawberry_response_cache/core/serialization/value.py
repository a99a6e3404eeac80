"""The serializer of `remember`, and the calls of its generators."""

import copy
import inspect
from collections.abc import Awaitable, Callable, Iterable
from collections.abc import Set as AbstractSet
from functools import partial
from types import CoroutineType
from typing import ClassVar, Final, Generic, TypeVar, cast

from strawberry_response_cache.core._duration import Duration, milliseconds
from strawberry_response_cache.core._errors import CacheSerializationError
from strawberry_response_cache.core._families import carried
from strawberry_response_cache.core._interval import Interval
from strawberry_response_cache.core._keys import tag_digests
from strawberry_response_cache.core._log import logger
from strawberry_response_cache.core._response import CacheDetail
from strawberry_response_cache.core._settings import CacheSettings
from strawberry_response_cache.core._user_values import checked_strings, is_function
from strawberry_response_cache.core.algorithm.parts import Parts
from strawberry_response_cache.core.protocol.entry import NO_META, PRIVATE, ValueRecording
from strawberry_response_cache.core.serialization.codec import codec_for
from strawberry_response_cache.core.serialization.serializer import NotStored

T = TypeVar("T")

_CACHEABLE: Final = (
    "cacheable is a plain function of the value that returns True or False, such as "
    "cacheable=lambda page: page.is_complete."
)

TAGS_EXAMPLE = '["Book", "Book:42"]'


class ValueRecipe(Generic[T]):
    """The serializer of `remember`; its arguments, checked before anything runs.

    Attributes:
        ttl_ms: The ttl; None if it is a function of the value.
    """

    __slots__ = (
        "_cacheable",
        "_codec",
        "_log",
        "_max_bytes",
        "_stale_ms",
        "_strict",
        "_tags",
        "_ttl",
        "ttl_ms",
    )

    serves_stale: ClassVar[bool] = True

    def __init__(
        self,
        settings: CacheSettings,
        log: Interval,
        *,
        ttl: "Duration | Callable[[T], Duration]",
        stale: Duration | None,
        as_type: object,
        tags: "Iterable[str] | Callable[..., Iterable[str]]",
        cacheable: Callable[[T], bool] | None,
    ) -> None:
        refuse_async("ttl", ttl)
        refuse_async("tags", tags)
        self._ttl = ttl
        self.ttl_ms = None if is_function(ttl) else milliseconds(ttl, "ttl")
        self._stale_ms = milliseconds(settings.stale if stale is None else stale, "stale")
        self._codec = codec_for(as_type)
        self._tags: Callable[..., Iterable[str]] | tuple[str, ...]
        self._tags = tags if is_function(tags) else checked_strings(tags, "tags", TAGS_EXAMPLE)
        check_cacheable(cacheable)
        self._cacheable = cacheable
        self._max_bytes = settings.max_entry_bytes
        self._strict = settings.strict
        self._log = log

    def record(self, value: T, parts: Parts | None = None) -> ValueRecording | NotStored:
        """Turn a value into a recording, or return why it is not stored: ``cacheable``, its ttl or its size.

        A value that JSON or its type cannot give back raises. With ``strict`` off it is logged, and not stored.
        """
        if not self._may_be_stored(value):
            return NotStored(CacheDetail.UNCACHEABLE)
        ttl_ms = self.ttl_ms
        if ttl_ms is None:
            ttl_ms = milliseconds(cast("Callable[[T], Duration]", self._ttl)(value), "ttl(value)")
            if ttl_ms == 0:
                return NotStored(CacheDetail.TTL_ZERO)
        try:
            payload = self._codec.encode(value, self._max_bytes)
        except CacheSerializationError as error:
            if self._strict:
                raise
            self._log_unstorable(error)
            return NotStored(CacheDetail.UNCACHEABLE)
        if payload is None:
            return NotStored(CacheDetail.TOO_LARGE)
        tags = self._tags
        if callable(tags):
            tags = checked_strings(tags(value), "tags(value)", TAGS_EXAMPLE)
        digests = tag_digests(carried({*tags}))
        meta = PRIVATE if parts is not None and PRIVATE in parts.metas else NO_META
        return ValueRecording(payload, ttl_ms, self._stale_ms, digests, meta)

    def _log_unstorable(self, error: CacheSerializationError) -> None:
        if (count := self._log.counted()) is None:
            return
        # The text is this package's own and names only types.
        kind = type(error).__qualname__
        logger.warning(
            "A value cannot be stored, so it is returned without being stored (%s%s): %s",
            kind,
            count.words,
            error,
            extra={"error.type": kind, "response_cache.failures": count.number},
        )

    def for_key(self, key: object) -> "ValueRecipe[T]":
        """Return a serializer for one key of several: a function ``tags`` receives the key before the value."""
        if not callable(self._tags):
            return self
        alike = copy.copy(self)
        alike._tags = partial(self._tags, key)  # noqa: SLF001 - of its own class
        return alike

    def known_tags(self) -> AbstractSet[str]:
        """Return the digests of the tags; none if ``tags`` is a function, because the value is not known yet."""
        return (
            frozenset() if callable(self._tags) else frozenset(tag_digests(carried({*self._tags})))
        )

    def _may_be_stored(self, value: T) -> bool:
        if self._cacheable is None:
            return True
        answer: object = self._cacheable(value)
        if not isinstance(answer, bool) and inspect.isawaitable(answer):
            if inspect.iscoroutine(answer):
                answer.close()
            raise TypeError(_CACHEABLE)
        return bool(answer)

    def read(self, recording: ValueRecording) -> T:
        """Rebuild a value."""
        return cast("T", self._codec.decode(recording.payload))


def check_cacheable(cacheable: object) -> None:
    """Check that ``cacheable`` is a plain function or None.

    Raises:
        TypeError: If it is not.
    """
    if cacheable is not None and (
        not is_function(cacheable) or inspect.iscoroutinefunction(cacheable)
    ):
        raise TypeError(_CACHEABLE)


def refuse_async(name: str, function: object) -> None:
    """Check that a function of the value is not async.

    Raises:
        TypeError: If it is one.
        CacheConfigurationError: If a lazy object raises when it is evaluated.
    """
    if is_function(function) and inspect.iscoroutinefunction(function):
        msg = (
            f"{name} is an async function; pass a plain function, which reads what it needs from the "
            "generated value."
        )
        raise TypeError(msg)


def not_callable(generator: object, example: str, name: str = "The generator") -> TypeError:
    """Return the error for a generator that is not a function; a coroutine is closed."""
    if type(generator) is CoroutineType:
        generator.close()
    return TypeError(
        f"{name} is a {type(generator).__name__}; pass the function itself, without calling "
        f"it: {example}."
    )


async def run_async_generator(generator: Callable[[], Awaitable[T]]) -> T:
    """Call the generator of `remember`, an async function, and return its value.

    Raises:
        TypeError: If it is not async.
    """
    result = generator()
    if not inspect.isawaitable(result):
        msg = (
            f"The generator of remember() is an async function without arguments that returns the "
            f"value ('async def', no 'yield'); this one gave {type(result).__name__} without being "
            f"awaited. For a plain function call remember_sync()."
        )
        raise TypeError(msg)
    return await result


def plain(generator: Callable[[], T]) -> T:
    """Call the generator of `remember_sync`, a plain function, and return its value.

    Raises:
        TypeError: If it is async.
    """
    result = generator()
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        msg = "The generator of remember_sync() is a plain function; for an async one await remember()."
        raise TypeError(msg)
    return result
