"""The entry of an operation, for operators: under which key it is, and what is stored there."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple
from uuid import UUID

from graphql import parse
from graphql.execution import Executor
from strawberry.schema import Schema

from strawberry_response_cache.core import CacheConfigurationError, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._families import carried
from strawberry_response_cache.core._inspection import EntryState, InspectedEntry, Inspection
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.graphql._adoption import setting_of
from strawberry_response_cache.graphql._compat.sync_or_async import at_once
from strawberry_response_cache.graphql._explain import explain
from strawberry_response_cache.graphql._explanation import Explanation
from strawberry_response_cache.graphql._guard import Guard
from strawberry_response_cache.graphql._options import Identity, Options, Warnings, options_of
from strawberry_response_cache.graphql._request import RequestContext
from strawberry_response_cache.graphql.invalidation.entities import tags_of_types
from strawberry_response_cache.graphql.keys.operation_key import (
    operation_key,
)
from strawberry_response_cache.graphql.keys.plans import Plans
from strawberry_response_cache.graphql.policy.policy import Policy
from strawberry_response_cache.graphql.policy.reasons import Problem

_MOST_NAMES: Final = 20_000
"""The most names of tags that are tried for an entry: its server keeps digests of tags only."""
_MOST_BYTES: Final = 4_000_000


class Requester(NamedTuple):
    """Who asks: what the functions of the extension would return.

    Attributes:
        tenant: The tenant; None where the extension has none.
        session: The session; None for a request without one.
        varied: The values by which responses vary, by the names of the ``vary`` functions.
    """

    tenant: Identity = None
    session: Identity = None
    varied: Mapping[str, object] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectedOperation:
    """An operation for one tenant and session.

    Attributes:
        explanation: Whether it is cached, and why not.
        entry: What is stored; None if it is not cached.
    """

    explanation: Explanation
    entry: InspectedEntry | None = None


class OperationEntry:
    """The entry of an operation.

    Args:
        schema: The schema; it has a `ResponseCacheExtension`.
        query: The text of the document.
        variables: The variables of the request.
        operation_name: The name of the operation; None if the document has only one.
        cache: The cache; None for that of the extension.

    Raises:
        CacheConfigurationError: If the schema has no extension.
        GraphQLError: If the document, the operation's name or the variables are not valid.
    """

    def __init__(
        self,
        schema: Schema,
        query: str,
        *,
        variables: Mapping[str, Any],
        operation_name: str | None = None,
        cache: ResponseCache | None = None,
    ) -> None:
        options = options_of(schema)
        if options is None:
            msg = (
                "The schema has no ResponseCacheExtension, so none of its operations has an entry."
            )
            raise CacheConfigurationError(msg)
        self._options = _as_asked(options, cache or options.cache)
        self.explanation = explain(schema, query, variables, operation_name)
        setting = setting_of(schema, options)
        document = parse(query)
        executor = Executor.build(
            setting.schema,
            document,
            raw_variable_values=dict(variables),
            operation_name=operation_name,
        )
        if isinstance(executor, list):
            raise executor[0]
        plans = Plans(setting, max_bytes=_MOST_BYTES)
        plan = plans.plan(document, executor.operation, executor.fragment_definitions)
        self._variant = plan.variant(executor.variable_values.coerced)
        self._printed = plan.printed(executor.variable_values)

    def look(self, asked: Requester) -> InspectedOperation:
        """Return what is stored for a tenant and a session.

        Raises:
            CacheConfigurationError: If the tenant, the session or a varied value is missing or not usable.
            CacheStoreError: If Redis does not answer.
        """
        if not self.explanation.cacheable:
            return InspectedOperation(explanation=self.explanation)
        found: InspectedEntry | None = None
        for cache, parts, beside in self._places(asked):
            entry = Inspection(cache).entry(parts, beside=beside, names=self._names)
            if found is None or found.is_marker or entry.state is not EntryState.ABSENT:
                found = entry
            # What turned PRIVATE while it ran is under the key of its session.
            if entry.state is not EntryState.ABSENT and not entry.is_marker:
                break
        return InspectedOperation(explanation=self.explanation, entry=found)

    def forget(self, asked: Requester) -> None:
        """Forget what is stored for a tenant and a session. Markers stay: they say who may see a response.

        Raises:
            CacheConfigurationError: If the tenant, the session or a varied value is missing or not usable.
            CacheStoreError: If Redis did not take it.
        """
        for cache, parts, beside in self._places(asked):
            tenant_of(cache).forget_sync(_entry_keys(cache, parts, beside))

    @property
    def is_whole(self) -> bool:
        """Whether the operation as a whole has an entry, also if the cache is off in this process."""
        return self._policy.problem is None

    @property
    def fields(self) -> list[str]:
        """The coordinates of its fields that have entries of their own, each once."""
        pending, found = list(self.explanation.fields), dict[str, None]()
        while pending:
            each = pending.pop(0)
            pending += each.fields
            if each.own_ttl is not None:
                found[each.coordinate] = None
        return [*found]

    @property
    def _policy(self) -> Policy:
        return self._variant.policy

    def _places(self, asked: Requester) -> "Iterator[tuple[ResponseCache, list[str], list[str]]]":
        """Yield the caches and key parts that the entry may have, each with the key parts of a shared slot, if any."""
        options, policy = self._options, self._policy
        if (options.tenant is None) is not (asked.tenant is None):
            msg = (
                "The extension has no tenants: leave out --tenant."
                if options.tenant is None
                else "The extension has tenants, each with entries of its own: name one with --tenant."
            )
            raise CacheConfigurationError(msg)
        if missing := sorted(policy.vary - asked.varied.keys()):
            values = " ".join(f"--vary {name}=..." for name in missing)
            msg = f"There is an entry for each {' and '.join(missing)}: name it with {values}"
            raise CacheConfigurationError(msg)
        if policy.private_by is not None and asked.session is None:
            msg = f"{policy.private_by} is PRIVATE, with an entry for each session: name one with --session."
            raise CacheConfigurationError(msg)
        is_public = policy.private_by is None
        sessions = _kinds(asked.session)
        if is_public:
            yield (*self._parts(asked, None), [])
            sessions = [each for each in sessions if each is not None]
        for session in sessions:
            cache, parts = self._parts(asked._replace(session=session), session)
            yield cache, parts, self._parts(asked, None)[1] if is_public else []

    def _parts(self, asked: Requester, session: Identity) -> tuple[ResponseCache, list[str]]:
        policy = self._policy
        request = RequestContext(self._options, asked, Guard(), synchronous=True)
        at_once(lambda: request.ask(policy.vary, session=session is not None))
        identity = request.identify(policy)
        if isinstance(identity, Problem):
            raise CacheConfigurationError(identity.advice)
        of = request.session() if session is not None else None
        parts = operation_key(
            self._variant.stem,
            printed=self._printed,
            session=of if isinstance(of, str) else None,
            varied=identity.varied,
            extensions=identity.extensions,
        )
        return identity.cache, parts

    def _names(self, payload: bytes) -> Iterable[str]:
        """Yield the names of tags that an entry may have: its server keeps digests only."""
        policy = self._policy
        of_types = tags_of_types(policy.type_tags)
        yield from carried(policy.tags | of_types | {"*"})
        tried = 0
        for found in _ids_in_response(payload):
            for name in policy.types:
                yield f"{name}:{found}"
            tried += len(policy.types)
            if tried > _MOST_NAMES:
                return


def _as_asked(options: Options, cache: ResponseCache) -> Options:
    """Return options whose functions answer from a `Requester`."""
    return replace(
        options,
        cache=cache,
        tenant=None if options.tenant is None else lambda asked: asked.tenant,
        session=None if options.session is None else lambda asked: asked.session,
        vary={name: _varied(name) for name in options.vary},
        watchers=(),
        warnings=Warnings(),
    )


def _varied(name: str) -> Any:  # noqa: ANN401 - a function of the context
    return lambda asked: asked.varied[name]


def _kinds(session: Identity) -> list[Identity]:
    """Return the sessions that a text may stand for: the text, an int, a UUID. Their keys differ."""
    found: list[Identity] = [session]
    if isinstance(session, str):
        if session.isdecimal() and str(int(session)) == session:
            found.append(int(session))
        try:
            if str(UUID(session)) == session:
                found.append(UUID(session))
        except ValueError:
            pass
    return found


def _entry_keys(cache: ResponseCache, parts: list[str], beside: list[str]) -> EntryKeys:
    tenant = tenant_of(cache)
    return tenant.keys_in_slot_of(parts, tenant.keys(beside)) if beside else tenant.keys(parts)


def _ids_in_response(payload: bytes) -> Iterator[object]:
    """Yield the values of all fields in a response that are named ``id``."""
    try:
        pending = [json.loads(payload or b"null")]
    except ValueError:
        return
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += value
        elif isinstance(value, dict):
            pending += value.values()
            found = value.get("id")
            if isinstance(found, str | int):
                yield found
