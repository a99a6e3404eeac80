"""A request to the cache and its result: for a whole operation or for one field."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from graphql import ExecutionResult

from strawberry_response_cache.core import CachedResponse, ResponseCache
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.graphql._request import RequestContext
from strawberry_response_cache.graphql.http.freshness import Freshness
from strawberry_response_cache.graphql.policy.outcome import Outcome
from strawberry_response_cache.graphql.policy.policy import Policy
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason

FAILED_IN_PART: Final = Problem(
    Reason.ERRORS,
    None,
    "A field failed in the latest run, so the fields are looked up one by one; see 'fields'.",
)


# Not frozen: frozen instances are slower to make, and each object of a list needs one.
@dataclass(slots=True, kw_only=True, repr=False)
class CacheRequest:
    """A request to the cache, for an operation or a field.

    Attributes:
        cache: The tenant's cache.
        keys: The keys of its entry.
        policy: How long it is cached, and for whom.
        parts: Returns its key parts for a session, or for all sessions if given None.
        session: The session of a PRIVATE response; None for a PUBLIC one.
        subject: Names the cache, and the operation or field, for the log and the observer.
        whole: Whether it is for an operation, whose data is an object; the data of a field may be any JSON.
        as_stored: Whether a view sends the bytes of the stored response without parsing them.
        is_as_admitted: Returns whether no resolver above it has restricted it further since it was admitted.
        inherited: Tags from resolvers and objects above it; those from annotations are in the policy.
        tags_if_null: Further tags of its entry, if its data is null.
    """

    cache: ResponseCache
    keys: EntryKeys
    policy: Policy
    parts: Callable[[str | None], list[str]]
    session: str | None
    subject: Subject
    whole: bool = True
    as_stored: bool = False
    inherited: frozenset[str] = frozenset()
    tags_if_null: frozenset[str] = frozenset()
    is_as_admitted: Callable[[], bool] = lambda: True

    def for_session(self, request: RequestContext) -> "CacheRequest | Problem":
        """Return the same request for the session, or the problem if there is no session."""
        session = request.session()
        if session is None:
            return request.without_session(None)
        return session if isinstance(session, Problem) else self.of(session)

    def of(self, session: str) -> "CacheRequest":
        """Return the same request for one session, because the response became PRIVATE."""
        return replace(
            self,
            keys=self.private_keys(session),
            session=session,
            subject=replace(self.subject, visibility="private"),
        )

    def private_keys(self, session: str) -> EntryKeys:
        """Return the keys for a session, in the Redis Cluster slot of the PUBLIC keys."""
        return tenant_of(self.cache).keys_in_slot_of(self.parts(session), self.keys)


class CacheResult(NamedTuple):
    """The result of a cache request.

    Attributes:
        result: The GraphQL result, built from an entry or returned by the execution.
        outcome: Returns what the cache did.
        has_run: Whether this request ran the resolvers; its result may still come from an entry.
        freshness: Returns for how long browsers and CDNs may store the response; None if they must not.
        response: The answer of the core.
    """

    result: ExecutionResult
    outcome: Callable[[], Outcome]
    has_run: bool
    freshness: Callable[[], Freshness | None]
    response: CachedResponse[Any]
