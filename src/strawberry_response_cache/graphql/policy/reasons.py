"""The reasons why an operation was not cached: one closed list, for responses, logs and traces."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from strawberry_response_cache.core import CacheDetail


class Reason(StrEnum):
    """Why an operation was answered without the cache. The list is closed.

    Its values are also those of ``extensions.responseCache.reason`` and of the traces.

    Attributes:
        DISABLED: ``enabled`` of the extension is False, its function returned False or None, or
            ``RESPONSE_CACHE_ENABLED=0`` is in the environment.
        MISCONFIGURED: The annotations of the schema have mistakes, so the cache is off for it; ``check()``
            raises them.
        NO_STORE: The request has ``Cache-Control: no-store``, and ``honour_request_cache_control`` is on.
        ONLY_IF_CACHED: The request has ``Cache-Control: only-if-cached``, its answer was not stored, and
            ``honour_request_cache_control`` is on. It was answered with 504.
        MUTATION: Mutations always run, and so do operations that have the context or the request of one that runs,
            such as those that its resolvers execute.
        SUBSCRIPTION: Subscriptions always run.
        INTROSPECTION: The operation asks for ``__schema`` or ``__type``.
        DIRECTIVE: The operation uses a directive other than ``@skip`` and ``@include``.
        SELECTION_TOO_LARGE: The operation selects more than 20,000 fields, counted for each type that a
            field can belong to. Or it is nested too deeply: for fields with entries of their own, or so that
            Python's stack ended in this package.
        TOO_MANY_FIELDS: The operation has more than 1,000 fields with entries of their own; the rest of
            them ran uncached.
        ROOT_WITHOUT_HINT: A root field has no ``cache_control`` with a ttl.
        RESOLVER_WITHOUT_HINT: A field with a resolver of its own has no ``cache_control``.
        WITHOUT_TTL: A ``cache_control`` has no ttl, and neither has the type that the field returns.
        NO_OBJECTS: A gateway of Apollo Federation asks for no objects, or for one of a type that it cannot ask for.
            Each object that it asks for has an entry of its own.
        TTL_ZERO: A field or type has ``ttl=0``, or a root field is null and ``negative_ttl`` of the extension is 0.
        GUARDED: A field has permission classes: their checks must run on every request, or they refused
            this one.
        CUSTOM_CODE: A field extension, a ``resolve`` hook, an executor, or a class of resolvers or of
            ``info`` of your own may change values per request.
        PARENT_WITHOUT_IDENTITY: A field should have an entry of its own, but nothing identifies the object
            to which it belongs.
        TAG_UNFILLED: There is no value for the placeholder ``{args...}`` or ``{parent...}`` of a tag.
        RESTRICTED: A resolver called ``skip_cache``, or ``restrict_cache`` with ``ttl=0``. Or a resolver above
            a field restricted the cache while the field's own entry was generated.
        SEEN_ONCE: ``store_after`` of the extension is 2, and this process was asked for the response for the
            first time.
        VETOED: ``cacheable`` of the extension returned False for the result.
        UNFINISHED_LIST: A field with entries of its own is below a list that is not finished, such as a
            generator or a ``QuerySet``: its resolver may still restrict the cache.
        RESPONSE_MODIFIED: A resolver set a cookie, a header or the status of the response, or added a
            background task. A hit does not run the resolver, so it would not repeat that.
        ROOT_VALUE: The request has a ``root_value``, which resolvers receive and which is not in the key.
        REQUEST_EXTENSIONS: The request has ``extensions`` that resolvers may read and that are not in the
            key.
        VARIABLES: A variable is not plain JSON, such as an upload; or a resolver changed one.
        CONTEXT_FAILED: ``tenant``, ``session``, ``vary``, ``enabled`` or ``cacheable`` raised or returned nothing
            usable.
        CONTEXT_CHANGED: ``tenant``, ``session`` or ``vary`` returned different values before and after the
            resolvers ran.
        PRIVATE_WITHOUT_SESSION: The response is PRIVATE and the request has no session.
        CACHE_FAULT: A fault of this package was caught.
        ERRORS: The result has errors.
        UNSERIALIZABLE: The result holds a value that JSON does not reproduce unchanged.
        TOO_LARGE: The result has more than ``max_entry_bytes`` bytes.
        STORE_FAILURE: Redis did not answer.
        NO_LEASE: Redis takes no writes.
        REFUSED: An invalidation arrived while the response was generated, or after a part of it was stored in an
            entry of its own; so the whole was not stored.
        JOINED: The response of a concurrent request was used, and it could not be stored.
        WAITED_OUT: Another process took longer than ``wait_budget`` to generate the response.
        ASYNC_RESOLVER: An async resolver ran where the cache cannot await it.
        REENTRANT: A resolver executed the operation of which it is a part.
        UNCACHEABLE_PART: The response includes a value from the cache that must not be stored in it.
        INVALIDATION_PENDING: Redis has not taken a queued invalidation of this tenant yet, or a mutation in the
            same transaction of Django is not committed yet.
        VERIFIED: The cache had an answer, but the resolvers ran as well, because of ``verify`` of the
            extension.
        NOT_SHARED: The response of the concurrent request could not be shared, so the resolvers ran again.

    Example:
        >>> Reason("root_without_hint").advice
        'Put @cache_control(ttl=...) above the root field.'
    """

    DISABLED = "disabled"
    MISCONFIGURED = "misconfigured"
    NO_STORE = "no_store"
    ONLY_IF_CACHED = "only_if_cached"
    MUTATION = "mutation"
    SUBSCRIPTION = "subscription"
    INTROSPECTION = "introspection"
    DIRECTIVE = "directive"
    SELECTION_TOO_LARGE = "selection_too_large"
    TOO_MANY_FIELDS = "too_many_fields"
    ROOT_WITHOUT_HINT = "root_without_hint"
    RESOLVER_WITHOUT_HINT = "resolver_without_hint"
    WITHOUT_TTL = "without_ttl"
    NO_OBJECTS = "no_objects"
    TTL_ZERO = "ttl_zero"
    GUARDED = "guarded"
    CUSTOM_CODE = "custom_code"
    PARENT_WITHOUT_IDENTITY = "parent_without_identity"
    TAG_UNFILLED = "tag_unfilled"
    RESTRICTED = "restricted"
    SEEN_ONCE = "seen_once"
    VETOED = "vetoed"
    UNFINISHED_LIST = "unfinished_list"
    RESPONSE_MODIFIED = "response_modified"
    ROOT_VALUE = "root_value"
    REQUEST_EXTENSIONS = "request_extensions"
    VARIABLES = "variables"
    CONTEXT_FAILED = "context_failed"
    CONTEXT_CHANGED = "context_changed"
    PRIVATE_WITHOUT_SESSION = "private_without_session"
    CACHE_FAULT = "cache_fault"
    ERRORS = "errors"
    UNSERIALIZABLE = "unserializable"
    TOO_LARGE = "too_large"
    STORE_FAILURE = "store_failure"
    NO_LEASE = "no_lease"
    REFUSED = "refused"
    JOINED = "joined"
    WAITED_OUT = "waited_out"
    ASYNC_RESOLVER = "async_resolver"
    REENTRANT = "reentrant"
    UNCACHEABLE_PART = "uncacheable_part"
    INVALIDATION_PENDING = "invalidation_pending"
    VERIFIED = "verified"
    NOT_SHARED = "not_shared"

    @property
    def advice(self) -> str:
        """What to change. Responses and `explain` give more specific advice where they can."""
        return _ADVICE[self]

    @classmethod
    def of(cls, detail: CacheDetail) -> "Reason | None":
        """Return the reason for a detail of the core.

        Args:
            detail: The detail of a `CachedResponse`.

        Returns:
            The reason; None if the value was cached.

        Example:
            >>> Reason.of(CacheDetail.TOO_LARGE).value
            'too_large'
        """
        return _OF_DETAIL[detail]

    @classmethod
    def of_fault(cls, *, is_too_deep: bool) -> "Reason":
        """Return the reason for what the guard caught.

        Args:
            is_too_deep: Whether Python's stack was exhausted, which is no fault of this package.

        Example:
            >>> Reason.of_fault(is_too_deep=False).value
            'cache_fault'
        """
        return cls.SELECTION_TOO_LARGE if is_too_deep else cls.CACHE_FAULT


_ADVICE: Final[Mapping[Reason, str]] = {
    Reason.DISABLED: "The extension is off: see its argument enabled.",
    Reason.MISCONFIGURED: (
        "The annotations of the schema have mistakes; the log lists them, and "
        "extension.check(schema) raises them at start."
    ),
    Reason.NO_STORE: "There is nothing to change: the request asks for an answer that is not stored.",
    Reason.ONLY_IF_CACHED: (
        "There is nothing to change: the request asks for a stored answer only, and there is none."
    ),
    Reason.MUTATION: (
        "There is nothing to change: mutations always run, and so do queries inside a mutation, which have its "
        "context or its request."
    ),
    Reason.SUBSCRIPTION: "Subscriptions always run.",
    Reason.INTROSPECTION: "Introspection is never cached.",
    Reason.DIRECTIVE: "Use no directives other than @skip and @include.",
    Reason.SELECTION_TOO_LARGE: (
        "Select less in one operation, or nest it less; fields below interfaces and unions count for each of their "
        "types."
    ),
    Reason.TOO_MANY_FIELDS: (
        "Ask for fewer objects at once, or put cache_control(ttl=...) on the field that returns the list."
    ),
    Reason.ROOT_WITHOUT_HINT: "Put @cache_control(ttl=...) above the root field.",
    Reason.RESOLVER_WITHOUT_HINT: "Put @cache_control(inherit=True) or a ttl above the field.",
    Reason.WITHOUT_TTL: "No selected field has a ttl; give one cache_control(ttl=...).",
    Reason.NO_OBJECTS: (
        "There is nothing to change: the request asks _entities for no objects, or for an object of a type that "
        "is no entity."
    ),
    Reason.TTL_ZERO: (
        "The result holds an object of a type with ttl=0, such as an error. Or a root field is null, and "
        "negative_ttl on the extension is 0."
    ),
    Reason.GUARDED: "The permission classes refused this request; a refusal is not stored.",
    Reason.CUSTOM_CODE: (
        "Code of your own may change values per request; name its class in trusted_extensions if it "
        "does not."
    ),
    Reason.PARENT_WITHOUT_IDENTITY: (
        "Write cache_control(key=...), which identifies the parent's objects."
    ),
    Reason.TAG_UNFILLED: "A tag's placeholder needs a string, an int or a UUID; the log names it.",
    Reason.RESTRICTED: (
        "A resolver called skip_cache, or restrict_cache with ttl=0; or one above the field restricted the cache "
        "while the field ran."
    ),
    Reason.SEEN_ONCE: (
        "There is nothing to change: store_after=2 on the extension stores what is asked for again."
    ),
    Reason.VETOED: "The extension's function cacheable returned False for this result.",
    Reason.UNFINISHED_LIST: (
        "A resolver above returned a list that is not finished; return a list, a tuple or a set of objects, for "
        "example list(...), so that fields below have entries of their own. With Apollo Federation, a resolve_reference "
        "that is not async does that."
    ),
    Reason.RESPONSE_MODIFIED: (
        "A resolver set a cookie, a header or the status of the response, or added a background task; "
        "do that in the view or in a middleware. Or the response in the context cannot be read."
    ),
    Reason.ROOT_VALUE: (
        "Execute without a root_value, or write root_value='shared' on the extension if it is the "
        "same for every request."
    ),
    Reason.REQUEST_EXTENSIONS: (
        "The client sends extensions; name them in ignore_request_extensions or vary_request_extensions."
    ),
    Reason.VARIABLES: (
        "Send variables that are plain JSON. A resolver that changes an argument changes it for other fields as well: "
        "let it change a copy."
    ),
    Reason.CONTEXT_FAILED: (
        "enabled, tenant, session, vary or cacheable raised or returned nothing usable; the log says which."
    ),
    Reason.CONTEXT_CHANGED: (
        "tenant, session or vary returned different values before and after the resolvers ran; resolvers "
        "must not change what these functions read."
    ),
    Reason.PRIVATE_WITHOUT_SESSION: (
        "A resolver made the response PRIVATE, and the request has no session."
    ),
    Reason.CACHE_FAULT: "This is a fault of strawberry-response-cache; please report the log line.",
    Reason.ERRORS: "Results with errors are never stored.",
    Reason.UNSERIALIZABLE: "Make scalars serialise to JSON: no tuples, no NaN, no objects.",
    Reason.TOO_LARGE: "Raise max_entry_bytes, or select less.",
    Reason.STORE_FAILURE: "Redis failed; the log names the server and the error.",
    Reason.NO_LEASE: "Redis takes no writes: it is full, or a read-only replica.",
    Reason.REFUSED: (
        "There is nothing to change: an invalidation arrived. The next request is stored, or its fields are, one by "
        "one."
    ),
    Reason.JOINED: (
        "There is nothing to change: Redis failed, or an invalidation arrived, while the response was "
        "generated."
    ),
    Reason.WAITED_OUT: "Generating takes longer than wait_budget; raise it, or select less.",
    Reason.ASYNC_RESOLVER: (
        "An async resolver ran where the cache cannot await it: in execute_sync, or outside of an asyncio event "
        "loop."
    ),
    Reason.REENTRANT: "A resolver executes the operation of which it is a part.",
    Reason.UNCACHEABLE_PART: (
        "A part of the response could not be stored. 'fields' shows fields with entries of their own. A value "
        "that a resolver remembers must be fresh, stored, and of the same tenant: use "
        "cache.for_tenant()."
    ),
    Reason.INVALIDATION_PENDING: (
        "Redis has not taken an invalidation yet; the log names the server and the error. Or a transaction "
        "is not committed yet."
    ),
    Reason.VERIFIED: (
        "There is nothing to change: the cache had an answer, which was compared with what the resolvers gave, "
        "because of verify= on the extension."
    ),
    Reason.NOT_SHARED: (
        "There is nothing to change: the response of the concurrent request was for that request only."
    ),
}

_OF_DETAIL: Final[Mapping[CacheDetail, Reason | None]] = {
    CacheDetail.FRESH: None,
    CacheDetail.LOCAL: None,
    CacheDetail.STALE: None,
    CacheDetail.GENERATED: None,
    CacheDetail.JOINED: Reason.JOINED,
    CacheDetail.REFUSED: Reason.REFUSED,
    CacheDetail.STORE_FAILURE: Reason.STORE_FAILURE,
    CacheDetail.TTL_ZERO: Reason.TTL_ZERO,
    CacheDetail.UNCACHEABLE: Reason.NOT_SHARED,
    CacheDetail.UNCACHEABLE_PART: Reason.UNCACHEABLE_PART,
    CacheDetail.TOO_LARGE: Reason.TOO_LARGE,
    CacheDetail.INVALIDATION_PENDING: Reason.INVALIDATION_PENDING,
    CacheDetail.NO_LEASE: Reason.NO_LEASE,
    CacheDetail.WAITED_OUT: Reason.WAITED_OUT,
    CacheDetail.REENTRANT: Reason.REENTRANT,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an operation cannot be cached.

    Attributes:
        reason: The reason.
        coordinate: The field that causes it, such as ``Query.accounts``; None if it is no single field.
        advice: What to change; if empty, the advice of the reason.
    """

    reason: Reason
    coordinate: str | None = None
    advice: str = ""

    def __post_init__(self) -> None:
        """Take the reason's advice if there is none of its own."""
        if not self.advice:
            object.__setattr__(self, "advice", self.reason.advice)
