"""The hooks that Strawberry calls for one request. Each is guarded."""

import asyncio
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from http import HTTPStatus
from typing import Any

from strawberry.extensions import SchemaExtension
from strawberry.schema import BaseSchema
from strawberry.types import ExecutionContext
from strawberry.utils.await_maybe import AwaitableOrValue

from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._user_code import Raised, called
from strawberry_response_cache.core.drivers.driving import running_loop
from strawberry_response_cache.graphql._adoption import Adopted
from strawberry_response_cache.graphql._compat.endings import has_known_errors, runs_mutation
from strawberry_response_cache.graphql._compat.executor import AnnouncedRun, announced_run
from strawberry_response_cache.graphql._compat.operation import AskedOperation
from strawberry_response_cache.graphql._compat.phases import Phased
from strawberry_response_cache.graphql._compat.validation_rules import may_admit_some_only
from strawberry_response_cache.graphql._delivery import Delivery, take_announcement
from strawberry_response_cache.graphql._guard import Guard
from strawberry_response_cache.graphql._options import Options
from strawberry_response_cache.graphql.execution.documents import Preparation
from strawberry_response_cache.graphql.execution.http_report import UNSHARED, Sharing
from strawberry_response_cache.graphql.execution.run import Run
from strawberry_response_cache.graphql.http.messages import of_context
from strawberry_response_cache.graphql.http.response_headers import (
    ResponseHeaders,
    headers_of,
    known_headers_of,
    share_headers,
)
from strawberry_response_cache.graphql.invalidation.mutation import (
    invalidate_everything,
    invalidate_everything_sync,
)
from strawberry_response_cache.graphql.policy.custom_code import (
    has_later,
    may_decide_per_request,
    may_see_results,
)
from strawberry_response_cache.graphql.policy.reasons import Reason


class RequestHooks(Phased, SchemaExtension):
    """The extension object of one request.

    Args:
        options: The extension's configuration.
        adopted: Returns an adopted schema; None if adopting it failed.
    """

    def __init__(self, options: Options, adopted: Callable[[BaseSchema], Adopted | None]) -> None:
        self._options = options
        self._adopted_of = adopted
        self.guard = Guard()
        self._adopted: Adopted | None = None
        self.preparation: Preparation | None = None
        self._run: Run | None = None
        self._is_settled = False
        self._delivery: Delivery | None = None
        self._headers: ResponseHeaders | None = None
        self._task: asyncio.Task[Any] | None = None
        self._before: AnnouncedRun | None = None
        self._began = 0.0
        self._sent: object = None
        self.is_watched = False

    @property
    def execution_context(self) -> ExecutionContext:
        """Strawberry's execution context."""
        return self._execution_context

    @execution_context.setter
    def execution_context(self, context: ExecutionContext) -> None:  # pyright: ignore[reportIncompatibleVariableOverride] # Strawberry only assigns and reads it
        # Set before anything of the request runs, which is early enough to replace the schema's executor.
        self._execution_context = context
        self.guard.step(self._begin)

    def _begin(self) -> None:
        context = self._execution_context
        # Strawberry gives these to the executor, even if a later hook replaces them in the context.
        self._sent = context.operation_extensions
        self._delivery = take_announcement(context.schema)
        self._begin_headers()
        self._adopted = adopted = self._adopted_of(context.schema)
        is_on = self._options.enabled is not False
        if adopted is not None and is_on and not adopted.mistakes:
            self.preparation = Preparation(adopted.documents, context)  # pyright: ignore[reportIncompatibleVariableOverride] # the runner only reads it

    def _begin_headers(self) -> None:
        """Forbid browsers and CDNs to store the response, until it is known for how long they may."""
        if self._options.headers is not None:
            # What cannot be read keeps the operation from being stored; see `Recorder`.
            found = called(of_context, self._execution_context.context, "response")
            response = None if type(found) is Raised else found
            if self._delivery is not None:
                self._headers = self._delivery.headers
                if self._headers is not None and response is not None:
                    share_headers(response, self._headers)
            elif response is not None:
                self._headers = headers_of(response, self._options.headers)
        if self._headers is not None:
            self._headers.begin()
            if self._delivery is None:
                self._write_headers(self._headers)

    def _end_headers(self) -> None:
        if self._headers is not None:
            if self._run is None:
                self._headers.end(None)
            else:
                has_failed = has_known_errors(self._execution_context)
                freshness = None if has_failed else self._run.http.freshness
                if self._run.is_absent:
                    self._headers.status = HTTPStatus.GATEWAY_TIMEOUT
                if self._run.mutation is not None:
                    self._headers.invalidate(*self._run.http.invalidated_names())
                self._headers.end(freshness, self._run.http.cache_status())
            if self._delivery is None:
                self._write_headers(self._headers)

    def _write_headers(self, headers: ResponseHeaders) -> None:
        """Write the headers to the response of the context; a view of this package does it by itself."""
        context = self._execution_context.context
        found = called(of_context, context, "response")
        if type(found) is not Raised and known_headers_of(found) is headers:
            asked = called(of_context, context, "request")
            headers.write(found, None if type(asked) is Raised else asked)

    def on_parse(self) -> Iterator[None]:
        """Reuse the parsed document of a known text."""
        # A later extension may change the text: Strawberry parses after all of them.
        if self.preparation is not None:
            self.guard.step(self._unless_later, "on_parse", self.preparation.parse)
        yield

    def _unless_later(self, hook: str, step: Callable[[], object]) -> None:
        """Call a function, unless an extension after this one has the same hook, and may act before Strawberry does."""
        if not has_later(hook, self.all_extensions, self):
            step()

    def on_validate(self) -> Iterator[None]:
        """Reuse a cached validation result: leave out rules by which the document is known to be valid."""
        # A later extension sees the rules and may change them.
        prepared = self.preparation
        if prepared is not None:
            self.guard.step(self._unless_later, "on_validate", prepared.validate)
        yield
        if prepared is not None:
            self.guard.step(prepared.restore_rules)

    def on_execute(self) -> Iterator[None]:
        """Announce the run to the executor that Strawberry builds next."""
        self.begin_execution()
        try:
            yield
        finally:
            self.end_execution()

    def begin_execution(self) -> None:
        """Announce the run to the executor that Strawberry builds next."""
        self._run = self.guard.step(self._new_run)
        self._before = around = announced_run.get()
        if around is not None and around.context is self._execution_context:
            # Of two extensions, which are a mistake, only this one will know what a mutation changes.
            around.is_passed_over = True
        announced_run.set(self._run)
        self._began = time.perf_counter()

    def answer_ahead(self, is_synchronous: bool) -> None:  # noqa: FBT001 - a step takes no names
        """Set the result of the operation if it is in local memory, so that no executor is built."""
        context, run, adopted = self._execution_context, self._run, self._adopted
        if run is None or adopted is None or context.result or not adopted.executes_plainly:
            return
        asked = AskedOperation.ahead(context, self._sent, is_synchronous=is_synchronous)
        if (result := run.answer_ahead(asked)) is not None:
            context.result = result

    def end_execution(self) -> None:
        """Withdraw the announcement, and report how long the execution took."""
        seconds = time.perf_counter() - self._began
        if self._run is not None:
            self.guard.step(self._run.end, seconds)
        else:
            self.guard.step(self._count_fault)
        # Not with a token: a stream may be resumed in another context. An abandoned request is closed
        # in the context in which it is collected, where another run may be announced.
        if announced_run.get() is self._run:
            announced_run.set(self._before)
        self._before = None

    def _count_fault(self) -> None:
        reason = Reason.of_fault(is_too_deep=self.guard.is_too_deep)
        tenant_of(self._options.cache).counters.bypassed("operation", reason.value)

    def _new_run(self) -> Run | None:
        if self._adopted is None:
            return None
        context = self._execution_context
        preparation = self.preparation or Preparation(self._adopted.documents, context)
        adopted = self._adopted
        return Run(
            self._options,
            adopted.considering,
            preparation=preparation,
            refused=adopted.refused,
            context=context,
            guard=self.guard,
            as_stored=self._delivery is not None and self._takes_bytes(self._delivery, adopted),
            # Weakly, because this object refers to it in turn.
            sharing=partial(_sharing, weakref.ref(self), adopted),
        )

    def sharing(self, adopted: Adopted) -> Sharing:
        """Return whether other extensions and the schema allow that browsers and CDNs reuse an answer."""
        trusted, others = self._options.trusted, self.all_extensions
        context = self._execution_context
        is_plain = adopted.hands_results_on or type(context.schema) in trusted
        admits_all = not may_admit_some_only(context.validation_rules, trusted)
        return Sharing(
            is_as_stored=is_plain and not may_see_results(others, self, trusted),
            is_for_all=(
                is_plain and admits_all and not may_decide_per_request(others, self, trusted)
            ),
        )

    def _takes_bytes(self, delivery: Delivery, adopted: Adopted) -> bool:
        """Whether the stored bytes reach a view that sends them without parsing them."""
        return (
            delivery.takes_bytes
            and adopted.hands_results_on
            and not may_see_results(self.all_extensions, self)
        )

    def on_operation(self) -> Iterator[None]:
        """Make sure that what a mutation changed is invalidated, also if nobody calls `settle`."""
        try:
            yield
        except Exception:
            self.guard.step(self._await_end)
            raise
        except BaseException:  # for example, a cancellation or a closed stream
            if not self.is_watched:
                self.settle_early()
            raise
        self.guard.step(self._await_end)

    def _await_end(self) -> None:
        if self._run is not None and self._run.is_async and not self.is_watched:
            # The teardown of another extension may still be cancelled.
            self._task = asyncio.current_task() if running_loop() is not None else None
            if self._task is not None:
                self._task.add_done_callback(self.settle_early)

    def settle_early(self, _: object = None) -> None:
        """Begin to invalidate in the background what a mutation changed, unless that has begun."""
        if self._run is not None and not self._is_settled:
            self._is_settled = True
            if self._run.mutation is not None:
                self.guard.step(self._run.mutation.settle_early)
                self.guard.step(self._run.end_mutation)

    def settle_at_once(self) -> bool:
        """End a request that has nothing to invalidate, without awaiting; return whether the request has ended."""
        run = self._run
        if self._is_settled or run is None or self.guard.is_faulted or run.is_passed_over:
            return self._is_settled
        if run.invalidating or run.mutation is not None:
            return False
        self._is_settled = True
        if self._headers is not None:
            self.guard.step(self._end_headers)
        return True

    async def settle(self) -> None:
        """Invalidate what a mutation changed, once, after the teardown of every extension; then end the request."""
        if self._is_settled:
            return
        self._is_settled = True
        if self._task is not None:
            self._task.remove_done_callback(self.settle_early)
        if self._run is not None and self._run.invalidating:
            await self.guard.step_async(_ends_of, self._run.invalidating)
        if self._run is not None and self._run.mutation is not None:
            await self.guard.step_async(self._run.mutation.settle)
        if self.guard.step(self._is_lost) is not False:
            context = self._execution_context.context
            await self.guard.step_async(invalidate_everything, self._options, context, self.guard)
        self._end()

    def settle_sync(self) -> None:
        """Invalidate what a mutation changed; the sync form of `settle`."""
        if self._is_settled:
            return
        self._is_settled = True
        for invalidate in self._run.invalidating.values() if self._run is not None else ():
            self.guard.step(invalidate)  # this thread blocks the event loop of the task
        if self._run is not None and self._run.mutation is not None:
            self.guard.step(self._run.mutation.settle_sync)
        if self.guard.step(self._is_lost) is not False:
            context = self._execution_context.context
            self.guard.step(invalidate_everything_sync, self._options, context, self.guard)
        self._end()

    def _end(self) -> None:
        """End a request whose invalidations are done, and write its headers."""
        if self._run is not None:
            self.guard.step(self._run.end_mutation)
        self.guard.step(self._end_headers)

    def note_fault(self, error: Exception) -> None:
        """Count a fault, and invalidate what a mutation changed unless that has started."""
        self.guard.note(error)
        self.settle_early()

    def get_results(self) -> AwaitableOrValue[dict[str, Any]]:
        """Return ``responseCache`` if ``debug`` is on, and the tags that gateways are told; settle first if needed."""
        if self._is_settled or self.is_watched:
            return {} if self._options.says_nothing else self.guard.step(self.told) or {}
        # The ends of this schema could not be watched.
        if self._run is not None and self._run.is_async:
            return self._settled()
        self.settle_sync()
        return self.guard.step(self.told) or {}

    async def _settled(self) -> dict[str, Any]:
        await self.settle()
        return self.guard.step(self.told) or {}

    def _is_lost(self) -> bool:
        """Whether it is not known what a mutation changed, after a fault or because of another such extension."""
        is_passed_over = self._run is not None and self._run.is_passed_over
        if self._adopted is not None and not self.guard.is_faulted and not is_passed_over:
            return False
        return runs_mutation(self._execution_context)

    def told(self) -> dict[str, Any]:
        """Return what ``extensions`` of the response tell of the cache so far; empty if they tell nothing."""
        if self._run is None or self._options.says_nothing:
            return {}
        said, found = self._run.as_extension(), self._run.http.as_extensions()
        if found and has_known_errors(self._execution_context):
            found = {}
        return found if said is None else {"responseCache": said, **found}


def _sharing(known: "weakref.ref[RequestHooks]", adopted: Adopted) -> Sharing:
    hooks = known()
    return UNSHARED if hooks is None else hooks.sharing(adopted)


async def _ends_of(tasks: Iterable["asyncio.Task[None]"]) -> None:
    """Wait for the tasks of this event loop; not for those of another, such as one that a resolver ran in a thread."""
    here = asyncio.get_running_loop()
    if ours := [task for task in tasks if task.get_loop() is here]:
        await asyncio.wait(ours)
