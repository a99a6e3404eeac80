"""The objects that a gateway of Apollo Federation asks for, each with an entry of its own.

A gateway asks for a different list each time, so an entry for a whole answer would rarely be a hit. The key of an
object contains everything that the gateway sent of it: for a type without ``resolve_reference``, Strawberry makes the
object from that.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from graphql import GraphQLError, GraphQLObjectType, get_named_type
from graphql.execution import Executor

from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core._user_values import plain_identity
from strawberry_response_cache.graphql._compat.definitions import (
    identity_name,
    is_told_where_it_stands,
)
from strawberry_response_cache.graphql._identity import CacheIdentity
from strawberry_response_cache.graphql._request import RequestContext
from strawberry_response_cache.graphql.execution.cache_request import CacheRequest, CacheResult
from strawberry_response_cache.graphql.execution.counting import OperationCount
from strawberry_response_cache.graphql.execution.fields.field_call import (
    FieldCall,
    info_and_arguments,
)
from strawberry_response_cache.graphql.execution.inputs import UsedInputs
from strawberry_response_cache.graphql.http.freshness import Freshness, strictest
from strawberry_response_cache.graphql.keys.entity_plan import EntityPlan
from strawberry_response_cache.graphql.keys.operation_key import (
    UnkeyableError,
    canonical,
    field_key,
)
from strawberry_response_cache.graphql.keys.plan import Plan, Variant
from strawberry_response_cache.graphql.keys.selection_text import SelectionText
from strawberry_response_cache.graphql.policy.entities import REPRESENTATIONS
from strawberry_response_cache.graphql.policy.outcome import Outcome, is_worse, worse_of
from strawberry_response_cache.graphql.policy.policy import Policy
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason
from strawberry_response_cache.graphql.policy.rules import FieldRule


class CachedEntity:
    """The objects of one type, in one request: the part of their keys that all of them share."""

    __slots__ = ("_identity", "_plan", "_stem", "_subject", "_who")

    def __init__(
        self, plan: EntityPlan, stem: str, who: CacheIdentity, *, subject: Subject
    ) -> None:
        self._plan = plan
        self._stem = stem
        self._who = who
        self._subject = subject
        self._identity = identity_name(plan.kind)

    def admit(self, representation: Mapping[str, Any]) -> CacheRequest | Problem:
        """Return the cache request for one object.

        Args:
            representation: What the gateway sent of the object, read before the field is executed, which changes it.
        """
        who = self._who
        try:
            sent = canonical(representation)
        except UnkeyableError:
            return Problem(Reason.VARIABLES)

        def parts(session: str | None) -> list[str]:
            return field_key(who.field_stem(self._stem, "", session), sent)

        # An object that does not exist has no identity in the result, and a mutation may create it.
        identity = plain_identity(representation.get(self._identity))
        kind = self._plan.kind.name
        return CacheRequest(
            cache=who.cache,
            keys=tenant_of(who.cache).keys(parts(who.session)),
            policy=self._plan.policy,
            parts=parts,
            session=who.session,
            subject=self._subject,
            whole=False,
            inherited=frozenset({f"{kind}:{identity}"} if identity else ()),
            # If the gateway sent none either, any object of the type that a mutation returns may be this one.
            tags_if_null=frozenset(() if identity else {f"{kind}:*"}),
        )


@dataclass(slots=True, repr=False, eq=False)
class Representation:
    """An object that a gateway asks for.

    Attributes:
        sent: What the gateway sent of it.
        plan: The plan of its type.
        cache_request: The request for its entry, or why it has none.
    """

    sent: dict[str, Any]
    plan: EntityPlan
    cache_request: CacheRequest | Problem

    @property
    def policy(self) -> Policy | None:
        """The policy of its entry; None if it has no entry."""
        return None if isinstance(self.cache_request, Problem) else self.plan.policy


class EntitiesOutcome:
    """The outcome and the freshness of an operation whose objects are answered one by one.

    Args:
        tells_gateways: Whether gateways are told the tags of each object.

    Attributes:
        count: How many objects the gateway asks for.
    """

    __slots__ = ("_parts", "_tells_gateways", "_worst", "count")

    def __init__(self, *, tells_gateways: bool) -> None:
        self._tells_gateways = tells_gateways
        self._parts: dict[int, tuple[Freshness | None, bool]] = {}
        self._worst: tuple[Outcome, tuple[str, CacheResult] | None] | None = None
        self.count = 0

    def note(self, positions: Iterable[int], key: str, cache_result: CacheResult) -> None:
        """Note an object that was answered through the cache, and all positions at which the gateway asks for it."""
        self._note(cache_result.outcome(), (key, cache_result))
        part = cache_result.freshness(), cache_result.result.data is None
        self._parts.update(dict.fromkeys(positions, part))

    def note_problem(self, problem: Problem) -> None:
        """Note an object that is answered without the cache."""
        self._note(Outcome.of(problem), None)

    def _note(self, outcome: Outcome, answered: tuple[str, CacheResult] | None) -> None:
        if self._worst is None:
            self._worst = outcome, answered
            return
        known, of = self._worst
        of = answered if is_worse(outcome, known) else of
        self._worst = worse_of(known, outcome), of

    def conclude(self, count: OperationCount) -> Outcome | None:
        """Count the operation, and return the worst outcome of its objects.

        Returns:
            None if no object was noted.
        """
        if self._worst is None:
            return None
        outcome, answered = self._worst
        if answered is None:
            count.bypassed(outcome.reason or Reason.CACHE_FAULT)
        else:
            count.cached(*answered)
        return outcome

    def freshness(self) -> Freshness | None:
        """Return how long browsers and CDNs may store the answer; None if they must not."""
        parts = [self._parts.get(position, (None, True)) for position in range(self.count)]
        known = strictest([freshness for freshness, _ in parts])
        if known is None:
            return None
        tags = [() if is_null or each is None else each.tags for each, is_null in parts]
        return replace(
            known, validator="", entity_tags=tuple(tags) if self._tells_gateways else None
        )


class RequestedEntities:
    """The objects that one operation asks for.

    Attributes:
        inputs: What their resolvers receive; None if there are no variables and no defaults that resolvers can change.
        told: The outcome and the freshness of the answer.
    """

    __slots__ = ("_found", "_kinds", "_plan", "_request", "_text", "_variant", "inputs", "told")

    def __init__(
        self,
        plan: Plan,
        variant: Variant,
        rule: FieldRule,
        *,
        request: RequestContext,
        text: Callable[[Executor[Any]], SelectionText],
        inputs: UsedInputs | None,
    ) -> None:
        self.inputs = inputs
        self._plan = plan
        self._variant = variant
        self._request = request
        self._text = text
        kinds = plan.setting.rules.possible_types(get_named_type(rule.graphql_field.type))
        self._kinds = {each.name: each for each in kinds}
        self._found: list[Representation] | None = None
        headers = request.options.headers
        self.told = EntitiesOutcome(tells_gateways=headers is not None and headers.tells_gateways)

    def representations(self, executor: Executor[Any], where: FieldCall) -> list[Representation]:
        """Return the objects that are asked for; an empty list if the field is executed like any other.

        Call it before the executor executes the field, which changes what the gateway sent.
        """
        if self._found is None:
            found = self._read(executor, where)
            problems = [p for each in found if isinstance(p := each.cache_request, Problem)]
            if found and len(problems) == len(found):
                self.told.note_problem(problems[0])
                found = []
            self._found = found
            self.told.count = len(found)
        return self._found

    def _read(self, executor: Executor[Any], where: FieldCall) -> list[Representation]:
        entities: dict[str, tuple[EntityPlan, CachedEntity | Problem]] = {}
        found: list[Representation] = []
        for sent in _sent(executor, where):
            kind = self._kind(sent)
            if kind is None:
                return []  # for this, Strawberry reports an error of the whole field
            if kind.name not in entities:
                plan = self._plan.entity(self._variant, kind, executor.variable_values.coerced)
                if plan is None:
                    return []
                entities[kind.name] = plan, self._entity(executor, plan)
            plan, entity = entities[kind.name]
            admitted = entity if isinstance(entity, Problem) else entity.admit(sent)
            found.append(Representation(sent, plan, admitted))
        return found

    def _kind(self, sent: object) -> GraphQLObjectType | None:
        """Return the type of an object that is asked for; None if it is made with its place in the list."""
        name = sent.get("__typename") if isinstance(sent, dict) else None
        kind = self._kinds.get(name) if isinstance(name, str) else None
        return None if kind is None or is_told_where_it_stands(kind) else kind

    def _entity(self, executor: Executor[Any], plan: EntityPlan) -> CachedEntity | Problem:
        if plan.policy.problem is not None:
            return plan.policy.problem
        who = self._request.identify(plan.policy)
        if isinstance(who, Problem):
            return who
        try:
            stem = plan.stem(self._text(executor))
        except (RecursionError, UnkeyableError):
            return Problem(Reason.SELECTION_TOO_LARGE)
        subject = self._request.subject("field", executor.operation, who.visibility, plan.name)
        return CachedEntity(plan, stem, who, subject=subject)


def _sent(executor: Executor[Any], where: FieldCall) -> list[Any]:
    """Return the representations that a gateway sent, as graphql-core coerces them; empty if they are not valid."""
    try:
        _, coerced = info_and_arguments(executor, where)
    except GraphQLError:  # graphql-core raises it again
        return []
    sent = coerced.get(REPRESENTATIONS)
    return sent if isinstance(sent, list) else []


def requests_of(representations: list[Representation]) -> Iterator[CacheRequest]:
    """Yield the requests for entries, each entry once."""
    known: set[str] = set()
    for each in representations:
        found = each.cache_request
        if isinstance(found, CacheRequest) and found.keys.entry not in known:
            known.add(found.keys.entry)
            yield found
