"""Decides, independent of tenant and session, whether an operation or fields of it may be cached."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from graphql import OperationDefinitionNode, OperationType
from strawberry.schema import Schema

from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core.drivers.driving import running_loop
from strawberry_response_cache.graphql._compat.operation import AskedOperation
from strawberry_response_cache.graphql._identity import CacheIdentity, unknown_extensions
from strawberry_response_cache.graphql._options import Options
from strawberry_response_cache.graphql._request import RequestContext
from strawberry_response_cache.graphql.execution.cache_request import CacheRequest
from strawberry_response_cache.graphql.execution.fields.cached_field import Fields
from strawberry_response_cache.graphql.execution.inputs import (
    CHANGED,
    Inputs,
    UsedInputs,
    are_any_changed,
)
from strawberry_response_cache.graphql.execution.mutating import is_of_mutation
from strawberry_response_cache.graphql.execution.original_variables import OriginalVariables
from strawberry_response_cache.graphql.invalidation.django_transactions import is_before_commit
from strawberry_response_cache.graphql.keys.known_requests import KnownRequest, KnownRequests
from strawberry_response_cache.graphql.keys.operation_key import (
    UnkeyableError,
    canonical,
    operation_key,
    sent_variables,
)
from strawberry_response_cache.graphql.keys.plans import Plans
from strawberry_response_cache.graphql.policy.custom_code import (
    is_plain_caching,
    is_plain_executor,
    problem_of_executor,
    problem_of_middleware,
)
from strawberry_response_cache.graphql.policy.policy import Life
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason
from strawberry_response_cache.graphql.policy.rules import FieldRule


class Considered:
    """A query that may be cached, or whose fields may be.

    Attributes:
        plan: The plan of the operation.
        variant: The operation with each ``@skip`` and ``@include`` decided.
        wants_session: Whether the session has to be known before the first resolver runs.
    """

    __slots__ = ("_inputs", "asked", "known", "plan", "request", "variant", "wants_session")

    def __init__(self, request: RequestContext, asked: AskedOperation, known: KnownRequest) -> None:
        self.request = request
        self.asked = asked
        self.known = known
        self.plan = known.plan
        self.variant = variant = known.variant
        self.wants_session = variant.watches_fields or variant.policy.private_by is not None
        self._inputs: UsedInputs | None = None

    @property
    def sent(self) -> dict[str, Sequence[Any]]:
        """The values that were sent, by variable name."""
        declared = self.plan.declared
        names = (name for name, _ in declared)
        sources = self.asked.executor.variable_values.sources
        return dict(zip(names, sent_variables(declared, sources), strict=True))

    @property
    def inputs(self) -> UsedInputs | None:
        """Variables and defaults as they were before the first resolver ran; None if the operation has neither."""
        if self._inputs is None and (self.plan.declared or self.variant.defaults):
            types = self.plan.types
            changing = frozenset(name for name in types if types[name].strip("[!]") == _ANY)
            sent = Inputs(self.asked.executor.variable_values.coerced, changing)
            self._inputs = UsedInputs(sent, None, self.variant.defaults)
        return self._inputs

    def entities(self, rule: FieldRule) -> FieldRule | Problem:
        """Return the rule of ``_entities``; or why the objects that a gateway asks for are not looked up one by one."""
        request = self.request
        # `cacheable` judges whole results, and `only-if-cached` concerns the whole response.
        if request.options.cacheable is not None:
            why = "the extension has cacheable="
        elif request.directives.only_if_cached:
            why = "the request asks for a stored answer only"
        elif not self.asked.is_synchronous and running_loop() is None:
            why = "no asyncio event loop runs"
        else:
            return rule
        return Problem(
            Reason.ROOT_WITHOUT_HINT, rule.coordinate, _AS_A_WHOLE.format(rule.coordinate, why)
        )

    def fields(
        self,
        schema: Schema,
        *,
        around: Life | None = None,
        entities: FieldRule | None = None,
    ) -> Fields:
        """Return the fields of the operation that have entries of their own.

        Args:
            schema: The Strawberry schema.
            around: The life of the operation's entry; None if it has none.
            entities: See `entities`.
        """
        return Fields(
            self.plan,
            self.variant,
            request=self.request,
            sent=self.sent,
            inputs=self.inputs,
            around=around,
            schema=schema,
            entities=entities,
        )

    def cache_request(self, *, as_stored: bool) -> CacheRequest | Problem:
        """Return the cache request of the whole operation; or why it has none.

        Args:
            as_stored: Whether a view sends the bytes of a stored response without parsing them.
        """
        request, variant = self.request, self.variant
        if variant.defaults and are_any_changed(variant.defaults):
            return CHANGED
        known = self.known
        identity = request.identify(variant.policy)
        if isinstance(identity, Problem):
            return identity

        def parts(session: str | None) -> list[str]:
            return operation_key(
                variant.stem,
                printed=known.printed,
                session=session,
                varied=identity.varied,
                extensions=identity.extensions,
            )

        keys, subject = self._named(identity, parts)
        return CacheRequest(
            cache=identity.cache,
            keys=keys,
            policy=variant.policy,
            parts=parts,
            session=identity.session,
            subject=subject,
            as_stored=as_stored,
        )

    def _named(
        self, identity: CacheIdentity, parts: Callable[[str | None], list[str]]
    ) -> tuple[EntryKeys, Subject]:
        """Return the keys and the subject of the entry, and remember them if all requests of the tenant share it."""
        tenant, noted = tenant_of(identity.cache), self.known.noted
        is_alike = not (identity.session is not None or identity.varied or identity.extensions)
        if noted is not None and is_alike and (public := noted.public) is not None:
            keyspace, keys, subject = public
            if keyspace is tenant.keyspace or keyspace == tenant.keyspace:
                return keys, subject
        keys = tenant.keys(parts(identity.session))
        subject = self.request.subject("operation", self.plan.operation, identity.visibility)
        if noted is not None and is_alike:
            noted.public = tenant.keyspace, keys, subject
        return keys, subject


class Considering:
    """Decides what may be cached of the operations of one schema.

    Attributes:
        setting: What the plans of the schema share.
    """

    def __init__(self, options: Options, plans: Plans, requests: KnownRequests) -> None:
        self.setting = plans.setting
        self.tenant = tenant_of(options.cache)
        self._options = options
        self._plans = plans
        self._requests = requests

    def recognizes_ahead(self, asked: AskedOperation) -> bool:
        """Look up whether the same operation came before with these variables; no executor is built yet.

        Returns:
            Whether its executor is Strawberry's own. Another one may change the variables, so nothing is looked up.
        """
        if not is_plain_caching(asked.kind):  # type: ignore[arg-type] # classes are hashable
            return False
        asked.known = self._requests.find(asked.document, asked.operation_name, asked.variables)
        return True

    def recognizes(self, asked: AskedOperation, ahead: AskedOperation | None) -> bool:
        """Whether the same operation came before with these variables, and with an executor of Strawberry's own.

        If nothing is known of it, its variables are noted before they are coerced.

        Args:
            asked: The operation.
            ahead: The operation that `recognizes_ahead` looked up; None if it was not called.
        """
        if ahead is not None:
            asked.known = ahead.known
        elif is_plain_executor(asked.kind):  # type: ignore[arg-type] # as above
            asked.known = self._requests.find(asked.document, asked.operation_name, asked.variables)
        if asked.known is None:  # its variables are coerced now
            asked.original = OriginalVariables(asked.variables)
        return isinstance(asked.known, KnownRequest)

    def consider(
        self,
        request: RequestContext,
        asked: AskedOperation,
        operation: OperationDefinitionNode,
    ) -> Considered | Problem:
        """Return what may be cached; or why nothing may be."""
        problem = self._problem(request, asked, operation)
        if problem is not None:
            return problem
        known = asked.known or self._looked_at(asked)
        return known if isinstance(known, Problem) else Considered(request, asked, known)

    def _looked_at(self, asked: AskedOperation) -> KnownRequest | Problem:
        """Return the plan of an operation and its printed variables, and remember them; or why nothing is cached."""
        executor = asked.executor
        plan = self._plans.plan(asked.document, executor.operation, executor.fragment_definitions)
        variant = plan.variant(executor.variable_values.coerced)
        problem = variant.policy.problem
        if problem is not None and not variant.watches_fields:
            if not plan.conditions:
                self._requests.note_uncached(asked.document, asked.operation_name, problem)
            return problem
        try:
            printed = plan.printed(executor.variable_values)
        except UnkeyableError:
            return problem or Problem(Reason.VARIABLES)
        known = KnownRequest(plan=plan, variant=variant, printed=printed)
        if asked.original is None:  # nothing is known of them before they were coerced
            return Problem(Reason.VARIABLES) if plan.parses_variables else known
        if (advice := asked.original.why_changed()) is not None:
            return Problem(Reason.VARIABLES, None, advice)
        if is_plain_executor(asked.kind):  # type: ignore[arg-type] # as above
            self._requests.note(asked.document, asked.operation_name, asked.variables, known)
        return known

    def _problem(
        self,
        request: RequestContext,
        asked: AskedOperation,
        operation: OperationDefinitionNode,
    ) -> Problem | None:
        """Return why an operation may not be cached, before its fields are looked at; None if it may."""
        if operation.operation is not OperationType.QUERY:
            return Problem(Reason.SUBSCRIPTION)
        if is_of_mutation(asked.context_value):
            return Problem(Reason.MUTATION)
        if is_before_commit():
            return _BEFORE_THE_COMMIT
        if self.setting.mistakes:
            return Problem(Reason.MISCONFIGURED)
        is_on = request.options.off is None and request.options.enabled is True
        if not is_on and (off := request.switched_off()) is not None:
            return off
        if request.directives.no_store:
            return Problem(Reason.NO_STORE)
        # Custom code may decide per request. A known operation has an executor of Strawberry's own.
        trusted = self._options.trusted
        executor = None if asked.known is not None else problem_of_executor(asked.kind, trusted)
        problem = executor or problem_of_middleware(asked.middleware_manager, trusted)
        if problem is not None:
            self._options.warnings.everything_bypasses(problem)
            return problem
        # Resolvers receive the root value and the request's extensions, and keys do not include them.
        if asked.root_value is not None and not self._options.shares_root_value:
            return Problem(Reason.ROOT_VALUE)
        sent = asked.operation_extensions
        return self._read_extensions(request, sent) if sent else None

    def _read_extensions(self, request: RequestContext, sent: object) -> Problem | None:
        """Read the ``extensions`` of a request; return a problem if resolvers may read any that are not in keys."""
        if not isinstance(sent, Mapping):
            return Problem(Reason.REQUEST_EXTENSIONS)
        options = self._options
        varied = options.varied_request_extensions
        unknown = set(sent) - _CLIENT_METADATA - options.ignored_request_extensions - varied
        if unknown:
            options.warnings.unknown_extensions()
            return unknown_extensions(unknown)
        try:
            request.extensions = {name: canonical(sent[name]) for name in varied.intersection(sent)}
        except UnkeyableError:
            return Problem(Reason.REQUEST_EXTENSIONS, None, _NOT_PLAIN)
        return None


_CLIENT_METADATA: Final = frozenset({"persistedQuery", "clientLibrary"})
"""Request extensions that no resolver reads: how the document was sent, and by which client."""
_ANY: Final = "_Any"
"""The scalar of the representations that a gateway sends; Strawberry changes them while it resolves them."""
_NOT_PLAIN: Final = "An extension of the request that is part of keys is not plain JSON."
_AS_A_WHOLE: Final = (
    "The objects of {} are not looked up one by one here, because {}. Set default_ttl on the extension if "
    "such answers are to be stored as a whole."
)

_BEFORE_THE_COMMIT: Final = Problem(
    Reason.INVALIDATION_PENDING,
    None,
    "Something in the same transaction of Django has changed data that is not committed yet.",
)
