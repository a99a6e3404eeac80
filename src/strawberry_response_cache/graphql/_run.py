"""One operation's way through the cache: decide, look up, execute, say what happened."""

import asyncio
import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

from graphql import DocumentNode, ExecutionResult, GraphQLError, GraphQLSchema, OperationType
from graphql.execution import Executor
from strawberry.types import ExecutionContext

from strawberry_response_cache.core import CachedResponse, CacheStatus, ResponseCache
from strawberry_response_cache.core._flights import note_unfit_part
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core._observer import Concluded, Subject
from strawberry_response_cache.graphql._context import Options, RequestContext
from strawberry_response_cache.graphql._documents import Preparation
from strawberry_response_cache.graphql._foreign import problem_of_executor, problem_of_hooks
from strawberry_response_cache.graphql._key import UnkeyableError, operation_key, sent_variables
from strawberry_response_cache.graphql._mutation import Mutation
from strawberry_response_cache.graphql._plan import Plans, Variant
from strawberry_response_cache.graphql._reasons import Problem, Reason
from strawberry_response_cache.graphql._recipe import OperationRecipe, TurnedPrivate
from strawberry_response_cache.graphql._recorder import Recorder

logger = logging.getLogger("strawberry_response_cache")


class _AsyncProbe:
    """Asks an executor whether it would take an async iterable; a synchronous one would not."""

    def __aiter__(self) -> "_AsyncProbe":
        return self


_PROBE: Final = _AsyncProbe()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the cache did for one operation, for ``extensions.responseCache``."""

    status: str
    reason: Reason | None = None
    advice: str = ""
    age: float | None = None
    ttl: float | None = None
    scope: str | None = None
    limited_by: str | None = None

    def for_people(self) -> dict[str, object]:
        """Return it as it stands in a response; ages and ttls in whole seconds."""
        shown = {
            "status": self.status,
            "age": None if self.age is None else int(self.age),
            "ttl": None if self.ttl is None else int(self.ttl),
            "scope": self.scope,
            "reason": None if self.reason is None else self.reason.value,
            "advice": self.advice or None,
            "limitedBy": self.limited_by,
        }
        return {name: value for name, value in shown.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Admitted:
    """An operation that goes through the cache.

    Attributes:
        cache: The tenant's.
        keys: Of its entry.
        variant: Its policy, and what its keys begin with.
        parts: Makes the parts of its key for a session, or for everyone.
        session: Whose it is; None for everyone's.
        subject: On whose behalf the store is called.
    """

    cache: ResponseCache
    keys: EntryKeys
    variant: Variant
    parts: Callable[[str | None], list[str]] = field(repr=False)
    session: str | None = field(repr=False)
    subject: Subject

    def of(self, session: str) -> "Admitted":
        """Return the same operation for one session, after it turned out to be PRIVATE."""
        return replace(
            self,
            keys=self.private_keys(session),
            session=session,
            subject=replace(self.subject, visibility="private"),
        )

    def private_keys(self, session: str) -> EntryKeys:
        """Return the keys for a session, in the slot of the public ones."""
        return self.cache._keyspace.keys_beside(self.parts(session), self.keys)  # noqa: SLF001 - a client of the port


class Run:
    """The run of one operation; it hangs on its executor and dies with it.

    Args:
        options: The extension's configuration.
        plans: The plans of the schema.
        preparation: The document's way to this run.
        context: Strawberry's execution context.
    """

    def __init__(
        self, options: Options, plans: Plans, preparation: Preparation, context: ExecutionContext
    ) -> None:
        self._options = options
        self._plans = plans
        self._preparation = preparation
        self._context = context
        self._request: RequestContext  # made in `answer`, of the context that the resolvers see
        self.outcome: Outcome | None = None
        self.is_async = False
        self._mutation: Mutation | None = None

    def belongs_to(self, schema: GraphQLSchema, document: DocumentNode) -> bool:
        """Whether an executor that was built just now executes this run's document."""
        own = self._context
        return own.graphql_document is document and own.schema._schema is schema  # noqa: SLF001 - Strawberry's name for it

    def errors_now(self) -> list[GraphQLError]:
        """Return what is wrong with what is executed, where it is not what was judged."""
        return self._preparation.errors_now()

    def answer(self, executor: Executor[Any], execute: Callable[[], Any]) -> Any:  # noqa: ANN401 - a result or an awaitable of one
        """Answer an operation from the cache or by executing it.

        Args:
            executor: The executor, built and not started.
            execute: Starts it; returns a result or an awaitable of one.
        """
        # The context that the resolvers see: a hook may have exchanged it since the run began.
        self._request = RequestContext(self._options, executor.context_value)
        if errors := self.errors_now():
            return ExecutionResult(None, errors)
        if executor.operation.operation is OperationType.MUTATION:
            return self._mutate(executor, execute)
        admitted = self._admitted(executor)
        if isinstance(admitted, Problem):
            return self._bypass(admitted, execute)
        if _is_synchronous(executor):
            return self._answer_sync(admitted, executor, execute)
        return self._answer_async(admitted, executor, execute)

    def _answer_sync(
        self, admitted: Admitted, executor: Executor[Any], execute: Callable[[], Any]
    ) -> Any:  # noqa: ANN401 - a result or an awaitable of one
        while True:
            attempt = self._attempt(admitted)

            def generate(attempt: _Attempt = attempt) -> Any:  # noqa: ANN401 - whatever an executor returns
                attempt.begin(self._request)
                with attempt.recorder.recording(executor, attempt.policy.never_stored):
                    return execute()

            response = admitted.cache._run_sync(  # noqa: SLF001 - a client of the port
                admitted.keys, attempt.recipe, generate, admitted.subject
            )
            if not isinstance(response.value, TurnedPrivate):
                return self._finish(attempt, response)
            found = self._for_session(admitted)
            if isinstance(found, Problem):
                return self._bypass(found, execute)
            admitted = found

    async def _answer_async(
        self, admitted: Admitted, executor: Executor[Any], execute: Callable[[], Any]
    ) -> Any:  # noqa: ANN401 - a result
        async def run() -> Any:  # noqa: ANN401 - whatever an executor returns
            result = execute()
            return await result if executor.is_awaitable(result) else result

        while True:
            attempt = self._attempt(admitted)

            async def generate(attempt: _Attempt = attempt) -> Any:  # noqa: ANN401 - as above
                attempt.begin(self._request)
                with attempt.recorder.recording(executor, attempt.policy.never_stored):
                    return await run()

            response = await admitted.cache._run(  # noqa: SLF001 - a client of the port
                admitted.keys, attempt.recipe, generate, admitted.subject
            )
            if not isinstance(response.value, TurnedPrivate):
                return self._finish(attempt, response)
            found = self._for_session(admitted)
            if isinstance(found, Problem):
                result = self._bypass(found, run)
                return await result
            admitted = found

    def _mutate(self, executor: Executor[Any], execute: Callable[[], Any]) -> Any:  # noqa: ANN401 - as `answer`
        """Run a mutation; what it changed is purged when all of it is over, see `settle`."""
        self._spoil_wholes()
        self._conclude(Outcome("bypass", Reason.MUTATION, "Mutations always run."))
        if self._options.enabled is False:
            return execute()
        mutation = Mutation(self._request, self._options.purges, self._plans.setting)
        if _is_synchronous(executor):
            self._mutation, self.is_async = mutation, False
            return mutation.run(executor, execute)
        self._mutation, self.is_async = mutation, True
        return mutation.run_async(executor, execute)

    async def settle(self) -> None:
        """Purge what a mutation changed; called after all that other extensions do about it."""
        if self._mutation is not None:
            await self._mutation.settle()

    def settle_sync(self) -> None:
        """Purge what a mutation changed; the twin of `settle`."""
        if self._mutation is not None:
            self._mutation.settle_sync()

    def settle_early(self) -> None:
        """Purge already, should another extension keep the answer, and with it `settle`, from coming."""
        if self._mutation is not None:
            self._mutation.purge_early(in_loop=self.is_async)

    def _attempt(self, admitted: Admitted) -> "_Attempt":
        max_bytes = admitted.cache._engine.settings.max_entry_bytes  # noqa: SLF001 - a client of the port
        return _Attempt(admitted, max_bytes)

    def _for_session(self, admitted: Admitted) -> Admitted | Problem:
        """Return the operation for this request's session, after its public entry was a marker."""
        session = self._request.session()
        if session is None:
            return self._request.without_session(None)
        return session if isinstance(session, Problem) else admitted.of(session)

    def _spoil_wholes(self) -> None:
        """Keep what this operation is nested in from being stored: nobody knows for whom it is.

        Neither its scope nor its tags nor what its resolvers restrict was recorded.
        """
        note_unfit_part(self._options.cache._keyspace.keys(()))  # noqa: SLF001 - a client of the port

    def _bypass(self, problem: Problem, execute: Callable[[], Any]) -> Any:  # noqa: ANN401 - as `answer`
        self._spoil_wholes()
        self._conclude(Outcome("bypass", problem.reason, problem.advice))
        return execute()

    def for_people(self) -> dict[str, object] | None:
        """Return what the cache did, if the extension is debugged."""
        if self.outcome is None or not self._request.is_debugged():
            return None
        return self.outcome.for_people()

    # -- Deciding ------------------------------------------------------------------------------------

    def _admitted(self, executor: Executor[Any]) -> Admitted | Problem:
        try:
            return self._admit(executor)
        except Exception as error:  # noqa: BLE001 - a fault of the cache is never the request's
            where = traceback.extract_tb(error.__traceback__)[-1]
            logger.error(  # noqa: TRY400 - the error's text can hold what the request brought
                "Deciding about an operation failed (%s in %s, line %s); not cached.",
                type(error).__qualname__,
                where.name,
                where.lineno,
                extra={"error.type": type(error).__qualname__},
            )
            return Problem(Reason.CACHE_FAULT, None, "A fault of the cache; please report the log.")

    def _admit(self, executor: Executor[Any]) -> Admitted | Problem:
        """Decide whether an operation goes through the cache, and under which key."""
        operation = executor.operation
        problem = self._foreign(executor) or self._unkeyed(executor)
        if problem is not None:
            return problem
        document = cast("DocumentNode", self._context.graphql_document)
        plan = self._plans.plan(document, operation, executor.fragment_definitions)
        variant = plan.variant(executor.variable_values.coerced)
        policy = variant.policy
        if policy.problem is not None:
            return policy.problem
        try:
            variables = sent_variables(plan.declared, executor.variable_values.sources)
        except UnkeyableError:
            return Problem(Reason.VARIABLES, None, "Send variables that are plain JSON.")
        who = self._request.identify(policy)
        if isinstance(who, Problem):
            return who

        def parts(session: str | None) -> list[str]:
            return operation_key(
                variant.stem, variables=variables, session=session, varied=who.varied
            )

        return Admitted(
            who.cache,
            who.cache._keyspace.keys(parts(who.session)),  # noqa: SLF001 - a client of the port
            variant,
            parts,
            who.session,
            Subject(
                self._request.cache_name,
                "operation",
                "public" if who.session is None else "private",
                operation.operation.value,
                operation.name.value if operation.name else None,
            ),
        )

    def _foreign(self, executor: Executor[Any]) -> Problem | None:
        """Return a problem if the operation is no query, or code beside ours may decide per request."""
        if executor.operation.operation is not OperationType.QUERY:
            return Problem(Reason.SUBSCRIPTION, None, "Subscriptions always run.")
        if (off := self._request.switched_off()) is not None:
            return off
        trusted = self._options.trusted
        manager = executor.middleware_manager
        return problem_of_executor(type(executor), trusted) or problem_of_hooks(
            manager.middlewares if manager is not None else (), trusted
        )

    def _unkeyed(self, executor: Executor[Any]) -> Problem | None:
        """Return a problem if something that no key holds reaches the resolvers."""
        if executor.root_value is not None and not self._options.shares_root_value:
            return Problem(
                Reason.ROOT_VALUE,
                None,
                "Execute without a root_value, or say root_value='shared' to the extension if it is "
                "the same for every request.",
            )
        if set(getattr(executor, "operation_extensions", None) or ()) - {"persistedQuery"}:
            return Problem(
                Reason.REQUEST_EXTENSIONS, None, "Send no 'extensions' beside persistedQuery."
            )
        return None

    # -- Saying what happened --------------------------------------------------------------------------

    def _finish(
        self, attempt: "_Attempt", response: CachedResponse[ExecutionResult]
    ) -> ExecutionResult:
        recipe, policy = attempt.recipe, attempt.policy
        scope = "PRIVATE" if recipe.is_private else "PUBLIC"
        match response.status:
            case CacheStatus.HIT:
                status = "stale" if response.detail == "stale" else "hit"
                outcome = Outcome(
                    status,
                    age=response.age,
                    ttl=response.ttl,
                    scope=scope,
                    limited_by=policy.limited_by,
                )
            case CacheStatus.MISS:
                outcome = Outcome(
                    "miss", age=0, ttl=recipe.ttl, scope=scope, limited_by=policy.limited_by
                )
            case _:
                reason = recipe.refusal or Reason.of(response.detail)
                outcome = Outcome("bypass", reason, reason.advice)
        self._conclude(outcome)
        return response.value

    def _conclude(self, outcome: Outcome) -> None:
        self.outcome = outcome
        if outcome.reason is not None:
            logger.debug(
                "An operation was answered without the cache.",
                extra={"response_cache.reason": outcome.reason.value},
            )
        self._request.observer.concluded(Concluded(outcome.status, outcome.reason))  # type: ignore[arg-type] # the four words


class _Attempt:
    """One way through the cache: for everyone, or for one session."""

    __slots__ = ("_admitted", "_session", "policy", "recipe", "recorder")

    def __init__(self, admitted: Admitted, max_bytes: int) -> None:
        self._admitted = admitted
        self._session: str | None = None
        self.policy = admitted.variant.policy
        self.recorder = Recorder()
        self.recipe = OperationRecipe(
            self.policy,
            self.recorder,
            private=admitted.session is not None,
            private_keys=self._private_keys,
            max_bytes=max_bytes,
        )

    def begin(self, request: RequestContext) -> None:
        """Ask for the session before resolvers run: it is to be the one that a lookup will ask for."""
        session = request.session() if self._admitted.session is None else None
        self._session = session if isinstance(session, str) else None

    def _private_keys(self) -> EntryKeys | None:
        return None if self._session is None else self._admitted.private_keys(self._session)


def _is_synchronous(executor: Executor[Any]) -> bool:
    """Whether an execution must end without awaiting.

    Strawberry's and graphql-core's synchronous executions build their executor with a predicate
    that takes nothing for an async iterable.
    """
    if not executor.is_async_iterable(_PROBE):
        return True
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False
