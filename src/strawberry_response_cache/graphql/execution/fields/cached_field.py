"""Fields with entries of their own: which fields of an operation have one, and under which keys.

One uncacheable field does not stop other fields from being cached. `field_execution` executes such fields.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from graphql import GraphQLObjectType
from graphql.execution import Executor
from graphql.pyutils import Path
from strawberry.schema import Schema

from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core._prefetched import Prefetched
from strawberry_response_cache.core._user_code import ERRORS, ends_the_caller
from strawberry_response_cache.core._user_values import unwrapped
from strawberry_response_cache.graphql._compat.resolving import Resolving
from strawberry_response_cache.graphql._identity import CacheIdentity
from strawberry_response_cache.graphql._request import RequestContext
from strawberry_response_cache.graphql.execution.cache_request import CacheRequest, CacheResult
from strawberry_response_cache.graphql.execution.counting import count_result
from strawberry_response_cache.graphql.execution.fields.cached_entity import RequestedEntities
from strawberry_response_cache.graphql.execution.fields.inherited import said_above, tags_of_owner
from strawberry_response_cache.graphql.execution.fields.prefetch import Prefetch, RequestsOf
from strawberry_response_cache.graphql.execution.inputs import CHANGED, UsedInputs
from strawberry_response_cache.graphql.keys.field_plan import FieldPlan, digest_of_tags
from strawberry_response_cache.graphql.keys.operation_key import (
    UnkeyableError,
    canonical,
    field_key,
)
from strawberry_response_cache.graphql.keys.plan import Plan, Variant
from strawberry_response_cache.graphql.keys.selection_text import SelectionText
from strawberry_response_cache.graphql.policy.above import Above
from strawberry_response_cache.graphql.policy.outcome import FieldOutcomes, Outcome
from strawberry_response_cache.graphql.policy.policy import Life
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason
from strawberry_response_cache.graphql.policy.rules import FieldRule

_MOST_LOOKED_UP: Final = 1_000
"""The most fields of one operation that are looked up. A lookup takes as long as executing dozens of plain fields,
so a list of 10,000 objects would take seconds."""
_UNSAVED: Final = (None, "")
"""Ids that several unsaved objects may share."""


class Fields:
    """The fields of one execution that have entries of their own.

    Args:
        plan: The plan of the operation.
        variant: The operation with each ``@skip`` and ``@include`` decided.
        request: The context of the request.
        sent: The values that were sent for the variables.
        inputs: The variables and defaults that resolvers receive; None if there are none that they can change.
        around: The life of the entry that holds the fields; None if there is none.
        schema: The Strawberry schema.
        entities: The rule of ``_entities``, if the objects that it asks for are looked up one by one; else None.

    Attributes:
        depth: How deep the fields of the operation are nested.
        entities: The objects that ``_entities`` asks for; None if they are not looked up one by one.
        outcomes: What the cache did for each field; None if nothing reads that.
        left: How many fields may still be looked up.
        prefetched: The prefetched entries.
    """

    def __init__(
        self,
        plan: Plan,
        variant: Variant,
        *,
        request: RequestContext,
        sent: Mapping[str, Sequence[Any]],
        inputs: UsedInputs | None,
        around: Life | None,
        schema: Schema,
        entities: FieldRule | None = None,
    ) -> None:
        self._plan = plan
        self._variant = variant
        self.request = request
        self._sent = sent
        self._inputs = inputs
        self.depth = plan.depth
        self._text: SelectionText | None = None
        self.around = around
        self._schema = schema
        self.outcomes = FieldOutcomes() if request.options.notes_fields else None
        self.entities = (
            None
            if entities is None
            else RequestedEntities(
                plan, variant, entities, request=request, text=self._text_of, inputs=inputs
            )
        )
        self.left = _MOST_LOOKED_UP
        self.prefetched = Prefetched()
        self._cache = request.tenant_cache()

    def cached_field(
        self,
        executor: Executor[Any],
        parent: GraphQLObjectType,
        details: Any,  # noqa: ANN401 - graphql-core's own
        above: Above,
    ) -> "CachedField | Problem | None":
        """Return the cached field for a selected field.

        Returns:
            The cached field; a problem if its annotations ask for an entry of its own, and it has none; else None.
        """
        nodes = [each.node for each in details]
        if any(each.fragment_variable_values for each in details):
            return None
        plan = self._plan.field(
            self._variant, parent, nodes, executor.variable_values.coerced, above
        )
        if plan is None:
            return None
        coordinate = plan.rule.coordinate
        if plan.policy.problem is not None:
            return plan.policy.problem if plan.rule.hinted else None
        who = self.request.identify(plan.policy)
        if isinstance(who, Problem):
            # Below an object of a type with ttl=0, the values by which the field varies were not read.
            is_known = who.reason is not Reason.CONTEXT_FAILED or self.request.problem is not None
            return who if is_known else None
        subject = self.request.subject("field", executor.operation, who.visibility, coordinate)
        text, inputs = self._text_of(executor), None
        if self._inputs is not None:
            # Checked before keys are made and remembered: a resolver may have changed a variable.
            uses = plan.uses(text, executor.variable_values)
            if uses or plan.defaults:
                inputs = UsedInputs(self._inputs.sent, uses, plan.defaults)
            if inputs is not None and inputs.are_changed(executor):
                return CHANGED if plan.rule.hinted else None
        stem = plan.stem(text, executor.variable_values)
        return CachedField(
            plan=plan,
            stem=stem,
            who=who,
            parent=parent,
            subject=subject,
            request=self.request,
            inputs=inputs,
        )

    def admit(
        self, executor: Executor[Any], cached_field: "CachedField", source: object, path: Path
    ) -> CacheRequest | Problem:
        """Return the cache request for the field of one object, unless too many were looked up."""
        if cached_field.inputs is not None and cached_field.inputs.are_changed(executor):
            return CHANGED
        if self.prefetched.is_down:
            return Problem(Reason.STORE_FAILURE)
        if self.left <= 0:
            return Problem(Reason.TOO_MANY_FIELDS)
        self.left -= 1
        return cached_field.admit(source, path)

    def _text_of(self, executor: Executor[Any]) -> SelectionText:
        if self._text is None:
            self._text = self._plan.text(self._sent, executor.variable_values)
        return self._text

    def answered(self, coordinate: str, cache_result: CacheResult) -> None:
        """Count a field that was answered through the cache, and note what the cache did."""
        count_result(self.request.counters, "field", cache_result)
        if self.outcomes is not None:
            self.outcomes.add(coordinate, cache_result.outcome())

    def note(self, coordinate: str, problem: Problem) -> None:
        """Count a field that was answered without the cache, and note why."""
        self.request.counters.bypassed("field", problem.reason.value)
        if self.outcomes is not None:
            self.outcomes.add(coordinate, Outcome.of(problem))

    def rule(self, parent: GraphQLObjectType, details: Any) -> FieldRule | None:  # noqa: ANN401 - graphql-core's own
        """Return the rule of a field."""
        return self._plan.setting.rules.field(parent, details[0].node.name.value)

    def prefetch(self, executor: Executor[Any], cache_requests: RequestsOf) -> Prefetch:
        """Return the prefetch of an executor."""
        subject = self.request.subject("field", executor.operation)
        return Prefetch(
            executor,
            cache_requests,
            left=lambda: self.left,
            prefetched=self.prefetched,
            cache=self._cache,
            subject=subject,
            guard=self.request.guard,
        )

    def resolving(self) -> Resolving:
        """Return the object that runs permission classes."""
        return Resolving(self._schema)


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class CachedField:
    """A field with entries of its own, in one request: the part of its keys that all objects share.

    Attributes:
        plan: The plan of the field.
        stem: The first part of its keys.
        who: The cache identity.
        parent: The parent type.
        subject: Names the cache and the field, for the log and the observer.
        request: The context of the request.
        inputs: The variables and defaults that its resolvers receive; None if there are none that they can change.
    """

    plan: FieldPlan
    stem: str
    who: CacheIdentity
    parent: GraphQLObjectType
    subject: Subject
    request: RequestContext
    inputs: UsedInputs | None
    _hashed: tuple[tuple[str, str | None], str] | None = field(default=None, init=False)

    def admit(self, source: object, path: Path) -> CacheRequest | Problem:
        """Return the cache request for the field of one object."""
        parent = self._identity(source, is_at_root=path.prev is None)
        if parent is None:
            return self._problem_without_identity()
        said = said_above(path)
        if said.reason is not None:
            return Problem(said.reason, self.plan.rule.coordinate)
        tags = said.tags
        if self.plan.rule.key is not None:
            tags |= tags_of_owner(self.parent, source, path)
        who = self.who
        inherited = (
            digest_of_tags(self.plan.inherited | tags) if tags else self.plan.inherited_digest
        )
        parts = partial(self._parts, parent, inherited)
        found = CacheRequest(
            cache=who.cache,
            keys=tenant_of(who.cache).keys(parts(who.session)),
            policy=self.plan.policy,
            parts=parts,
            session=who.session,
            subject=self.subject,
            whole=False,
            inherited=tags,
            is_as_admitted=lambda: said_above(path) == said,
        )
        return found.for_session(self.request) if said.private and not who.session else found

    @property
    def is_private(self) -> bool:
        """Whether its entries belong to the request's session."""
        return self.who.session is not None

    def keys(self, source: object) -> EntryKeys | None:
        """Return the keys of the field's entry for one object below the root, if no resolver above restricted it.

        Returns:
            None if the object has no identity.
        """
        parent, who = self._identity(source, is_at_root=False), self.who
        if parent is None:
            return None
        return tenant_of(who.cache).keys(
            self._parts(parent, self.plan.inherited_digest, who.session)
        )

    def _parts(self, parent: str, inherited: str, session: str | None) -> list[str]:
        """Return the parts of a key; the part that the objects of a list share is hashed once."""
        shared = inherited, session
        if self._hashed is None or self._hashed[0] != shared:
            self._hashed = shared, self.who.field_stem(self.stem, inherited, session)
        return field_key(self._hashed[1], parent)

    def _problem_without_identity(self) -> Problem:
        """Return the problem, with advice, of a field whose object has no identity."""
        rule, advice = self.plan.rule, ""
        if self.plan.parent_key is None:
            advice = (
                f"{rule.coordinate} stands below another field here, and nothing identifies an object of the "
                "query type; select it at the root."
            )
        elif rule.key is not None:
            advice = (
                f"The key of {rule.coordinate} gave nothing that identifies this object: None, an empty value, "
                "or a value that is no JSON; or it raised, which the log says."
            )
        return Problem(Reason.PARENT_WITHOUT_IDENTITY, rule.coordinate, advice)

    def _identity(self, source: object, *, is_at_root: bool) -> str | None:
        """Return the identity of the object; None if it has none, or if the user's function for it failed."""
        if self.plan.parent_key is None:
            # An object of the query type below the root may be any object.
            return "root" if is_at_root else None
        try:
            identity = self.plan.parent_key(source)
            if isinstance(identity, tuple):
                identity = list(identity)
            return None if _is_unsaved(identity) else canonical(identity)
        except ERRORS as error:  # the user's function or object
            if ends_the_caller(error):
                raise
            is_no_json = isinstance(error, UnkeyableError)
            kind = "its value is not JSON" if is_no_json else type(error).__qualname__
            self.request.options.warnings.parent_key(self.plan.rule.coordinate, kind)
            return None


def _is_unsaved(identity: object) -> bool:
    """Whether an identity is, or holds, a value that several objects may share."""
    if type(identity) is str:  # the most common types
        return not identity
    if isinstance(identity, dict):
        return any(map(_is_unsaved, identity.values()))
    if isinstance(identity, list | tuple):
        return any(map(_is_unsaved, identity))
    return unwrapped(identity) in _UNSAVED
