"""The keys of `remember_many`: each key once for the store, and all in order for the caller."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from strawberry_response_cache.core._errors import CacheConfigurationError
from strawberry_response_cache.core._keys import EntryKeys, Keyspace, checked_key_parts
from strawberry_response_cache.core._user_values import is_function, unwrapped
from strawberry_response_cache.core.serialization.value import not_callable

if TYPE_CHECKING:
    from strawberry_response_cache.core._response import CachedResponse

K = TypeVar("K")
T = TypeVar("T")


class BatchKeys(Generic[K]):
    """The requested keys of one call of `remember_many`.

    Attributes:
        keys: The caller's keys, each once.
        entries: The keys of their entries.

    Raises:
        TypeError: If a key is not, or does not become, a sequence of strings, or ``load_many`` is no function.
    """

    def __init__(
        self,
        keys: Sequence[K],
        key: Callable[[K], Sequence[str]] | None,
        load_many: Callable[[list[K]], object],
        keyspace: Keyspace,
    ) -> None:
        if not callable(load_many):
            raise not_callable(load_many, "remember_many(keys, ttl, load_many)", "load_many")
        unwrapped(keys)  # raises what a lazy object raises, as an error of ours
        if isinstance(keys, str | bytes) or not isinstance(keys, Iterable):
            msg = (
                f"keys is a {type(keys).__name__}; pass a list of what identifies each value: "
                '[["/v1/ledger", "page=1"], ["/v1/ledger", "page=2"]].'
            )
            raise TypeError(msg)
        if key is not None and (not is_function(key) or inspect.iscoroutinefunction(key)):
            msg = (
                "key of remember_many() is a plain function from one of the keys to its parts: "
                'key=lambda number: ["square", str(number)].'
            )
            raise TypeError(msg)
        self._load_many = load_many
        self.keys: list[K] = []
        self._positions: list[int] = []
        self.entries: list[EntryKeys] = []
        known: dict[str, int] = {}
        for each in keys:
            entry = keyspace.keys(checked_key_parts(each if key is None else key(each)))
            position = known.setdefault(entry.entry, len(self.entries))
            if position == len(self.entries):
                self.entries.append(entry)
                self.keys.append(each)
            self._positions.append(position)

    async def load(self, positions: Iterable[int]) -> Sequence[Any]:
        """Load the values of the entries at these positions.

        Raises:
            TypeError: If ``load_many`` is not async.
            CacheConfigurationError: If it does not return one value for each key.
        """
        missing = [self.keys[position] for position in positions]
        loading = self._load_many(missing)
        if not inspect.isawaitable(loading):
            msg = (
                "load_many of remember_many() is an async function; for a plain one call "
                "remember_many_sync()."
            )
            raise TypeError(msg)
        return _one_for_each_key(await loading, len(missing))

    def load_sync(self, positions: Iterable[int]) -> Sequence[Any]:
        """Load the values of the entries at these positions; the sync form of `load`.

        Raises:
            TypeError: If ``load_many`` is async.
            CacheConfigurationError: If it does not return one value for each key.
        """
        missing = [self.keys[position] for position in positions]
        values = self._load_many(missing)
        if inspect.isawaitable(values):
            if inspect.iscoroutine(values):
                values.close()
            msg = "load_many of remember_many_sync() is a plain function; for an async one await remember_many()."
            raise TypeError(msg)
        return _one_for_each_key(values, len(missing))

    def in_order(self, results: Sequence[T | Exception]) -> list[T | Exception]:
        """Return the results in the order of the caller's keys."""
        return [results[position] for position in self._positions]

    def values(
        self, responses: Mapping[int, "CachedResponse[T] | Exception"]
    ) -> list[T | Exception]:
        """Return the values of the responses in the order of the caller's keys."""
        found = (responses[position] for position in self._positions)
        return [each if isinstance(each, BaseException) else each.value for each in found]


def _one_for_each_key(values: object, count: int) -> Sequence[Any]:
    if not isinstance(values, Sequence) or isinstance(values, str | bytes):
        msg = (
            f"load_many returned a {type(values).__name__}; return a list, one value for each key."
        )
        raise CacheConfigurationError(msg)
    if len(values) != count:
        msg = (
            f"load_many returned {len(values)} values for {count} keys; return one value, or an "
            "exception, for each key in the order of the keys."
        )
        raise CacheConfigurationError(msg)
    return values
