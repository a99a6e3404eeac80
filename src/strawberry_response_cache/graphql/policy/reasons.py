"""Why an operation was not cached: one closed list, for people, traces and metrics alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from strawberry_response_cache.core import CacheDetail


class Reason(StrEnum):
    """Why an operation was answered without the cache."""

    DISABLED = "disabled"
    """The extension's ``enabled`` says no."""
    MISCONFIGURED = "misconfigured"
    """The schema's annotations have mistakes, so the cache is off for it; ``check()`` raises them."""
    MUTATION = "mutation"
    """Mutations always run, and so do operations that their resolvers execute."""
    SUBSCRIPTION = "subscription"
    """Subscriptions always run."""
    INTROSPECTION = "introspection"
    """The operation asks for ``__schema`` or ``__type``."""
    DIRECTIVE = "directive"
    """The operation uses a directive other than ``@skip`` and ``@include``."""
    SELECTION_TOO_LARGE = "selection_too_large"
    """The operation selects more than is looked at, counted for each type that can stand there, or is nested
    too deeply for fields with entries of their own."""
    TOO_MANY_FIELDS = "too_many_fields"
    """The operation comes to more fields with entries of their own than are looked up for one request."""
    ROOT_WITHOUT_HINT = "root_without_hint"
    """A root field has no ``cache_control`` with a ttl."""
    RESOLVER_WITHOUT_HINT = "resolver_without_hint"
    """A field with a resolver of its own has no ``cache_control``."""
    WITHOUT_TTL = "without_ttl"
    """A ``cache_control`` names no ttl, and the type it could take one from has none."""
    TTL_ZERO = "ttl_zero"
    """A field or type has ``ttl=0``."""
    GUARDED = "guarded"
    """A field has permission classes, whose checks must run on every request, or they refused this one."""
    CUSTOM_CODE = "custom_code"
    """A field extension, a ``resolve`` hook, an executor, or a class of resolvers or of ``info`` of your own
    may change values per request."""
    PARENT_WITHOUT_IDENTITY = "parent_without_identity"
    """Nothing tells the object apart that a field belongs to, which is to be cached by itself."""
    TAG_UNFILLED = "tag_unfilled"
    """A tag's ``{args...}`` or ``{parent...}`` has nothing that it could stand for."""
    RESTRICTED = "restricted"
    """A resolver called ``skip_cache``, or ``restrict_cache`` with ``ttl=0``."""
    RESPONSE_MODIFIED = "response_modified"
    """A resolver set a cookie, a header or the status of the response, or added a background task; a hit
    would not do that again."""
    ROOT_VALUE = "root_value"
    """A ``root_value`` reaches the resolvers and is in no key."""
    REQUEST_EXTENSIONS = "request_extensions"
    """The request's ``extensions`` reach the resolvers and are in no key."""
    VARIABLES = "variables"
    """A variable is not plain JSON, such as an upload."""
    CONTEXT_FAILED = "context_failed"
    """``tenant``, ``session``, ``vary`` or ``enabled`` raised or returned nothing usable."""
    CONTEXT_CHANGED = "context_changed"
    """``tenant``, ``session`` or ``vary`` returned another value after the resolvers than before."""
    PRIVATE_WITHOUT_SESSION = "private_without_session"
    """The response is PRIVATE and the request has no session."""
    CACHE_FAULT = "cache_fault"
    """A fault of this package was caught."""
    ERRORS = "errors"
    """The result has errors."""
    UNSERIALIZABLE = "unserializable"
    """The result holds something that JSON does not give back unchanged."""
    TOO_LARGE = "too_large"
    """The result is over ``max_entry_bytes``."""
    STORE_FAILURE = "store_failure"
    """Redis did not answer."""
    NO_LEASE = "no_lease"
    """Redis takes no writes."""
    REFUSED = "refused"
    """An invalidation arrived while the response was generated, so it was not stored."""
    JOINED = "joined"
    """The response of a concurrent run was used, and that run could not be stored."""
    WAITED_OUT = "waited_out"
    """Another process took longer than ``wait_budget`` to generate the response."""
    REENTRANT = "reentrant"
    """A resolver executed the operation that it was resolving."""
    UNCACHEABLE_PART = "uncacheable_part"
    """A resolver took a value from the cache that keeps the whole from being stored."""
    INVALIDATION_PENDING = "invalidation_pending"
    """Redis has not taken a queued invalidation of this tenant yet."""
    NOT_SHARED = "not_shared"
    """The response of the concurrent run that was joined could not be shared."""

    @property
    def advice(self) -> str:
        """What to do about it, where nothing more is known than the reason."""
        return _ADVICE[self]

    @classmethod
    def of(cls, detail: CacheDetail) -> "Reason | None":
        """Return the reason that the core's detail stands for; None if it says that all went well."""
        return _OF_DETAIL[detail]


_ADVICE: Final[Mapping[Reason, str]] = {
    Reason.DISABLED: "The extension's enabled= says no.",
    Reason.MISCONFIGURED: (
        "The annotations of the schema have mistakes; the log lists them, and "
        "extension.check(schema) raises them at start."
    ),
    Reason.MUTATION: "Mutations always run, and so do operations that their resolvers execute.",
    Reason.SUBSCRIPTION: "Subscriptions always run.",
    Reason.INTROSPECTION: "Introspection is never cached.",
    Reason.DIRECTIVE: "Use no directives but @skip and @include.",
    Reason.SELECTION_TOO_LARGE: (
        "Select less in one operation; fields below interfaces and unions count for each of their types."
    ),
    Reason.TOO_MANY_FIELDS: (
        "Ask for fewer objects at once, or put cache_control(ttl=...) on the field that holds them all."
    ),
    Reason.ROOT_WITHOUT_HINT: "Put @cache_control(ttl=...) above the root field.",
    Reason.RESOLVER_WITHOUT_HINT: "Put @cache_control(inherit=True) or a ttl above the field.",
    Reason.WITHOUT_TTL: "No selected field has a ttl; give one cache_control(ttl=...).",
    Reason.TTL_ZERO: "The result holds an object of a type with ttl=0, such as an error.",
    Reason.GUARDED: "The permission classes refused this request; what they answer is not stored.",
    Reason.CUSTOM_CODE: (
        "Code of your own may change values per request; name its class in trusted_extensions if it "
        "does not."
    ),
    Reason.PARENT_WITHOUT_IDENTITY: (
        "Name cache_control(key=...), which tells the objects of the parent apart."
    ),
    Reason.TAG_UNFILLED: "A tag's placeholder needs a string, an int or a UUID; the log names it.",
    Reason.RESTRICTED: "A resolver called skip_cache, or restrict_cache with ttl=0.",
    Reason.RESPONSE_MODIFIED: (
        "A resolver set a cookie, a header or the status of the response, or added a background task; "
        "do that in the view or in a middleware."
    ),
    Reason.ROOT_VALUE: (
        "Execute without a root_value, or write root_value='shared' on the extension if it is the "
        "same for every request."
    ),
    Reason.REQUEST_EXTENSIONS: "Send no 'extensions' beside persistedQuery.",
    Reason.VARIABLES: "Send variables that are plain JSON.",
    Reason.CONTEXT_FAILED: (
        "enabled, tenant, session or vary gave nothing usable for this request; the log says which."
    ),
    Reason.CONTEXT_CHANGED: (
        "tenant, session or vary returned another value after the resolvers than before; let resolvers "
        "not change what these functions read."
    ),
    Reason.PRIVATE_WITHOUT_SESSION: (
        "A resolver restricted the response to one session, and session= found no user."
    ),
    Reason.CACHE_FAULT: "This is a fault of strawberry-response-cache; please report the log line.",
    Reason.ERRORS: "Results with errors are never stored.",
    Reason.UNSERIALIZABLE: "Let scalars serialise to JSON: no tuples, NaN or objects.",
    Reason.TOO_LARGE: "Raise max_entry_bytes, or ask for less.",
    Reason.STORE_FAILURE: "Redis failed; the log names the server and the error.",
    Reason.NO_LEASE: "Redis takes no writes: it is full, or a read-only replica.",
    Reason.REFUSED: "There is nothing to change; the next request is stored.",
    Reason.JOINED: (
        "There is nothing to change: Redis failed, or an invalidation arrived, while the response was "
        "generated."
    ),
    Reason.WAITED_OUT: "The generation takes longer than wait_budget; raise it, or ask for less.",
    Reason.REENTRANT: "A resolver executes the operation that it is part of.",
    Reason.UNCACHEABLE_PART: (
        "A part of the response was not stored: a field with an entry of its own, which 'fields' "
        "names, or a value that a resolver remembers and that was stale, was not stored, or is of another "
        "tenant; remember it through cache.for_tenant() of the same tenant."
    ),
    Reason.INVALIDATION_PENDING: (
        "Redis did not take an invalidation yet; the log names the server and the error."
    ),
    Reason.NOT_SHARED: (
        "There is nothing to change: the concurrent run turned out to be for its own request alone."
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
        coordinate: The field that is the reason, such as ``Query.accounts``.
        advice: What to write to change that; that of the reason if it is empty.
    """

    reason: Reason
    coordinate: str | None = None
    advice: str = ""

    def __post_init__(self) -> None:
        """Take the reason's advice where there is none of its own."""
        if not self.advice:
            object.__setattr__(self, "advice", self.reason.advice)
