"""The tenant, session and varied values of one request. If one of their functions fails, nothing is stored.

Each of these functions is called once per operation, before its first resolver. It may be async where the operation
is. Before a response is stored, those that are not async are called again, to see whether they return the same.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias

from graphql import ExecutionResult, OperationDefinitionNode

from strawberry_response_cache.core import ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._counters import Counters
from strawberry_response_cache.core._keys import checked_tenant
from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core._user_code import Raised, awaited, called, yes_or_no
from strawberry_response_cache.core.algorithm.waiting import WaitBudget
from strawberry_response_cache.graphql._guard import Guard
from strawberry_response_cache.graphql._identity import (
    CacheIdentity,
    is_awaitable,
    kind_of_refused,
    printed_session,
    refuse_to_wait,
)
from strawberry_response_cache.graphql._options import Options, Switch
from strawberry_response_cache.graphql._verify import Verification
from strawberry_response_cache.graphql.annotations.renew import is_renewed
from strawberry_response_cache.graphql.http.messages import header, of_context
from strawberry_response_cache.graphql.http.request_directives import (
    NOTHING_ASKED,
    RENEWED,
    RequestDirectives,
    directives_in,
)
from strawberry_response_cache.graphql.keys.operation_key import canonical
from strawberry_response_cache.graphql.policy.policy import Policy
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason

_Function: TypeAlias = tuple[str, Callable[[Any], Any], Callable[[Any], str | None]]
"""A function of the extension: its name, itself, and what turns its return value into text for keys."""
_NO_EXTENSIONS: Final[Mapping[str, str]] = {}
_TENANT: Final = "tenant"
_SESSION: Final = "session"


class RequestContext:
    """The extension's functions, applied to the context of one request.

    Args:
        options: The extension's configuration.
        context: The request's context, of any type.
        guard: The guard of the request.
        synchronous: Whether the request is executed without an event loop.

    Attributes:
        extensions: What the client sent as ``extensions``, as far as it is part of keys.
        is_synchronous: Whether the request is executed without an event loop.
        problem: Why nothing of the request is cached, if ``tenant`` or ``vary`` returned nothing usable.
    """

    __slots__ = (
        "_answers",
        "_awaiting",
        "_context",
        "_directives",
        "_is_debugged",
        "_is_verified",
        "_wait_budget",
        "_was_async",
        "extensions",
        "guard",
        "is_synchronous",
        "options",
        "problem",
    )

    def __init__(
        self, options: Options, context: object, guard: Guard, *, synchronous: bool
    ) -> None:
        self.options = options
        self.guard = guard
        self._context = context
        self.is_synchronous = synchronous
        # The key text of each function's return value, or a problem if it was not usable.
        self._answers: dict[str, str | Problem | None] = {}
        self._awaiting: tuple[str, Awaitable[Any]] | None = None
        self._was_async: tuple[str, ...] = ()
        self.extensions = _NO_EXTENSIONS
        self._is_debugged: bool | None = None
        self._is_verified: bool | None = None
        self._directives: RequestDirectives | None = None
        self._wait_budget: WaitBudget | None = None
        self.problem: Problem | None = None

    @property
    def wait_budget(self) -> WaitBudget:
        """The time that this request, with all its fields, may spend waiting for other requests."""
        if self._wait_budget is None:
            self._wait_budget = tenant_of(self.options.cache).wait_budget()
        return self._wait_budget

    @property
    def counters(self) -> Counters:
        """The counters of the cache."""
        return tenant_of(self.options.cache).counters

    def subject(
        self,
        scope: Literal["operation", "field"],
        operation: OperationDefinitionNode,
        visibility: Literal["public", "private"] | None = None,
        field: str | None = None,
    ) -> Subject:
        """Return the subject for the log and the observer."""
        name = None if operation.name is None else operation.name.value
        kind = operation.operation._value_  # `value` is two calls
        cache_name = tenant_of(self.options.cache).name
        return Subject(cache_name, scope, visibility, kind, name, field)

    # -- Calling the functions, before any resolver runs ----------------------------------------------------------------

    def ask_at_once(self, varied: Iterable[str] = (), *, session: bool) -> bool:
        """Call the functions of `ask` one after the other, until one returns an awaitable.

        Returns:
            Whether none did. If one did, `ask` awaits that and calls the others.
        """
        for name, function, printed in self._to_ask(varied, session=session):
            if (value := self._begun(name, function, printed)) is not None:
                self._awaiting = name, value
                return False
        return True

    async def ask(self, varied: Iterable[str] = (), *, session: bool) -> None:
        """Call ``tenant``, ``vary`` functions and, if wanted, ``session``, unless they were called.

        Args:
            varied: Names of the extension's ``vary`` functions.
            session: Whether to call ``session``.
        """
        for asked in self._to_ask(varied, session=session):
            await self._ask(*asked)

    async def ask_session(self) -> None:
        """Call ``session``, unless it was called."""
        if self.options.session is not None:
            await self._ask(_SESSION, self.options.session, printed_session)

    def _to_ask(self, varied: Iterable[str], *, session: bool) -> list[_Function]:
        options = self.options
        functions: list[_Function] = []
        if options.tenant is not None:
            functions.append((_TENANT, options.tenant, checked_tenant))
        if varied:
            known = sorted(options.vary.keys() & varied)
            functions += [(f"vary.{name}", options.vary[name], canonical) for name in known]
        if session and options.session is not None:
            functions.append((_SESSION, options.session, printed_session))
        return functions

    async def _ask(
        self, name: str, function: Callable[[Any], Any], printed: Callable[[Any], str | None]
    ) -> None:
        value: Awaitable[Any] | None
        if self._awaiting is not None and self._awaiting[0] == name:
            _, value = self._awaiting
            self._awaiting = None
        else:
            value = self._begun(name, function, printed)
        if value is not None:
            self._take(name, function, printed, await awaited(value))

    def _begun(
        self, name: str, function: Callable[[Any], Any], printed: Callable[[Any], str | None]
    ) -> Awaitable[Any] | None:
        """Call a function, unless it was called; return what it returned if that has to be awaited."""
        if name in self._answers:
            return None
        value: Any = called(function, self._context)
        if type(value) is not str and called(is_awaitable, value) is True:
            self._was_async = (*self._was_async, name)
            if not self.is_synchronous:
                return value  # type: ignore[no-any-return]
            value = called(refuse_to_wait, value)
        self._take(name, function, printed, value)
        return None

    def _take(
        self,
        name: str,
        function: Callable[[Any], Any],
        printed: Callable[[Any], str | None],
        value: Any,  # noqa: ANN401 - whatever the function returned
    ) -> None:
        answer = value if type(value) is Raised else called(printed, value)
        if type(answer) is not Raised:
            self._answers[name] = answer
            return
        # Its return value would decide who sees the response.
        self.options.warnings.unusable(name, function, kind_of_refused(value, answer))
        self._answers[name] = problem = _unusable(name)
        if name != _SESSION and self.problem is None:
            self.problem = problem

    @property
    def answers(self) -> Mapping[str, str | Problem | None]:
        """What each called function returned, as text for keys, by its name; a problem if that was not usable."""
        return self._answers

    # -- Their results ---------------------------------------------------------------------------

    def tenant_cache(self) -> ResponseCache | None:
        """Return the cache of this request's tenant; None if the tenant is not known."""
        if self.options.tenant is None:
            return self.options.cache
        tenant = self._answers.get(_TENANT)
        return self.options.cache.for_tenant(tenant) if isinstance(tenant, str) else None

    def session(self) -> str | Problem | None:
        """Return the session's text for keys, or a problem if ``session`` failed; None without one or before that."""
        return self._answers.get(_SESSION)

    def identify(self, policy: Policy) -> CacheIdentity | Problem:
        """Return the cache identity for a policy, or the problem that keeps it from being known.

        Args:
            policy: The policy; the functions on which it depends were called.
        """
        if self.problem is not None:
            return self.problem
        options = self.options
        cache = options.cache if options.tenant is None else self.tenant_cache()
        varied: dict[str, str] = {}
        for name in sorted(policy.vary):
            if isinstance(value := self._answers.get(f"vary.{name}"), str):
                varied[name] = value
        if cache is None or len(varied) < len(policy.vary):
            return Problem(Reason.CONTEXT_FAILED)
        session = self.session() if policy.private_by else None
        if isinstance(session, Problem):
            return session
        if policy.private_by and session is None:
            return self.without_session(policy.private_by)
        return CacheIdentity(
            cache=cache, session=session, varied=varied, extensions=self.extensions
        )

    def without_session(self, coordinate: str | None) -> Problem:
        """Return the problem of a PRIVATE response without a session, and log it once per field.

        Args:
            coordinate: The PRIVATE field; None if a resolver made the response PRIVATE.
        """
        advice = (
            (f"{coordinate} is PRIVATE" if coordinate else "A resolver made the response PRIVATE")
            + ", and "
            + (
                "the extension has no session=; give it a function that identifies the user."
                if self.options.session is None
                else "session= found no user in this request: it returned None, a false value, 0 as a number or "
                "as text, or an empty text. There is nothing to change if nobody is logged in."
            )
        )
        self.options.warnings.missing_session(coordinate or "", advice)
        return Problem(Reason.PRIVATE_WITHOUT_SESSION, coordinate, advice)

    def why_not_stored(self) -> Reason | None:
        """Return why nothing of the request is stored, after its resolvers ran; None if it may be stored.

        Either ``session`` failed, or a function returned another value when this called it again. Async functions
        are not called again.
        """
        if isinstance(self.session(), Problem):
            return Reason.CONTEXT_FAILED
        is_unchanged = all(
            self._answers_again(*asked)
            for asked in self._to_ask(self.options.vary, session=True)
            if asked[0] in self._answers and asked[0] not in self._was_async
        )
        return None if is_unchanged else Reason.CONTEXT_CHANGED

    def _answers_again(
        self, name: str, function: Callable[[Any], Any], printed: Callable[[Any], str | None]
    ) -> bool:
        value = called(function, self._context)
        return type(value) is not Raised and called(printed, value) == self._answers[name]

    # -- Switches ------------------------------------------------------------------------------------

    def switched_off(self) -> Problem | None:
        """Return the problem if the cache is off for this request; None if it is on."""
        options = self.options
        if options.off is not None:
            return options.off
        answer = self._switch(options.enabled)
        if answer is None:
            options.warnings.silent_switch(options.enabled)
            return Problem(Reason.DISABLED, None, _WITHOUT_ANSWER)
        if isinstance(answer, str):
            options.warnings.unusable("enabled", options.enabled, answer)
            return _unusable("enabled")
        return None if answer else Problem(Reason.DISABLED)

    def is_debugged(self) -> bool:
        """Whether ``debug`` is on; False if its function fails. The function is called once per request."""
        if self._is_debugged is not None:
            return self._is_debugged
        answer = self._switch(self.options.debug)
        if not isinstance(answer, bool):
            kind = answer or type(None).__qualname__
            self.options.warnings.unusable("debug", self.options.debug, kind)
        self._is_debugged = answer is True
        return self._is_debugged

    @property
    def is_verified(self) -> bool:
        """Whether hits of this request are executed too, and compared; drawn once. The request waits for no other."""
        if self._is_verified is None:
            verification = self.options.verification
            self._is_verified = verification is not None and self._draw(verification)
        return self._is_verified

    def verify(self) -> None:
        """Have hits of this request executed too, and compared; see `is_verified`."""
        self._is_verified = True
        self.wait_budget.spend()

    def _draw(self, verification: Verification) -> bool:
        answer = verification.chooses(self._context)
        if isinstance(answer, str):
            self.options.warnings.unusable("verify", verification.share, answer)
        if answer is True:
            self.wait_budget.spend()
        return answer is True

    @property
    def directives(self) -> RequestDirectives:
        """The cache directives of the request: by ``renew_cache``, or from its ``Cache-Control``."""
        if (directives := self._directives) is None:
            directives = self._directives = self._asked_of_cache()
        return directives

    def _asked_of_cache(self) -> RequestDirectives:
        if called(is_renewed, self._context) is True:
            return RENEWED
        switch = self.options.honours_requests
        if switch is False:
            return NOTHING_ASKED
        answer = self._switch(switch)
        if not isinstance(answer, bool):
            kind = answer or type(None).__qualname__
            self.options.warnings.unusable("honour_request_cache_control", switch, kind)
        if answer is not True:
            return NOTHING_ASKED
        found = called(of_context, self._context, "request")
        request = None if type(found) is Raised else found
        return directives_in(header(request, "Cache-Control"))

    def _switch(self, switch: Switch) -> bool | str | None:
        """Return whether a switch is on; see `yes_or_no`."""
        return switch if isinstance(switch, bool) else yes_or_no(switch, self._context)

    def why_vetoed(self, result: ExecutionResult) -> Reason | None:
        """Return why ``cacheable`` keeps a result from being stored; None if it does not.

        Args:
            result: The result of a whole operation, without errors.
        """
        function = self.options.cacheable
        if function is None:
            return None
        answer = yes_or_no(function, result, self._context)
        if isinstance(answer, bool):
            return None if answer else Reason.VETOED
        self.options.warnings.unusable("cacheable", function, answer or type(None).__qualname__)
        return Reason.CONTEXT_FAILED


_WITHOUT_ANSWER: Final = "The extension's function enabled returned None, which counts as off; let it return True or False."


def _unusable(name: str) -> Problem:
    return Problem(
        Reason.CONTEXT_FAILED,
        None,
        f"The extension's function {name} raised or returned nothing usable; the log names its place and "
        "the type of the error.",
    )
