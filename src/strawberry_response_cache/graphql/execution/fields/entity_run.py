"""Executes some of the objects that a gateway asks for; the others come from their entries.

Strawberry resolves all of them in one call, so that DataLoaders can batch. Then a copy of the executor completes
each object at its own path of the response: its errors, restrictions and objects belong to its entry.
"""

import asyncio
import copy
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from graphql import ExecutionResult
from graphql.execution import Executor
from graphql.pyutils import Path

from strawberry_response_cache.graphql._compat.executor import separate_copy
from strawberry_response_cache.graphql._guard import ExecutionRaisedError, Guard
from strawberry_response_cache.graphql.execution.fields.cached_entity import Representation
from strawberry_response_cache.graphql.execution.fields.completed_field import (
    CompletedField,
    FieldErrors,
)
from strawberry_response_cache.graphql.execution.fields.field_answer import ExecutorAlone
from strawberry_response_cache.graphql.execution.fields.field_call import (
    FieldCall,
    info_and_arguments,
)
from strawberry_response_cache.graphql.execution.fields.prefetch import note_if_open
from strawberry_response_cache.graphql.execution.inputs import UsedInputs
from strawberry_response_cache.graphql.execution.recorder import Recorder
from strawberry_response_cache.graphql.execution.verified_run import VerifiedRun
from strawberry_response_cache.graphql.policy.entities import REPRESENTATIONS
from strawberry_response_cache.graphql.policy.reasons import Reason


class EntityRun:
    """Executes objects of one operation.

    Attributes:
        completed: The objects that were executed, by position.
        has_begun: Whether any object was executed.
        is_odd: Whether the resolver returned something else than a list with an item for each object.
        raised: The error of the field itself; None if there is none.
    """

    __slots__ = (
        "_alone",
        "_asked",
        "_error",
        "_errors",
        "_executor",
        "_guard",
        "_info",
        "_inputs",
        "_items",
        "_representations",
        "_returned",
        "_values",
        "_where",
        "completed",
        "has_begun",
        "is_odd",
        "raised",
    )

    def __init__(
        self,
        executor: Executor[Any],
        where: FieldCall,
        representations: Sequence[Representation],
        *,
        alone: ExecutorAlone,
        guard: Guard,
        inputs: UsedInputs | None,
    ) -> None:
        self._executor = executor
        self._where = where
        self._representations = representations
        self._alone = alone
        self._guard = guard
        self._inputs = inputs
        self._errors: dict[int, FieldErrors] = {}
        self._error: Exception | None = None
        self._info: Any = None
        self._asked: list[int] = []
        self._returned: Any = None
        self._items: dict[int, Any] = {}
        self._values: dict[int, Any] = {}
        self.completed: dict[int, CompletedField] = {}
        self.has_begun = False
        self.is_odd = False
        self.raised: ExecutionRaisedError | None = None

    def run_sync(self, recorders: Mapping[int, Recorder | None]) -> None:
        """Execute objects without awaiting; an object that was executed before a fault is not executed again.

        Args:
            recorders: The recorder of each object to execute, by position; None for an object that is not stored.

        Raises:
            ExecutionRaisedError: If the field as a whole has an error.
        """
        with self._recorded(recorders) as (shared, executors):
            self._take()  # as far as a fault interrupted this before
            self._resolve(shared, executors)
            self._take()
            for at, executor in executors.items():
                self._complete(at, executor)
        self._conclude(recorders)

    async def run(self, recorders: Mapping[int, Recorder | None]) -> None:
        """Execute objects in an event loop; the async form of `run_sync`."""
        with self._recorded(recorders) as (shared, executors):
            await self._wait_and_take()  # as far as a fault interrupted this before
            self._resolve(shared, executors)
            await self._wait_and_take()
            for at, executor in executors.items():
                self._complete(at, executor)
            waiting = [at for at in recorders if inspect.isawaitable(self._values[at])]
            values = await asyncio.gather(*(self._values[at] for at in waiting))
            self._values.update(zip(waiting, values, strict=True))
        self._conclude(recorders)

    def value(self, answers: Mapping[int, ExecutionResult]) -> Any:  # noqa: ANN401 - a list, or an awaitable of it
        """Return the value of the field, and add the errors of executed objects to those of the operation.

        With an async ``resolve_reference`` the value is an awaitable, also in ``execute_sync``: Strawberry then fails
        as it does without the cache.

        Args:
            answers: The answer for each object, by position.
        """
        for position in range(len(self._representations)):
            if answers[position] is self.completed.get(position):
                self._errors[position].hand_on()
        values = [answers[position].data for position in range(len(self._representations))]
        return _gathered(values) if any(map(inspect.isawaitable, values)) else values

    @contextmanager
    def _recorded(
        self, recorders: Mapping[int, Recorder | None]
    ) -> Iterator[tuple[Executor[Any], dict[int, Executor[Any]]]]:
        """Record the execution of objects; yield an executor for all of them, and one for each."""
        guard, holder = self._guard, self._executor.collected_errors
        shared = separate_copy(self._executor)
        said, executors = Recorder(guard), {}
        with ExitStack() as stack:
            stack.enter_context(said.recording(shared, None, self._inputs))
            for at in sorted(recorders):
                if at in self._values:
                    continue
                each, recorder = self._representations[at], recorders[at]
                policy = None if recorder is None else each.policy
                errors = self._errors.setdefault(at, FieldErrors(holder))
                is_verified = isinstance(recorder, VerifiedRun)
                executor = executors[at] = self._alone(policy, errors, is_verified=is_verified)
                if isinstance(recorder, VerifiedRun):
                    parent, _, details, path, _ = self._where
                    recorder.stand_at(parent, details, Path(path, at, None))
                if recorder is not None and policy is not None:
                    stack.enter_context(recorder.recording(executor, policy))
            yield shared, executors
        for at, recorder in recorders.items():
            if recorder is not None:
                self._add(at, recorder, said)

    def _add(self, at: int, recorder: Recorder, said: Recorder) -> None:
        """Add to the recorder of one object what the call of the resolver noted for all objects."""
        recorder.take_over(said)
        kind = self._representations[at].plan.kind.name
        first = recorder.entities.first_type
        if first is None:
            recorder.tags.add(f"[{kind}]")  # no such object, but a mutation may create it
        elif first != kind:
            recorder.refuse(Reason.CUSTOM_CODE)  # the key lacks the selection for this type

    def _resolve(self, shared: Executor[Any], wanted: Iterable[int]) -> None:
        """Call the resolver of the field once, for all objects for which it was not called before."""
        missing = [at for at in wanted if at not in self._items]
        if not missing:
            return
        parent, source, details, *_ = self._where
        definition = parent.fields[details[0].node.name.value]
        self._info, arguments = info_and_arguments(shared, self._where)
        # Copies, because resolving changes them.
        arguments[REPRESENTATIONS] = [
            copy.deepcopy(self._representations[at].sent) for at in missing
        ]
        resolve = definition.resolve or shared.field_resolver
        if shared.middleware_manager is not None:
            resolve = shared.middleware_manager.get_field_resolver(resolve)
        self._asked, self.has_begun = missing, True
        try:
            self._returned = resolve(source, self._info, **arguments)
        except Exception as error:  # noqa: BLE001 - of the field
            self._error = error
            self._raise(error)

    async def _wait_and_take(self) -> None:
        """Await what the resolver returned, and note the items."""
        if self._error is None and inspect.isawaitable(self._returned):
            try:
                self._returned = await self._returned
            except Exception as error:  # noqa: BLE001 - of the field
                self._error = error
        self._take()

    def _take(self) -> None:
        """Note the items that the resolver returned; raise if that is no list with an item for each object."""
        if self._error is not None:
            self._raise(self._error)
        returned, self._returned = self._returned, None
        if not self._asked:
            return
        if not isinstance(returned, list) or len(returned) != len(self._asked):
            self.is_odd = True
            raise TypeError
        self._items.update(zip(self._asked, returned, strict=True))
        self._asked = []

    def _raise(self, error: Exception) -> None:
        """Raise an error of the field, located by graphql-core."""
        parent, _, details, path, _ = self._where
        definition = parent.fields[details[0].node.name.value]
        try:
            self._executor.handle_field_error(error, definition.type, details, path)
        except Exception as located:
            self.raised = ExecutionRaisedError(located)
            raise self.raised from located

    def _complete(self, at: int, executor: Executor[Any]) -> None:
        """Complete one object; its value may be an awaitable."""
        parent, _, details, path, position = self._where
        kind: Any = parent.fields[details[0].node.name.value].type.of_type
        item, info = self._items[at], self._info
        further = (kind.of_type, details, info, Path(path, at, None), position)
        self._guard.step(note_if_open, (kind, details, info, path, [item], position), {})
        if executor.is_awaitable(item):
            self._values[at] = executor.complete_awaitable_list_item_value(item, *further)
        else:
            completed: list[Any] = []
            executor.complete_list_item_value(item, completed, *further)
            self._values[at] = completed[0]

    def _conclude(self, positions: Iterable[int]) -> None:
        for at in positions:
            self.completed[at] = self._errors[at].completed(self._values[at])


async def _gathered(values: list[Any]) -> list[Any]:
    return [await each if inspect.isawaitable(each) else each for each in values]
