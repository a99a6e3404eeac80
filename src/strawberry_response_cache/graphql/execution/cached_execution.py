"""Cached execution: of a whole operation or of one field, with the same rules."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

from graphql import ExecutionResult

from strawberry_response_cache.core import (
    CacheDetail,
    CachedResponse,
    CacheStatus,
    CacheStoreError,
    ResponseCache,
)
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._keys import EntryKeys
from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.core._prefetched import Prefetched
from strawberry_response_cache.core.protocol.entry import PRIVATE, Entry, UnreadableEntryError
from strawberry_response_cache.graphql._compat.sync_or_async import at_once
from strawberry_response_cache.graphql._request import RequestContext
from strawberry_response_cache.graphql.execution.recorder import Recorder
from strawberry_response_cache.graphql.execution.serializer import ResponseSerializer, TurnedPrivate
from strawberry_response_cache.graphql.execution.varying import varies_by_more, varying
from strawberry_response_cache.graphql.execution.verification import (
    VerifiedRun,
    verified,
    verified_sync,
)
from strawberry_response_cache.graphql.http.freshness import Freshness
from strawberry_response_cache.graphql.http.gateway_tags import ENTITIES, unpacked_entities
from strawberry_response_cache.graphql.http.request_directives import (
    NOTHING_ASKED,
    RequestDirectives,
)
from strawberry_response_cache.graphql.invalidation.entities import PlacedEntities
from strawberry_response_cache.graphql.policy.outcome import Outcome, Status
from strawberry_response_cache.graphql.policy.policy import Policy
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason

R = TypeVar("R")
Execute: TypeAlias = Callable[[Recorder], Any]
"""Executes, watched by the recorder; returns an `ExecutionResult`, or an awaitable of one."""

_ROUNDING: Final = 1.0
"""The rounding error, in seconds, of an age and a ttl from Redis together."""


@dataclass(
    slots=True, kw_only=True
)  # frozen ones are slower to make, and each object of a list needs one
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
    """

    cache: ResponseCache
    keys: EntryKeys
    policy: Policy
    parts: Callable[[str | None], list[str]] = field(repr=False)
    session: str | None = field(repr=False)
    subject: Subject
    whole: bool = True
    as_stored: bool = False
    inherited: frozenset[str] = field(default=frozenset(), repr=False)
    is_as_admitted: Callable[[], bool] = field(default=lambda: True, repr=False)

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


def result_in_memory(cache_request: CacheRequest, request: RequestContext) -> CacheResult | None:
    """Return a result that this process has at hand; None if Redis has to be asked, or the request asks for more.

    Args:
        cache_request: The request to the cache, for an operation.
        request: The context of the request; the functions on which it depends were called.
    """
    if request.directives is not NOTHING_ASKED or request.is_verified:
        return None
    memory = tenant_of(cache_request.cache).memory()
    entry = None if memory is None else memory.get(cache_request.keys)
    if entry is None or (entry.recording.meta == PRIVATE and cache_request.session is None):
        return None
    try:
        return stored_result(cache_request, request, entry, CacheDetail.LOCAL)
    except UnreadableEntryError:
        return None  # it is dropped, and looked up in Redis


def stored_result(
    cache_request: CacheRequest, request: RequestContext, entry: Entry, detail: CacheDetail
) -> CacheResult:
    """Return the result of a fresh entry.

    Args:
        cache_request: The request to the cache.
        request: The context of the request.
        entry: The entry.
        detail: Where it was found.

    Raises:
        UnreadableEntryError: If it is not the entry of such a request.
    """
    attempt = Attempt(cache_request, request)
    value = attempt.serializer.read(entry.recording)
    if isinstance(value, TurnedPrivate):
        raise UnreadableEntryError
    saved = entry.recording.cost_ms / 1000
    response = CachedResponse(value, CacheStatus.HIT, detail, entry.age, entry.ttl, saved)
    return attempt.cache_result(response)


async def execute_cached(
    cache_request: CacheRequest,
    request: RequestContext,
    execute: Execute,
    prefetched: Prefetched | None = None,
) -> CacheResult | Problem:
    """Answer from the cache, or execute; or return why it has to be executed without the cache.

    Args:
        cache_request: The request to the cache.
        request: The context of the request.
        execute: Executes it; its result is awaitable.
        prefetched: The prefetched entries of the operation, for a field.
    """
    _note_as_part(cache_request)
    directives, is_renewed, varied = request.directives, False, cache_request.policy.vary
    is_verified = request.is_verified
    while True:
        ready = await _obey(cache_request, prefetched, directives, renews=is_renewed)
        if isinstance(ready, Problem):
            return ready
        attempt = Attempt(cache_request, request)

        async def generate(attempt: Attempt = attempt) -> Any:  # noqa: ANN401 - whatever an executor returns
            await request.ask_session()
            with varying(varied):
                return attempt.made(await execute(attempt.begin()))

        response = await tenant_of(cache_request.cache).run(
            cache_request.keys,
            attempt.serializer,
            generate,
            cache_request.subject,
            prefetched=ready,
            budget=request.wait_budget,
        )
        if not is_renewed and is_too_old(response, directives):
            is_renewed = True
        elif not isinstance(response.value, TurnedPrivate):
            if is_verified and not attempt.has_generated(response):
                return await verified(attempt, response, generate, ready)
            return attempt.cache_result(response)
        else:
            await request.ask_session()
            found = cache_request.for_session(request)
            if isinstance(found, Problem):
                return found
            cache_request = found


def execute_cached_sync(
    cache_request: CacheRequest,
    request: RequestContext,
    execute: Execute,
    prefetched: Prefetched | None = None,
) -> CacheResult | Problem:
    """Answer from the cache, or execute; the sync form of `execute_cached`.

    Args:
        cache_request: The request to the cache.
        request: The context of the request.
        execute: Executes it.
        prefetched: As in `execute_cached`.
    """
    _note_as_part(cache_request)
    directives, is_renewed, varied = request.directives, False, cache_request.policy.vary
    is_verified = request.is_verified
    while True:
        ready = _obey_sync(cache_request, prefetched, directives, renews=is_renewed)
        if isinstance(ready, Problem):
            return ready
        attempt = Attempt(cache_request, request)

        def generate(attempt: Attempt = attempt) -> Any:  # noqa: ANN401 - whatever an executor returns
            at_once(request.ask_session)
            with varying(varied):
                return attempt.made(execute(attempt.begin()))

        response = tenant_of(cache_request.cache).run_sync(
            cache_request.keys,
            attempt.serializer,
            generate,
            cache_request.subject,
            prefetched=ready,
            budget=request.wait_budget,
        )
        if not is_renewed and is_too_old(response, directives):
            is_renewed = True
        elif not isinstance(response.value, TurnedPrivate):
            if is_verified and not attempt.has_generated(response):
                return verified_sync(attempt, response, generate, ready)
            return attempt.cache_result(response)
        else:
            at_once(request.ask_session)
            found = cache_request.for_session(request)
            if isinstance(found, Problem):
                return found
            cache_request = found


def _note_as_part(cache_request: CacheRequest) -> None:
    """Keep what a resolver generates from being stored, if it executes an operation that varies by more."""
    # The fields of one operation are known to its policy.
    if cache_request.whole and varies_by_more(cache_request.policy.vary):
        tenant_of(cache_request.cache).note_unfit_part()


async def _obey(
    cache_request: CacheRequest,
    prefetched: Prefetched | None,
    directives: RequestDirectives,
    *,
    renews: bool,
) -> Prefetched | Problem | None:
    """Forget or look up an entry first, if a request asks for that.

    Returns:
        The prefetched entries; or why the cache cannot answer as it is asked.
    """
    cache, keys = tenant_of(cache_request.cache), cache_request.keys
    is_unwanted = directives.no_cache or renews
    if directives.only_if_cached and is_unwanted:
        return Problem(Reason.ONLY_IF_CACHED)
    if directives.only_if_cached:
        prefetched = Prefetched()
        await cache.prefetch(prefetched, [keys], cache_request.subject, first=False)
        return prefetched if prefetched.has(keys) else Problem(Reason.ONLY_IF_CACHED)
    if is_unwanted:
        if prefetched is not None:
            prefetched.pop(keys)  # but its clock counts, from before anything was loaded
        try:
            await cache.forget(keys)
        except CacheStoreError:
            return Problem(Reason.STORE_FAILURE)
    return prefetched


def _obey_sync(
    cache_request: CacheRequest,
    prefetched: Prefetched | None,
    directives: RequestDirectives,
    *,
    renews: bool,
) -> Prefetched | Problem | None:
    """Forget or look up an entry first, if a request asks for that; the sync form of `_obey`."""
    cache, keys = tenant_of(cache_request.cache), cache_request.keys
    is_unwanted = directives.no_cache or renews
    if directives.only_if_cached and is_unwanted:
        return Problem(Reason.ONLY_IF_CACHED)
    if directives.only_if_cached:
        prefetched = Prefetched()
        cache.prefetch_sync(prefetched, [keys], cache_request.subject, first=False)
        return prefetched if prefetched.has(keys) else Problem(Reason.ONLY_IF_CACHED)
    if is_unwanted:
        if prefetched is not None:
            prefetched.pop(keys)  # but its clock counts, from before anything was loaded
        try:
            cache.forget_sync(keys)
        except CacheStoreError:
            return Problem(Reason.STORE_FAILURE)
    return prefetched


def is_too_old(response: CachedResponse[Any], directives: RequestDirectives) -> bool:
    """Whether a stored answer is older than its request takes."""
    oldest = directives.max_age
    return oldest is not None and response.status is CacheStatus.HIT and response.age > oldest


class _PrivateKeys:
    """Makes the keys for the request's session, if the answer turns PRIVATE.

    It is no method of `Attempt`, which holds its serializer and the answer: a circle of references would keep
    the answer until the garbage collector runs, long after the request.

    Attributes:
        session: The session whose entry it is then; None without one.
    """

    __slots__ = ("_cache_request", "session")

    def __init__(self, cache_request: CacheRequest) -> None:
        self._cache_request = cache_request
        self.session: str | None = None

    def __call__(self) -> EntryKeys | None:
        """Return the keys, if there is a session."""
        return None if self.session is None else self._cache_request.private_keys(self.session)


class Attempt:
    """One try: for all sessions, or for one session.

    Args:
        cache_request: The request to the cache.
        request: The context of the request.
        tells_tags: Whether others are told the tags of its response; by default those of an operation are.

    Attributes:
        cache_request: As given.
        request: As given.
        serializer: Of its result.
        made_itself: What this request executed; None if nothing.
    """

    __slots__ = ("_private_keys", "_run", "cache_request", "made_itself", "request", "serializer")

    def __init__(
        self,
        cache_request: CacheRequest,
        request: RequestContext,
        *,
        tells_tags: bool | None = None,
    ) -> None:
        tells_tags = cache_request.whole if tells_tags is None else tells_tags
        self.cache_request = cache_request
        self.request = request
        self._private_keys = _PrivateKeys(cache_request)
        self.made_itself: object = None
        self._run: VerifiedRun | None = None
        sightings, key = request.options.sightings, cache_request.keys.entry
        if sightings is not None:
            sightings.note(key)
        self.serializer = ResponseSerializer(
            cache_request.policy,
            request,
            whole=cache_request.whole,
            private=cache_request.session is not None,
            private_keys=self._private_keys,
            is_seen_once=None if sightings is None else lambda: not sightings.has_again(key),
            max_bytes=tenant_of(cache_request.cache).max_entry_bytes,
            as_stored=cache_request.as_stored,
            key=key if tells_tags and request.options.headers is not None else None,
        )

    def begin(self) -> Recorder:
        """Start to record. The session is known, because resolvers may make a response PRIVATE."""
        if self._run is not None:
            self.serializer.recorder = self._run
            return self._run
        headers = self.request.options.headers
        by_item = self.cache_request.whole and headers is not None and headers.tells_gateways
        recorder = self.serializer.recorder = Recorder(
            self.request.guard,
            entities=PlacedEntities(ENTITIES) if by_item else None,
            cache=self.cache_request.cache,
        )
        recorder.tags.update(self.cache_request.inherited)
        session = self.request.session() if self.cache_request.session is None else None
        self._private_keys.session = session if isinstance(session, str) else None
        return recorder

    def verify(self) -> VerifiedRun:
        """Make what is executed next a verified run."""
        self._run = VerifiedRun(self.request.guard, cache=self.cache_request.cache)
        if self.cache_request.whole:
            # Tags with placeholders are not filled in it, so what holds its result cannot be stored.
            tenant_of(self.cache_request.cache).note_unfit_part()
        return self._run

    def made(self, result: R) -> R:
        """Note the result that this request executed itself."""
        self.made_itself = result
        return result

    @property
    def has_run(self) -> bool:
        """Whether this request ran the resolvers."""
        return self.made_itself is not None

    def has_generated(self, response: CachedResponse[Any]) -> bool:
        """Whether a response is what this request executed itself."""
        return self.has_run and response.value is self.made_itself

    def verified(self, response: CachedResponse[Any], verdict: str | None) -> CacheResult:
        """Return what was executed, which counts as what the cache answered."""
        outcome = replace(Outcome.of(Problem(Reason.VERIFIED)), verified=verdict)
        made: Any = self.made_itself
        return CacheResult(made, lambda: outcome, self.has_run, lambda: None, response)

    def cache_result(self, response: CachedResponse[Any]) -> CacheResult:
        """Return the result and its outcome."""
        if response.status is CacheStatus.MISS and response.write_id:
            self._note_stored(response.write_id)
        if self.request.is_verified and response.detail is CacheDetail.WAITED_OUT:
            joined = replace(response, status=CacheStatus.MISS, detail=CacheDetail.JOINED)
            return self.verified(joined, None)
        return CacheResult(
            response.value,
            partial(self._outcome, response),
            self.has_run,
            partial(self._freshness, response),
            response,
        )

    def _note_stored(self, write_id: str) -> None:
        """Note whose session stored an entry that all sessions share."""
        verification, session = self.request.options.verification, self.request.session()
        if verification is None or self.serializer.is_private:
            return
        if not isinstance(session, Problem):
            verification.note_stored(write_id, session)

    def _freshness(self, response: CachedResponse[Any]) -> Freshness | None:
        stored = self.serializer.stored
        is_hit = response.status is CacheStatus.HIT
        if self.request.is_verified:
            return None  # what is verified is not to be answered by caches in front
        if stored is None or not (is_hit or response.ttl > 0):
            return None
        lifetime = stored.lifetime if is_hit else response.ttl
        policy, cache = self.cache_request.policy, self.cache_request.cache
        return Freshness(
            lifetime=lifetime,
            is_shortened=_is_shortened(policy, cache, lifetime),
            stale=stored.stale,
            age=response.age,
            is_shared=not self.serializer.is_private,
            validator=stored.validator,
            tags=stored.tags,
            entity_tags=unpacked_entities(stored.entities, stored.tags),
        )

    def _outcome(self, response: CachedResponse[Any]) -> Outcome:
        serializer = self.serializer
        scope = "PRIVATE" if serializer.is_private else "PUBLIC"
        match response.status:
            case CacheStatus.HIT:
                status: Status = "stale" if response.detail is CacheDetail.STALE else "hit"
                life = response.age + response.ttl
                return Outcome(
                    status,
                    age=response.age,
                    ttl=response.ttl,
                    scope=scope,
                    limited_by=self._limited_by(life) if status == "hit" else None,
                )
            case CacheStatus.MISS if response.ttl > 0:
                limited_by = serializer.limited_by or self._limited_by(response.ttl)
                return Outcome(
                    "miss",
                    age=0,
                    ttl=response.ttl,
                    scope=scope,
                    limited_by=limited_by,
                    is_collapsed=response.detail is CacheDetail.JOINED,
                )
            case CacheStatus.MISS:  # it was generated but could not be stored
                reason = Reason.of(response.detail) or Reason.CACHE_FAULT
                return Outcome("miss", reason, reason.advice, age=0, scope=scope)
            case _:
                reason = serializer.refusal or self._not_shared_because_of(response.detail)
                return Outcome("bypass", reason, reason.advice)

    def _not_shared_because_of(self, detail: CacheDetail) -> Reason:
        made = self.made_itself
        if detail is CacheDetail.UNCACHEABLE and isinstance(made, ExecutionResult) and made.errors:
            return Reason.ERRORS  # it waited for a run that failed, and its own run failed too
        return Reason.of(detail) or Reason.CACHE_FAULT

    def _limited_by(self, life: float) -> str | None:
        """Return the field that set the ttl; None if a part of the value shortened it."""
        return limited_by(self.cache_request.policy, self.cache_request.cache, life)


def limited_by(policy: Policy, cache: ResponseCache, life: float) -> str | None:
    """Return the field that set the ttl of an entry; None if a part of the value shortened it.

    Args:
        policy: The policy of the operation or field.
        cache: The tenant's cache.
        life: Seconds from the storing of the entry to its end.
    """
    return policy.limited_by if life >= _shortest(policy, cache) - _ROUNDING else None


def _is_shortened(policy: Policy, cache: ResponseCache, life: float) -> bool:
    """Whether an entry lives shorter than its annotations say: by a resolver, a part or ``negative_ttl``."""
    shortest = _shortest(policy, cache)
    # A part that was stored with it ends a moment before.
    return life < shortest - min(_ROUNDING, shortest / 10)


def _shortest(policy: Policy, cache: ResponseCache) -> float:
    """Return for how long an entry lives at least by its annotations, in seconds."""
    return (policy.ttl or 0.0) * (1 - tenant_of(cache).jitter)
