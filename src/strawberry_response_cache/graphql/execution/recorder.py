"""Records what happens while resolvers run, which can only restrict what the annotations allow."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from graphql import (
    ExecutionResult,
    GraphQLObjectType,
    GraphQLResolveInfo,
    get_named_type,
    is_abstract_type,
)
from graphql.execution import Executor
from graphql.pyutils import Path

from strawberry_response_cache.core import ResponseCache
from strawberry_response_cache.core._user_code import Raised, called
from strawberry_response_cache.graphql._compat.executor import watch_objects
from strawberry_response_cache.graphql._guard import Guard
from strawberry_response_cache.graphql.annotations.run_notes import (
    RunNotes,
    end_notes,
    notes_by,
    take_notes,
)
from strawberry_response_cache.graphql.execution.cache_request import CacheRequest
from strawberry_response_cache.graphql.execution.inputs import UsedInputs
from strawberry_response_cache.graphql.http.messages import of_context
from strawberry_response_cache.graphql.http.response_headers import known_headers_of
from strawberry_response_cache.graphql.invalidation.entities import Entities
from strawberry_response_cache.graphql.policy.policy import Policy
from strawberry_response_cache.graphql.policy.reasons import Reason


class RootFields(NamedTuple):
    """The root fields of an operation that failed in part.

    Attributes:
        without_errors: For each root field without errors, the request for its entry, and its data.
        failed: The keys of the entries of the root fields with errors.
    """

    without_errors: list[tuple[CacheRequest, Any]]
    failed: frozenset[str]


class Recorder(RunNotes):
    """Records one execution.

    Args:
        guard: The guard of the request.
        entities: Collects the completed objects; by default, as the tags of a response need them.
        cache: The tenant's cache, if it is known before resolvers run.

    Attributes:
        entities: The completed objects.
        root_fields: See `recording`.
    """

    __slots__ = ("_refusal", "entities", "guard", "root_fields")

    def __init__(
        self,
        guard: Guard,
        *,
        entities: Entities | None = None,
        cache: ResponseCache | None = None,
    ) -> None:
        super().__init__(cache)
        self.guard = guard
        self.entities = Entities() if entities is None else entities
        self._refusal: Reason | None = None
        self.root_fields: Callable[[ExecutionResult], RootFields | None] | None = None

    def refuse(self, reason: Reason) -> None:
        """Keep the result from being stored; of several reasons, the first counts."""
        if self._refusal is None:
            self._refusal = reason

    def take_over(self, others: "Recorder") -> None:
        """Add what another recorder noted for several results together, of which this is one."""
        if others.refusal is not None:
            self.refuse(others.refusal)
        if others.ttl is not None and (self.ttl is None or others.ttl < self.ttl):
            self.ttl, self.limited_by = others.ttl, others.limited_by
        self.private = self.private or others.private
        self.is_skipped = self.is_skipped or others.is_skipped
        self.tags.update(others.tags)
        self.held_back.update(others.held_back)

    @property
    def refusal(self) -> Reason | None:
        """Why the result cannot be stored; None if it can."""
        if self._refusal is None and self.is_skipped:
            return Reason.RESTRICTED
        return self._refusal

    @contextmanager
    def recording(
        self,
        executor: Executor[Any],
        policy: Policy | None = None,
        inputs: UsedInputs | None = None,
        *,
        root_fields: Callable[[ExecutionResult], RootFields | None] | None = None,
    ) -> Iterator[None]:
        """Record what an executor executes inside the block.

        Args:
            executor: The executor; only this object is watched, so others are not slowed down.
            policy: The policy of the entry. If there are too many objects, the types in the policy are noted instead.
                With None, every object is noted.
            inputs: The variables and defaults that the key was made of; a result is refused if resolvers change
                them. None if there are none.
            root_fields: Returns the root fields of a result that failed in part; None, or returning None, if they are
                not stored by themselves.
        """
        self.root_fields = root_fields
        self.watch(executor, policy)
        before = _ResponseState.of(executor.context_value)
        # The objects that executors pass to resolvers: Strawberry's and graphql-core's.
        variables = executor.variable_values.coerced, executor.variable_values
        take_notes(self, *variables)
        try:
            yield
        finally:
            end_notes(*variables)
            if not before.is_unchanged(executor.context_value):
                self.refuse(Reason.RESPONSE_MODIFIED)
            if inputs is not None and inputs.are_changed(executor):
                self.refuse(Reason.VARIABLES)

    def watch(self, executor: Executor[Any], policy: Policy | None) -> None:
        """Note the objects that an executor completes; refuse the result if one must not be stored."""
        entities, note = self.entities, self.entities.add
        never_stored = frozenset[str]() if policy is None else policy.never_stored
        possible = frozenset[str]() if policy is None else policy.types

        def told(
            kind: GraphQLObjectType,
            info: GraphQLResolveInfo[Any],
            source: object,
            path: Path | None,
        ) -> None:
            note(kind, source, path)
            if never_stored:
                if kind.name in never_stored and is_abstract_type(get_named_type(info.return_type)):
                    self.refuse(Reason.TTL_ZERO)
            elif possible and entities.are_too_many:
                entities.assume(possible)
                stop()  # enough is known

        stop = watch_objects(executor, told, self.guard)


def recorder_in(executor: Executor[Any]) -> Recorder | None:
    """Return the recorder of an execution; None if its result is not stored."""
    notes = notes_by(executor.variable_values)
    return notes if isinstance(notes, Recorder) else None


class _ResponseState(NamedTuple):
    """What resolvers may change of the HTTP response: status, headers, cookies, tasks. A hit runs no resolver."""

    response: object
    status: object = None
    headers: tuple[object, ...] = ()
    cookies: str = ""
    background: object = None
    tasks: tuple[int, ...] = ()

    @classmethod
    def of(cls, context: object) -> "_ResponseState":
        state = called(cls._read, context)
        # A value that cannot be read counts as changed.
        return cls(object()) if type(state) is Raised else state

    @classmethod
    def _read(cls, context: object) -> "_ResponseState":
        response = of_context(context, "response")
        background = of_context(context, "background_tasks")
        # Background tasks of Starlette and FastAPI: https://www.starlette.io/background/
        tasks = tuple(map(id, getattr(background, "tasks", None) or ()))
        if response is None:
            return cls(None, tasks=tasks)
        status = getattr(response, "status_code", None) or getattr(response, "status", None)
        headers: Any = getattr(response, "raw_headers", None)
        if headers is None:
            headers = getattr(response, "headers", None)
        items = headers.items() if hasattr(headers, "items") else headers
        ours = known_headers_of(response)
        if ours is not None:  # this package may have written them for another operation of a batch
            items = [each for each in items or () if not ours.has_written(*each)]
        return cls(
            response,
            status,
            tuple(items or ()),
            str(getattr(response, "cookies", "")),
            getattr(response, "background", None),
            tasks,
        )

    def is_unchanged(self, context: object) -> bool:
        now = _ResponseState.of(context)
        return called(lambda: now.response is self.response and now[1:] == self[1:]) is True
