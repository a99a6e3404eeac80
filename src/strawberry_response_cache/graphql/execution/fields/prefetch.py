"""Prefetch: reads entries of fields before the execution reaches them.

The root fields of an operation are known before anything runs. They are read together, and with them the clock that
holds for everything that the operation stores. Below the root, an event loop looks up fields as in `level`; a thread,
which executes one field after another, prefetches the fields of an object or a list together.
"""

from collections.abc import Callable, Coroutine, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any, Final, TypeAlias

from graphql import GraphQLNonNull, GraphQLObjectType, is_object_type
from graphql.execution import Executor
from graphql.pyutils import Path

from strawberry_response_cache.core import ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core._prefetched import Prefetched
from strawberry_response_cache.core.algorithm.leading import leading_flights
from strawberry_response_cache.graphql._guard import Execution, Guard, Later
from strawberry_response_cache.graphql.annotations.field_path import FieldPath, note_open
from strawberry_response_cache.graphql.execution.cache_request import CacheRequest
from strawberry_response_cache.graphql.execution.fields.finished_lists import is_finished

_OF_FIELDS: Final = 5
"""The parameters of graphql-core's `execute_fields`; an executor of the user may have others."""
OF_A_LIST: Final = (
    "return_type",
    "field_details_list",
    "info",
    "path",
    "result",
    "position_context",
)
"""The parameters of graphql-core's `complete_list_value`."""

RequestsOf: TypeAlias = Callable[[GraphQLObjectType, object, Any, Any], Iterable[CacheRequest]]


def note_if_open(given: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Note a list that is not finished: its resolver may restrict items that it has yielded."""
    known = dict(zip(OF_A_LIST, given, strict=False)) | named
    path = known.get("path")
    # Lists in a list count as the outer list, whose path is that of a field.
    if isinstance(path, FieldPath) and not is_finished(known["return_type"], known["result"]):
        note_open(path)


class Prefetch:
    """The prefetch of one executor.

    Args:
        executor: The execution.
        cache_requests: Returns the cache requests of a field, for a parent type, the parent, graphql-core's
            details and the path.
        left: Returns how many fields may still be looked up.
        prefetched: Receives the entries.
        cache: The tenant's cache; None if it is not known, and then nothing is prefetched.
        subject: Names the cache and the operation, for the log and the observer.
        guard: The guard of the request.
    """

    __slots__ = (
        "_cache",
        "_cache_requests",
        "_complete_list",
        "_execute_fields",
        "_executor",
        "_guard",
        "_left",
        "_prefetched",
        "_subject",
    )

    def __init__(
        self,
        executor: Executor[Any],
        cache_requests: RequestsOf,
        *,
        left: Callable[[], int],
        prefetched: Prefetched,
        cache: ResponseCache | None,
        subject: Subject,
        guard: Guard,
    ) -> None:
        self._executor = executor
        self._cache_requests = cache_requests
        self._left = left
        self._prefetched = prefetched
        self._cache = cache
        self._subject = subject
        self._guard = guard
        self._execute_fields = executor.execute_fields
        self._complete_list = executor.complete_list_value

    # -- In an event loop: the root ------------------------------------------------------------------

    def root_fields(self, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - graphql-core's
        """Prefetch the root fields, then execute them; execute other fields without a prefetch."""
        cache = self._cache
        if named or len(given) != _OF_FIELDS or given[2] is not None or cache is None:
            return self._execute_fields(*given, **named)
        parent, source, _, grouped, _ = given
        execute = partial(self._execute_fields, *given)
        look_up = partial(self._look_up_root, cache, parent, source, grouped)
        return self._guard.around(execute, lambda run: Later(partial(self._begin, look_up, run)))

    async def _look_up_root(
        self,
        cache: ResponseCache,
        parent: Any,  # noqa: ANN401 - graphql-core's
        source: Any,  # noqa: ANN401 - graphql-core's
        grouped: Any,  # noqa: ANN401 - graphql-core's
    ) -> None:
        found = islice(self._of(parent, source, grouped, None), self._left())
        keys = [each.keys for each in found]
        await tenant_of(cache).prefetch(self._prefetched, keys, self._subject, first=True)

    async def _begin(
        self, look_up: Callable[[], Coroutine[Any, Any, None]], execution: Execution
    ) -> Any:  # noqa: ANN401 - graphql-core's
        await look_up()
        with leading_flights(self._prefetched.collector):
            return await execution.run()

    # -- In a thread: the root, each object, each list -------------------------------------------------

    def fields(self, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - graphql-core's
        """Prefetch the fields of one object, then execute them."""
        if named or len(given) != _OF_FIELDS:  # an executor of the user's own
            return self._execute_fields(*given, **named)
        parent, source, path, grouped, _ = given
        self._guard.step(self._look_up_fields, parent, source, path, grouped)
        if path is not None:
            # No further stack frame: objects may be nested deeply.
            return self._execute_fields(*given)
        execute = partial(self._execute_fields, *given)
        return self._guard.around(execute, self._execute_root)

    def _look_up_fields(self, parent: Any, source: Any, path: Any, grouped: Any) -> None:  # noqa: ANN401 - graphql-core's
        self._look_up(self._of(parent, source, grouped, path), first=path is None)

    def _execute_root(self, execution: Execution) -> Any:  # noqa: ANN401 - graphql-core's
        with leading_flights(self._prefetched.collector):
            return execution.start()

    def items(self, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - graphql-core's
        """Prefetch the fields of all objects of a list, then complete them."""
        self._guard.step(note_if_open, given, named)
        if not named and len(given) == len(OF_A_LIST):
            kind, details, _, path, result, _ = given
            self._guard.step(self._look_up_items, kind, details, path, result)
        return self._complete_list(*given, **named)

    def _look_up_items(
        self,
        kind: Any,  # noqa: ANN401 - graphql-core's
        details: Any,  # noqa: ANN401 - graphql-core's
        path: Any,  # noqa: ANN401 - graphql-core's
        result: Any,  # noqa: ANN401 - whatever resolvers return
    ) -> None:
        """Prefetch the fields of a list of one object type; with an interface or a union, fields read one by one."""
        item = kind.of_type
        if isinstance(item, GraphQLNonNull):
            item = item.of_type
        if isinstance(result, list | tuple) and is_object_type(item):
            grouped = self._executor.collect_subfields(item, details)[0]
            objects = (source for source in result if source is not None)
            found = (each for source in objects for each in self._of(item, source, grouped, path))
            self._look_up(found, first=False)

    def _of(
        self,
        parent: GraphQLObjectType,
        source: object,
        grouped: Any,  # noqa: ANN401 - graphql-core's
        path: Any,  # noqa: ANN401 - graphql-core's
    ) -> Iterator[CacheRequest]:
        for name, details in grouped.items():
            field_path = Path(path, name, parent.name)
            for each in self._cache_requests(parent, source, details, field_path):
                if not self._prefetched.has(each.keys):
                    yield each

    def _look_up(self, found: Iterator[CacheRequest], *, first: bool) -> None:
        """Read several entries in one batch. A single one is read when the execution reaches it, except at the root."""
        admitted = list(islice(found, self._left()))
        if self._cache is None or (len(admitted) <= 1 and not first):
            return
        keys = list({each.keys.entry: each.keys for each in admitted}.values())
        tenant_of(self._cache).prefetch_sync(self._prefetched, keys, self._subject, first=first)
