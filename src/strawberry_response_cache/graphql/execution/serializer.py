"""The serializer of GraphQL results."""

import inspect
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, Final, NamedTuple

from graphql import ExecutionResult, GraphQLError
from pydantic_core import from_json

from strawberry_response_cache.core import CacheDetail, CacheSerializationError
from strawberry_response_cache.core._cache import tenant_of
from strawberry_response_cache.core._duration import milliseconds
from strawberry_response_cache.core._families import carried
from strawberry_response_cache.core._faults import faults
from strawberry_response_cache.core._keys import EntryKeys, tag_digests
from strawberry_response_cache.core.algorithm.parts import Parts
from strawberry_response_cache.core.protocol import Unavailable
from strawberry_response_cache.core.protocol.entry import (
    MARKER,
    NO_META,
    NO_NOTE,
    PRIVATE,
    UnreadableEntryError,
    ValueRecording,
)
from strawberry_response_cache.core.serialization.codec import dump_within
from strawberry_response_cache.core.serialization.serializer import Diverted, NotStored
from strawberry_response_cache.graphql._request import RequestContext
from strawberry_response_cache.graphql._stored_data import BEGIN, StoredData
from strawberry_response_cache.graphql.execution.cache_request import CacheRequest
from strawberry_response_cache.graphql.execution.failures import failure_of
from strawberry_response_cache.graphql.execution.partial_failures import (
    FAILED,
    FailedInPart,
    has_failed_in_part,
    marker_of,
)
from strawberry_response_cache.graphql.execution.recorder import Recorder
from strawberry_response_cache.graphql.http.cdn_tags import packed, unpacked
from strawberry_response_cache.graphql.http.conditional import validator_of
from strawberry_response_cache.graphql.http.gateway_tags import packed_entities
from strawberry_response_cache.graphql.invalidation.django_transactions import is_before_commit
from strawberry_response_cache.graphql.invalidation.entities import PlacedEntities, tags_of_types
from strawberry_response_cache.graphql.policy.policy import Policy
from strawberry_response_cache.graphql.policy.reasons import Reason

_TURNED_PRIVATE: Final = PRIVATE + MARKER
"""The meta word of the marker under a public key."""

_MOST_KNOWN: Final = 256
"""How many parsed notes are kept, of the entries that were read most recently."""


_NOTHING_BESIDE: Final = ((), frozenset[str]())


@dataclass(frozen=True, slots=True)
class TurnedPrivate:
    """The marker under a public key after a resolver made the response PRIVATE."""


class EntryFacts(NamedTuple):
    """The lifetime of an entry, and what its note says.

    Attributes:
        lifetime: Seconds for which it is fresh, from when it was stored.
        stale: Its stale window, in seconds.
        validator: The digest of its key and data; empty if it has none.
        tags: Its tags, as CDNs are told them.
        entities: Which of the tags each object of ``_entities`` has; see `unpacked_entities`.
    """

    lifetime: float
    stale: float
    validator: str
    tags: tuple[str, ...]
    entities: str

    @classmethod
    @lru_cache(_MOST_KNOWN)
    def of(cls, ttl_ms: int, stale_ms: int, note: str) -> "EntryFacts":
        """Return what the lifetime and the note of an entry say."""
        validator, _, rest = ("" if note == NO_NOTE else note).partition(";")
        tags, _, entities = rest.partition('"')
        return cls(ttl_ms / 1000, stale_ms / 1000, validator, unpacked(tags), entities)


def _marker(policy: Policy) -> ValueRecording:
    """Return the marker of a response that turned PRIVATE; it lives longer than the responses of the sessions.

    It has no tags: an invalidation changes the data of the response, not its scope.
    """
    return ValueRecording(b"{}", round(2_000 * policy.life.seconds), meta=_TURNED_PRIVATE)


class ResponseSerializer:
    """Stores the data of a complete result without errors; each hit creates a new result.

    Args:
        cache_request: The request to the cache; the ttl of its policy is above 0.
        request: The context of the request.
        tells_tags: Whether browsers and CDNs may be told the tags and the validator of the response.

    Attributes:
        recorder: The recorder of the execution; None before it starts.
        session: Whose response it is if it turns PRIVATE; None without a session.
        refusal: Why `record` refused the result.
        limited_by: The field whose resolver lowered the ttl; None if none did.
        is_private: Whether the response is PRIVATE.
    """

    __slots__ = (
        "_cache_request",
        "_faults",
        "_policy",
        "_private",
        "_request",
        "_tells_tags",
        "_told",
        "_whole",
        "is_private",
        "limited_by",
        "recorder",
        "refusal",
        "session",
    )

    serves_stale: ClassVar[bool] = False
    """After an exception, no stale value is served: the guard handles what executors raise, and faults."""

    def __init__(
        self, cache_request: CacheRequest, request: RequestContext, *, tells_tags: bool
    ) -> None:
        self._cache_request = cache_request
        self._policy = cache_request.policy
        self._request = request
        self._tells_tags = tells_tags
        self._faults = faults.count, faults.elsewhere
        self.recorder: Recorder | None = None
        self._whole = cache_request.whole
        self._private = cache_request.session is not None
        self.session: str | None = None
        self.refusal: Reason | None = None
        self.limited_by: str | None = None
        self.is_private = self._private
        # Without its payload, which would be kept as long as this object.
        self._told: tuple[int, int, str] | None = None

    @property
    def stored(self) -> EntryFacts | None:
        """The facts of the entry that was recorded or read most recently; None if there was none yet."""
        return None if self._told is None else EntryFacts.of(*self._told)

    def record(self, value: Any, parts: Parts) -> ValueRecording | Diverted | NotStored:  # noqa: ANN401 - whatever an executor returns
        """Turn a result into a recording. One that is incomplete, has errors or is not JSON is refused.

        If an operation failed in part, its root fields without errors are recorded, and a marker in its place.
        """
        if not isinstance(value, ExecutionResult) or inspect.isawaitable(value.data):
            return self._refuse(_reason_of_no_result(value))
        if value.errors or (self._whole and value.data is None):
            self.refusal = Reason.ERRORS
            failure, instead = self._failure(value.errors or ()), self._instead(value)
            if instead is None:
                return NotStored(CacheDetail.UNCACHEABLE, failure)
            return NotStored(
                CacheDetail.UNCACHEABLE, failure, instead, *self._without_errors(value, parts)
            )
        recorder = self.recorder
        if recorder is None:  # it was not recorded
            return self._refuse(Reason.CUSTOM_CODE)
        refusal = recorder.refusal or self._refusal_now(recorder)
        if refusal is None and self._is_seen_once():
            refusal = Reason.SEEN_ONCE
        if refusal is not None:
            return self._refuse(refusal)
        most = tenant_of(self._cache_request.cache).max_entry_bytes
        return self._recorded(value, parts, recorder, most=most)

    def _recorded(
        self, value: ExecutionResult, parts: Parts, recorder: Recorder, *, most: int
    ) -> ValueRecording | Diverted | NotStored:
        """Turn a result without errors into a recording of ``most`` bytes at most; refuse data that is not stored."""
        if (refusal := self._refusal_of_data(value.data)) is not None:
            return self._refuse(refusal)
        try:
            # An operation is stored as the response that a view sends.
            stored = {"data": value.data} if self._whole else value.data
            payload = dump_within(stored, most, is_exact=self._policy.exact)
        except CacheSerializationError:
            return self._refuse(Reason.UNSERIALIZABLE)
        if payload is None:
            return self._refuse(Reason.TOO_LARGE)
        if self._whole and (refusal := self._request.why_vetoed(value)) is not None:
            return self._refuse(refusal)
        ttl, stale = self._lifetime(value.data)
        if recorder.ttl is not None and recorder.ttl < ttl:
            ttl, self.limited_by = recorder.ttl, recorder.limited_by
        self.is_private = self._private or recorder.private or PRIVATE in parts.metas
        recording = ValueRecording(
            payload,
            milliseconds(ttl, "ttl"),
            milliseconds(stale, "stale"),
            tag_digests(carried(self._tags(recorder, is_null=value.data is None))),
            PRIVATE if self.is_private else NO_META,
        )
        if self.is_private and not self._private:
            asked, session = self._cache_request, self.session
            keys = None if session is None else asked.private_keys(session)
            key = None if keys is None else keys.entry
            recording.note = self._note(recording, key, value.data, parts)
            self._told = recording.ttl_ms, recording.stale_ms, recording.note
            return Diverted(_marker(self._policy), keys, recording)
        key = self._cache_request.keys.entry
        recording.note = self._note(recording, key, value.data, parts)
        self._told = recording.ttl_ms, recording.stale_ms, recording.note
        return recording

    def _is_seen_once(self) -> bool:
        """Whether ``store_after`` is 2 and no other request asked for the entry lately."""
        # Asked after the run: a request that came meanwhile and waits for this run counts as another one.
        sightings = self._request.options.sightings
        return sightings is not None and not sightings.has_again(self._cache_request.keys.entry)

    def _instead(self, value: ExecutionResult) -> ValueRecording | None:
        """Return the marker of an operation that failed in part; None if no marker is stored."""
        policy, recorder = self._policy, self.recorder
        is_known = self._cache_request.whole and recorder is not None
        if not is_known or not has_failed_in_part(value, len(policy.lives)) or self._is_seen_once():
            return None
        ttl = policy.ttl or 0.0
        if recorder is not None and recorder.ttl is not None:
            ttl = min(ttl, recorder.ttl)
        return marker_of(ttl) if ttl > 0 else None

    def _without_errors(
        self, value: ExecutionResult, parts: Parts
    ) -> tuple[tuple[tuple[EntryKeys, ValueRecording], ...], frozenset[str]]:
        """Record the root fields without errors, each with the tags and restrictions of the whole operation.

        It is not known which field a tag or a restriction from a resolver belongs to, so each field gets all of
        them. Together the recordings are not larger than the entry of the operation could be.

        Returns:
            The recordings, and the keys of the entries of the root fields with errors.
        """
        recorder, request, policy = self.recorder, self._request, self._policy
        if recorder is None or recorder.root_fields is None:
            return _NOTHING_BESIDE
        if request.options.cacheable is not None:  # `cacheable` judges whole results
            return _NOTHING_BESIDE
        if recorder.refusal is not None or self._refusal_now(recorder) is not None:
            return _NOTHING_BESIDE
        if (fields := recorder.guard.step(recorder.root_fields, value)) is None:
            return _NOTHING_BESIDE
        found: dict[EntryKeys, ValueRecording] = {}
        left = tenant_of(self._cache_request.cache).max_entry_bytes
        for asked, data in fields.without_errors:
            if asked.keys.tags != self._cache_request.keys.tags or asked.keys in found:
                continue  # clocks of two slots cannot be compared
            if parts.are_any and not policy.vary <= asked.policy.vary:
                continue  # an operation that a resolver executed may have varied by what is not in the field's key
            tags, types = asked.policy.tags | policy.tags, asked.policy.type_tags | policy.type_tags
            asked.policy = replace(asked.policy, tags=tags, type_tags=types)
            serializer = ResponseSerializer(asked, request, tells_tags=False)
            recording = serializer._recorded(
                ExecutionResult(data, None), parts, recorder, most=left
            )
            if isinstance(recording, ValueRecording):  # and not one that turned PRIVATE
                found[asked.keys] = recording
                left -= len(recording.payload)
        return tuple(found.items()), fields.failed

    def _note(self, recording: ValueRecording, key: str | None, data: Any, parts: Parts) -> str:  # noqa: ANN401 - any JSON
        """Return the note of an entry: the validator and the tags that hits tell browsers and CDNs."""
        options, recorder = self._request.options, self.recorder
        if key is None or options.headers is None or not self._tells_tags:
            return NO_NOTE
        validator = validator_of(key, recording.payload)
        if not options.headers.cdn_tags or recorder is None:
            return validator
        names = carried(self._tags(recorder, is_null=data is None))
        tags, left_out = packed(names, only_digests=parts.tags.difference(recording.tags))
        if left_out:
            options.warnings.tags_left_out(left_out)
        told = f"{validator};{tags}"
        entities = recorder.entities
        if not options.headers.tells_gateways or not isinstance(entities, PlacedEntities):
            return told
        # What a user or a resolver tagged with an object's tag may concern every object.
        shared = self._policy.tags | recorder.tags
        by_item = {number: found - shared for number, found in entities.by_item.items()}
        items = packed_entities(unpacked(tags), data, {} if entities.are_too_many else by_item)
        return f'{told}"{items}' if items else told

    def _lifetime(self, data: Any) -> tuple[float, float]:  # noqa: ANN401 - any JSON
        """Return the ttl and the stale window by the annotations; a resolver may have lowered the ttl."""
        ttl, stale = self._policy.ttl or 0.0, self._policy.stale or 0.0
        longest = self._policy.negative_ttl
        if longest is not None and self._is_null(data):
            # Without a stale window: it would keep the null longer than `negative_ttl` says.
            return min(ttl, longest), 0.0
        return ttl, stale

    def _refusal_of_data(self, data: Any) -> Reason | None:  # noqa: ANN401 - any JSON
        """Return why data is not stored: it is null, and ``negative_ttl`` is 0. Else None."""
        if self._policy.negative_ttl == 0 and self._is_null(data):
            return Reason.TTL_ZERO
        return None

    def _is_null(self, data: Any) -> bool:  # noqa: ANN401 - any JSON
        """Whether the data of a field is null; of an operation, whether any root field is null."""
        if not self._whole:
            return data is None
        # By identity: a scalar of the user's own may hold an object that compares as it likes.
        return any(each is None for each in data.values())

    def _refusal_now(self, recorder: Recorder) -> Reason | None:
        """Return why the result is not stored, for reasons that are known only after the execution; else None."""
        # The recording may be incomplete.
        if recorder.guard.is_faulted:
            return Reason.of_fault(is_too_deep=recorder.guard.is_too_deep)
        if (faults.count, faults.elsewhere) != self._faults:
            return Reason.of_fault(is_too_deep=faults.count == self._faults[0])
        if recorder.held_back:
            return Reason.GUARDED
        if is_before_commit():  # a resolver changed data
            return Reason.INVALIDATION_PENDING
        return self._request.why_not_stored()

    def _failure(self, errors: Sequence[GraphQLError]) -> Unavailable | None:
        """Return the first failure, if a stale value may be served instead; else None."""
        recorder = self.recorder
        if recorder is None or not self._request.options.stale_if_error:
            return None
        # A stale value must not undo what was decided for this request.
        is_restricted = recorder.private or recorder.ttl is not None
        if is_restricted or recorder.refusal is not None or self._refusal_now(recorder) is not None:
            return None
        return failure_of(errors)

    def _tags(self, recorder: Recorder, *, is_null: bool = False) -> set[str]:
        """Return the tags of the response: of its types, of its objects, and those that users wrote."""
        policy = self._policy
        return (
            policy.tags
            | (self._cache_request.tags_if_null if is_null else set())
            | tags_of_types(policy.type_tags)
            | recorder.tags
            | recorder.entities.tags_to_find()
        )

    def known_tags(self) -> AbstractSet[str]:
        """Return the digests of the tags known so far: of the plan, of the completed objects, and from resolvers."""
        recorder = self.recorder
        return (
            frozenset()
            if recorder is None
            else frozenset(tag_digests(carried(self._tags(recorder))))
        )

    def _refuse(self, reason: Reason) -> NotStored:
        self.refusal = reason
        return NotStored(CacheDetail.UNCACHEABLE)

    def read(self, recording: ValueRecording) -> Any:  # noqa: ANN401 - a result, or that it is elsewhere
        """Build the result of an entry, or return which marker it is.

        Raises:
            UnreadableEntryError: If the payload is not JSON of this kind, or the entry has another scope.
        """
        if recording.meta == FAILED and self._whole:
            return FailedInPart()
        if recording.meta == _TURNED_PRIVATE and not self._private:
            return TurnedPrivate()
        payload, meta = recording.payload, PRIVATE if self._private else NO_META
        if recording.meta != meta or (self._whole and not payload.startswith(BEGIN)):
            raise UnreadableEntryError
        self._told = recording.ttl_ms, recording.stale_ms, recording.note
        if self._cache_request.as_stored:
            return ExecutionResult(StoredData(payload), None)
        try:
            data = from_json(payload, cache_strings="keys")
        except ValueError:
            raise UnreadableEntryError from None
        return ExecutionResult(data["data"] if self._whole else data, None)


def _reason_of_no_result(value: Any) -> Reason:  # noqa: ANN401 - as in `record`
    is_awaitable = inspect.isawaitable(getattr(value, "data", value))
    return Reason.ASYNC_RESOLVER if is_awaitable else Reason.CUSTOM_CODE
