"""What goes through the cache, and what came of it: for a whole operation or for one field."""

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


# Not frozen: those are slower to make, and each object of a list needs one.
@dataclass(slots=True, kw_only=True, repr=False)
class CacheRequest:
    """A request to the cache, for an operation or a field.

    Attributes:
        cache: The tenant's cache.
        keys: The keys of its entry.
        policy: How long it is cached, and for whom.
        parts: Returns its key parts, for a session or for all sessions.
        session: The session of a PRIVATE response; None for a PUBLIC one.
        subject: The cache and field, for the log and the observer.
        whole: Whether it is an operation, whose data is an object; a field's may be anything.
        as_stored: Whether a view sends the stored response as it is.
        is_as_admitted: Whether resolvers above it have not restricted it further since it was admitted.
        inherited: Tags from resolvers and objects above it; those from annotations are in the policy.
        tags_if_null: Tags that it gets besides if its data is null.
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
        """Return the keys for a session, in the slot of the public ones."""
        return tenant_of(self.cache).keys_in_slot_of(self.parts(session), self.keys)


class CacheResult(NamedTuple):
    """The result of a cache request.

    Attributes:
        result: Built from an entry, or what the execution returned.
        outcome: Says what the cache did.
        has_run: Whether this request ran the resolvers; its result may still come from an entry.
        freshness: Says for how long others may store it; None if they must not.
        response: What the core answered.
    """

    result: ExecutionResult
    outcome: Callable[[], Outcome]
    has_run: bool
    freshness: Callable[[], Freshness | None]
    response: CachedResponse[Any]
