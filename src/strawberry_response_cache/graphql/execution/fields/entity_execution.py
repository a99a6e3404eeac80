"""Answers ``_entities`` of Apollo Federation: reads objects from their entries, executes all others together."""

import copy
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from graphql import ExecutionResult
from graphql.execution import Executor

from strawberry_response_cache.core import CachedResponse, CacheStoreError
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core._prefetched import Prefetched
from strawberry_response_cache.graphql._guard import Execution, Later
from strawberry_response_cache.graphql.execution.attempt import Attempt
from strawberry_response_cache.graphql.execution.attempt_result import cache_result_of
from strawberry_response_cache.graphql.execution.cache_request import CacheRequest, CacheResult
from strawberry_response_cache.graphql.execution.fields.cached_entity import RequestedEntities
from strawberry_response_cache.graphql.execution.fields.cached_field import Fields
from strawberry_response_cache.graphql.execution.fields.entity_run import EntityRun
from strawberry_response_cache.graphql.execution.fields.field_answer import ExecutorAlone
from strawberry_response_cache.graphql.execution.fields.field_call import FieldCall
from strawberry_response_cache.graphql.execution.obey_directives import is_too_old
from strawberry_response_cache.graphql.execution.recorder import Recorder
from strawberry_response_cache.graphql.execution.serializer import ResponseSerializer, TurnedPrivate
from strawberry_response_cache.graphql.execution.varying import varying
from strawberry_response_cache.graphql.execution.verification import compared, is_comparable
from strawberry_response_cache.graphql.execution.verified_run import VerifiedRun
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason


class EntityExecution:
    """The answer to one ``_entities`` field."""

    __slots__ = (
        "_alike",
        "_answers",
        "_fields",
        "_is_sync",
        "_is_verified",
        "_pending",
        "_plain",
        "_renews",
        "_representations",
        "_run",
        "_stored",
        "_told",
        "_uncached",
    )

    def __init__(
        self,
        fields: Fields,
        executor: Executor[Any],
        where: FieldCall,
        *,
        entities: RequestedEntities,
        plain: Callable[[], Any],
        alone: ExecutorAlone,
        is_sync: bool,
    ) -> None:
        representations = entities.representations(executor, where)
        self._fields = fields
        self._told = entities.told
        self._plain = plain
        self._representations = representations
        self._is_sync = is_sync
        self._is_verified = fields.request.is_verified
        guard = fields.request.guard
        self._run = EntityRun(
            executor, where, representations, alone=alone, guard=guard, inputs=entities.inputs
        )
        self._answers: dict[int, ExecutionResult] = {}
        self._renews = fields.request.directives.no_cache
        self._alike: dict[int, list[int]] = {}
        self._pending: dict[int, CacheRequest] = {}
        self._stored: dict[int, tuple[Attempt, CachedResponse[Any]]] = {}
        self._uncached: list[int] = []

    def rest(self) -> Any:  # noqa: ANN401 - the value of the field, or an awaitable of it
        """Answer after a fault: without the cache, and without executing again what was executed."""
        run = self._run
        if run.raised is not None:
            raise run.raised.error
        if not run.has_begun or run.is_odd:
            return self._plain()
        if not self._is_sync:
            return self._rest()
        self._finish_sync()
        return self._value()

    async def _rest(self) -> Any:  # noqa: ANN401 - as above
        await self._finish()
        return self._value()

    def answer(self, _: Execution) -> Any:  # noqa: ANN401 - the value of the field, or a `Later`
        """Read objects from their entries, and execute the others."""
        self._admit()
        if not self._is_sync:
            return Later(self._answer)
        while self._pending:
            self._forget_sync()
            if attempts := self._attempts():
                first, keys, serializers = _parts_of_requests(attempts)
                responses = tenant_of(first.cache).run_many_sync(
                    keys,
                    serializers,
                    partial(self._load_sync, attempts),
                    first.subject,
                    prefetched=self._fields.prefetched,
                    budget=self._fields.request.wait_budget,
                )
                self._take(attempts, responses)
        if self._stored:
            self._verify_sync()
        self._finish_sync()
        return self._value()

    async def _answer(self) -> Any:  # noqa: ANN401 - the value of the field
        while self._pending:
            await self._forget()
            if attempts := self._attempts():
                first, keys, serializers = _parts_of_requests(attempts)
                responses = await tenant_of(first.cache).run_many(
                    keys,
                    serializers,
                    partial(self._load, attempts),
                    first.subject,
                    prefetched=self._fields.prefetched,
                    budget=self._fields.request.wait_budget,
                )
                self._take(attempts, responses)
        if self._stored:
            await self._verify()
        await self._finish()
        return self._value()

    # -- Before it runs ------------------------------------------------------------------------------

    def _admit(self) -> None:
        """Note the entries to ask for, each once, and the objects without one."""
        first: dict[str, int] = {}
        fields = self._fields
        for at, each in enumerate(self._representations):
            found = each.cache_request
            if isinstance(found, CacheRequest) and fields.prefetched.is_down:
                found = Problem(Reason.STORE_FAILURE)
            elif isinstance(found, CacheRequest) and fields.left <= 0:
                found = Problem(Reason.TOO_MANY_FIELDS)
            if isinstance(found, Problem):
                self._give_up(at, found)
                continue
            known = first.setdefault(found.keys.entry, at)
            if known == at:
                fields.left -= 1
                self._pending[at] = found
            else:
                self._alike.setdefault(known, []).append(at)

    def _attempts(self) -> dict[int, Attempt]:
        pending, self._pending = self._pending, {}
        request = self._fields.request
        return {at: Attempt(each, request, tells_tags=True) for at, each in pending.items()}

    async def _forget(self) -> None:
        """Forget entries that are to be renewed; if Redis fails, their objects are not cached."""
        for at, each in [*self._pending.items()] if self._renews else ():
            self._fields.prefetched.pop(each.keys)
            try:
                await tenant_of(each.cache).forget(each.keys)
            except CacheStoreError:
                del self._pending[at]
                self._give_up(at, Problem(Reason.STORE_FAILURE))

    def _forget_sync(self) -> None:
        """Forget entries that are to be renewed; the sync form of `_forget`."""
        for at, each in [*self._pending.items()] if self._renews else ():
            self._fields.prefetched.pop(each.keys)
            try:
                tenant_of(each.cache).forget_sync(each.keys)
            except CacheStoreError:
                del self._pending[at]
                self._give_up(at, Problem(Reason.STORE_FAILURE))

    def _give_up(self, at: int, problem: Problem) -> None:
        self._uncached.append(at)
        self._told.note_problem(problem)
        self._fields.note(self._representations[at].plan.name, problem)

    # -- While it runs -------------------------------------------------------------------------------

    async def _load(self, attempts: Mapping[int, Attempt], wanted: list[int]) -> list[Any]:
        """Execute the objects without an entry at some positions, and return their results."""
        loading = _at(attempts, wanted)
        with varying(self._varied(loading)):
            await self._run.run(self._recorders(attempts, loading))
        return [attempts[at].made(self._run.completed[at]) for at in loading]

    def _load_sync(self, attempts: Mapping[int, Attempt], wanted: list[int]) -> list[Any]:
        """Execute the objects without an entry at some positions; the sync form of `_load`."""
        loading = _at(attempts, wanted)
        with varying(self._varied(loading)):
            self._run.run_sync(self._recorders(attempts, loading))
        return [attempts[at].made(self._run.completed[at]) for at in loading]

    def _varied(self, loading: Iterable[int]) -> frozenset[str]:
        """Return the varied values that the keys of all objects at these positions have."""
        varied = [frozenset(self._representations[at].plan.policy.vary) for at in loading]
        return frozenset.intersection(*varied) if varied else frozenset()

    def _recorders(
        self, attempts: Mapping[int, Attempt], loading: list[int]
    ) -> dict[int, Recorder | None]:
        """Return recorders for the objects to execute together; None for those whose results are not stored."""
        recorders: dict[int, Recorder | None] = {at: attempts[at].begin() for at in loading}
        alike = (other for at in loading for other in self._alike.get(at, ()))
        for at in (*alike, *self._uncached):
            if at not in self._run.completed:
                recorders[at] = None
        return recorders

    def _take(
        self,
        attempts: Mapping[int, Attempt],
        responses: Mapping[int, CachedResponse[Any] | Exception],
    ) -> None:
        """Note the answers of one round; objects that have to be asked for again become pending."""
        fields, directives = self._fields, self._fields.request.directives
        if self._run.raised is not None:
            raise self._run.raised
        was_renewed, self._renews = self._renews, False
        for number, (at, attempt) in enumerate(attempts.items()):
            response = responses[number]
            if isinstance(response, BaseException):
                continue
            if isinstance(response.value, TurnedPrivate):
                found = attempt.cache_request.for_session(fields.request)
                if isinstance(found, CacheRequest):
                    self._pending[at] = found
                else:
                    self._give_up(at, found)
            elif not was_renewed and is_too_old(response, directives):
                self._pending[at], self._renews = attempt.cache_request, True
            elif self._is_verified and not attempt.has_generated(response):
                self._stored[at] = attempt, response
            else:
                self._note(at, attempt, cache_result_of(attempt, response))

    def _note(self, at: int, attempt: Attempt, cache_result: CacheResult) -> None:
        """Note the answer for an object."""
        self._fields.answered(self._representations[at].plan.name, cache_result)
        self._answers[at] = cache_result.result
        key, alike = attempt.cache_request.keys.entry, self._alike.get(at, ())
        self._told.note([at, *alike], key, cache_result)

    # -- Verification ----------------------------------------------------------------------------------

    async def _verify(self) -> None:
        """Execute objects although the cache has answered them, and compare both."""
        runs, unmade = self._verified_runs()
        with varying(self._varied(unmade)):
            await self._run.run(self._recorders(unmade, [*unmade]))
        self._note_made(unmade)
        found, request = Prefetched(), self._first_stored()
        if keys := self._comparable(runs):
            await tenant_of(request.cache).prefetch(found, keys, request.subject)
        self._compare(runs, found)

    def _verify_sync(self) -> None:
        """Execute objects although the cache has answered them, and compare both; the sync form of `_verify`."""
        runs, unmade = self._verified_runs()
        with varying(self._varied(unmade)):
            self._run.run_sync(self._recorders(unmade, [*unmade]))
        self._note_made(unmade)
        found, request = Prefetched(), self._first_stored()
        if keys := self._comparable(runs):
            tenant_of(request.cache).prefetch_sync(found, keys, request.subject)
        self._compare(runs, found)

    def _first_stored(self) -> CacheRequest:
        return next(attempt.cache_request for attempt, _ in self._stored.values())

    def _verified_runs(self) -> tuple[dict[int, VerifiedRun], dict[int, Attempt]]:
        """Begin the verified runs.

        Returns:
            The run of each object that the cache answered; and the attempts that have not executed their object
            yet. The other attempts executed it for a refresh, which failed.
        """
        # Tags with placeholders are not filled in them, so a value that contains their results cannot be stored.
        tenant_of(self._first_stored().cache).note_unfit_part()
        runs = {at: attempt.verify() for at, (attempt, _) in self._stored.items()}
        attempts = {at: attempt for at, (attempt, _) in self._stored.items()}
        return runs, {at: each for at, each in attempts.items() if each.made_itself is None}

    def _note_made(self, unmade: Mapping[int, Attempt]) -> None:
        for at, attempt in unmade.items():
            attempt.made(self._run.completed[at])

    def _comparable(self, runs: Mapping[int, VerifiedRun]) -> list[EntryKeys]:
        """Return the keys of the entries that can be compared with what was executed."""
        return [
            attempt.cache_request.keys
            for at, (attempt, response) in self._stored.items()
            if is_comparable(attempt, runs[at], response)
        ]

    def _compare(self, runs: Mapping[int, VerifiedRun], found: Prefetched) -> None:
        for at, (attempt, response) in self._stored.items():
            self._note(at, attempt, compared(attempt, runs[at], response, found))

    # -- After it ran --------------------------------------------------------------------------------

    async def _finish(self) -> None:
        """Execute the objects that are not answered yet, without the cache."""
        if missing := self._missing():
            await self._run.run(dict.fromkeys(missing))
            self._answers.update({at: self._run.completed[at] for at in missing})

    def _finish_sync(self) -> None:
        """Execute the objects that are not answered yet, without the cache; the sync form of `_finish`."""
        if missing := self._missing():
            self._run.run_sync(dict.fromkeys(missing))
            self._answers.update({at: self._run.completed[at] for at in missing})

    def _missing(self) -> list[int]:
        """Answer equal objects and executed ones; return the positions that are not answered yet."""
        for first, others in self._alike.items():
            stored = self._answers.get(first)
            for at in others:
                if stored is not None and stored is not self._run.completed.get(first):
                    self._answers.setdefault(at, ExecutionResult(copy.deepcopy(stored.data), None))
        for at, completed in self._run.completed.items():
            self._answers.setdefault(at, completed)
        return [at for at in range(len(self._representations)) if at not in self._answers]

    def _value(self) -> Any:  # noqa: ANN401 - a list, or an awaitable of it
        return self._run.value(self._answers)


def _at(attempts: Mapping[int, Attempt], wanted: list[int]) -> list[int]:
    """Return the positions of those attempts whose numbers, counted from 0 by the core, are given."""
    positions = [*attempts]
    return [positions[number] for number in wanted]


def _parts_of_requests(
    attempts: Mapping[int, Attempt],
) -> tuple[CacheRequest, list[EntryKeys], list[ResponseSerializer]]:
    """Return the first of some requests, and the keys and serializers of all."""
    requests = [each.cache_request for each in attempts.values()]
    serializers = [each.serializer for each in attempts.values()]
    return requests[0], [each.keys for each in requests], serializers
