"""Verified answers: what the cache would have answered, beside what an execution really gives.

A verified run takes no lease, joins no other run and stores nothing, and no field below it is answered from an entry
of its own. Its result is sent. The stored answer is compared if its entry is still valid after the run.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

from graphql import ExecutionResult, GraphQLObjectType
from graphql.execution import Executor
from graphql.pyutils import Path
from pydantic_core import from_json

from strawberry_response_cache.core import (
    CachedResponse,
    CacheSerializationError,
    CacheStatus,
    ResponseCache,
)
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._observer import Verdict
from strawberry_response_cache.core._prefetched import Prefetched
from strawberry_response_cache.core.serialization.codec import dump
from strawberry_response_cache.graphql._compat.executor import uninstall
from strawberry_response_cache.graphql._differences import (
    Place,
    Places,
    ResponsePath,
    first_difference,
)
from strawberry_response_cache.graphql._guard import Guard
from strawberry_response_cache.graphql._request import RequestContext
from strawberry_response_cache.graphql.execution.failures import failure_of
from strawberry_response_cache.graphql.execution.recorder import Recorder
from strawberry_response_cache.graphql.invalidation.entities import Entities
from strawberry_response_cache.graphql.policy.reasons import Problem

if TYPE_CHECKING:
    from strawberry_response_cache.graphql.execution.cached_execution import (
        CacheRequest,
        CacheResult,
    )
    from strawberry_response_cache.graphql.execution.serializer import ResponseSerializer

_MOST_TYPES: Final = 10_000
"""Objects of a response whose types are noted."""


class _TypedEntities(Entities):
    """The objects of a response, and the type of each by its path.

    Attributes:
        types_by_path: The names of the types.
    """

    __slots__ = ("types_by_path",)

    def __init__(self) -> None:
        super().__init__()
        self.types_by_path: dict[ResponsePath, str] = {}

    def add(self, kind: GraphQLObjectType, source: object, path: Path | None = None) -> None:
        """Note an object, and where it was completed."""
        super().add(kind, source)
        if path is not None and len(self.types_by_path) < _MOST_TYPES:
            self.types_by_path[tuple(path.as_list())] = kind.name

    @property
    def are_too_many(self) -> bool:
        """Whether nothing more is noted."""
        return super().are_too_many and len(self.types_by_path) >= _MOST_TYPES


class VerifiedRun(Recorder):
    """Records a verified run of an operation or a field.

    Args:
        guard: The guard of the request.
        cache: The tenant's cache.
    """

    __slots__ = ("_begin", "_places", "_prefix", "_types")

    def __init__(self, guard: Guard, *, cache: ResponseCache) -> None:
        entities = _TypedEntities()
        super().__init__(guard, entities=entities, cache=cache)
        self._types = entities.types_by_path
        self._begin: Place | None = None
        self._prefix: ResponsePath = ()
        self._places: Places | None = None

    def stand_at(self, parent: GraphQLObjectType, details: Sequence[Any], path: Path) -> None:
        """Note which field it runs.

        Args:
            parent: The parent type.
            details: graphql-core's details of the selected field.
            path: Where the field stands in the response.
        """
        self._begin = Place.of_field(parent, (each.node for each in details))
        self._prefix = tuple(path.as_list())

    @contextmanager
    def recording(
        self,
        executor: Executor[Any],
        never_stored: AbstractSet[str] = frozenset(),
        possible: AbstractSet[str] = frozenset(),
    ) -> Iterator[None]:
        """Record what an executor executes inside the block; see `Recorder.recording`."""
        operation = executor.operation
        self._places = Places(executor.schema, executor.fragment_definitions, self._types)
        if self._begin is None:
            root = executor.schema.get_root_type(operation.operation)
            if root is not None:
                self._begin = Place(root.name, root, (operation.selection_set,))
            uninstall(executor)  # which answers fields from their entries
        with super().recording(executor, never_stored, possible):
            yield

    def coordinate(self, path: ResponsePath) -> str:
        """Return the schema coordinate of the field at a path of the response."""
        begin, places = self._begin, self._places
        if begin is None or places is None:
            return ""
        return places.coordinate(begin, self._prefix, path)


class Attempt(Protocol):
    """One try to answer from the cache; see `cached_execution`.

    Attributes:
        cache_request: The request to the cache.
        request: The context of the request.
        serializer: Of its result.
        made_itself: What this request executed; None if nothing.
    """

    cache_request: "CacheRequest"
    request: RequestContext
    serializer: "ResponseSerializer"
    made_itself: Any

    def verify(self) -> VerifiedRun:
        """Make what is executed next a verified run."""
        ...

    def verified(self, response: CachedResponse[Any], verdict: Verdict | None) -> "CacheResult":
        """Return what was executed, which counts as what the cache answered."""
        ...


async def verified(
    attempt: Attempt,
    response: CachedResponse[Any],
    generate: Callable[[], Awaitable[Any]],
    prefetched: Prefetched | None,
) -> "CacheResult":
    """Execute what the cache answered all the same, and compare.

    Args:
        attempt: The try that the cache answered.
        response: The cache's answer.
        generate: Executes it.
        prefetched: The prefetched entries of the operation, for a field.
    """
    asked, run = attempt.cache_request, attempt.verify()
    cache = tenant_of(asked.cache)
    if attempt.made_itself is None:  # else it is a refresh that failed
        await cache.generate(
            asked.keys, attempt.serializer, generate, asked.subject, prefetched=prefetched
        )
    found = Prefetched()
    if _is_comparable(attempt, run, response):
        await cache.prefetch(found, [asked.keys], asked.subject, first=False)
    verdict = attempt.request.guard.step(_verdict, attempt, run, response, found)
    return attempt.verified(response, verdict)


def verified_sync(
    attempt: Attempt,
    response: CachedResponse[Any],
    generate: Callable[[], Any],
    prefetched: Prefetched | None,
) -> "CacheResult":
    """Execute what the cache answered all the same, and compare; the sync form of `verified`."""
    asked, run = attempt.cache_request, attempt.verify()
    cache = tenant_of(asked.cache)
    if attempt.made_itself is None:
        cache.generate_sync(
            asked.keys, attempt.serializer, generate, asked.subject, prefetched=prefetched
        )
    found = Prefetched()
    if _is_comparable(attempt, run, response):
        cache.prefetch_sync(found, [asked.keys], asked.subject, first=False)
    verdict = attempt.request.guard.step(_verdict, attempt, run, response, found)
    return attempt.verified(response, verdict)


def _is_comparable(attempt: Attempt, run: VerifiedRun, response: CachedResponse[Any]) -> bool:
    """Whether an answer can be compared, as far as its entry is still valid.

    It cannot if the run failed, or if permission classes refused it: on a hit, they refuse it as well.
    """
    real = attempt.made_itself
    if response.status is not CacheStatus.HIT or not isinstance(real, ExecutionResult):
        return False
    if real.errors and failure_of(real.errors) is not None:
        return False
    return attempt.cache_request.whole or not run.held_back


def _verdict(
    attempt: Attempt, run: VerifiedRun, response: CachedResponse[Any], found: Prefetched
) -> Verdict | None:
    """Compare what the cache answered with what was executed, and count the result.

    Returns:
        The result; None if the entry is not the same after the run, and so there is no comparison.
    """
    fresh = found.pop(attempt.cache_request.keys)
    if fresh is None or fresh.entry.write_id != response.write_id:
        return None
    real = attempt.made_itself
    try:
        data = from_json(dump(real.data))
    except CacheSerializationError:
        return None
    path = first_difference(response.value.data, data)
    verdict: Verdict = "changed" if real.errors else "equal"
    if path is not None:
        is_leak = _is_of_another(attempt.request, response.write_id)
        verdict = "scope" if is_leak else "changed"
    if verdict == "scope":
        if not path and real.errors and attempt.cache_request.whole:
            path = tuple(real.errors[0].path or ())  # of what made all of the data null
        attempt.request.options.warnings.wrong_scope(run.coordinate(path or ()))
    attempt.request.counters.verified[verdict] += 1
    return verdict


def _is_of_another(request: RequestContext, write_id: str) -> bool:
    """Whether another session than that of a request is known to have stored an entry for all sessions."""
    verification, session = request.options.verification, request.session()
    if verification is None or isinstance(session, Problem):
        return False
    return verification.is_of_another(write_id, session)
