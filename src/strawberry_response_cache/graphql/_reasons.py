"""Why an operation was not cached: one closed list, for people, traces and metrics alike."""

from dataclasses import dataclass
from enum import StrEnum

from strawberry_response_cache.core import CacheDetail


class Reason(StrEnum):
    """Why an operation was answered without the cache."""

    DISABLED = "disabled"
    """The extension's ``enabled`` says no."""
    MUTATION = "mutation"
    """Mutations always run."""
    SUBSCRIPTION = "subscription"
    """Subscriptions always run."""
    INTROSPECTION = "introspection"
    """The operation asks for ``__schema`` or ``__type``."""
    DIRECTIVE = "directive"
    """The operation uses a directive other than ``@skip`` and ``@include``."""
    ROOT_WITHOUT_HINT = "root_without_hint"
    """A root field has no ``cache_control`` with a ttl."""
    RESOLVER_WITHOUT_HINT = "resolver_without_hint"
    """A field with a resolver of its own has no ``cache_control``."""
    WITHOUT_TTL = "without_ttl"
    """A ``cache_control`` names no ttl, and the type it could take one from has none."""
    TTL_ZERO = "ttl_zero"
    """A field or type has ``ttl=0``."""
    GUARDED = "guarded"
    """A field has permission classes, whose checks must run on every request."""
    CUSTOM_CODE = "custom_code"
    """A field extension, a ``resolve`` hook or an executor of one's own may change values per request."""
    PARENT_WITHOUT_IDENTITY = "parent_without_identity"
    """Nothing tells the object apart that a field belongs to, which is to be cached by itself."""
    TAG_UNFILLED = "tag_unfilled"
    """A tag's ``{args...}`` or ``{parent...}`` has nothing that it could stand for."""
    RESTRICTED = "restricted"
    """A resolver called ``skip_cache``, or ``restrict_cache`` with ``ttl=0``."""
    RESPONSE_MODIFIED = "response_modified"
    """A resolver set a cookie, a header or the status of the response, which a hit would not repeat."""
    ROOT_VALUE = "root_value"
    """A ``root_value`` reaches the resolvers and is in no key."""
    REQUEST_EXTENSIONS = "request_extensions"
    """The request's ``extensions`` reach the resolvers and are in no key."""
    VARIABLES = "variables"
    """A variable is not plain JSON, such as an upload."""
    CONTEXT_FAILED = "context_failed"
    """``tenant``, ``session``, ``vary`` or ``enabled`` raised or returned nothing usable."""
    PRIVATE_WITHOUT_SESSION = "private_without_session"
    """The response is PRIVATE and the request has no session."""
    CACHE_FAULT = "cache_fault"
    """Deciding failed, which is a fault of this package."""
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
    WAITED_OUT = "waited_out"
    """Another process took longer than ``wait_budget`` to generate the response."""
    REENTRANT = "reentrant"
    """A resolver executed the operation that it was resolving."""
    UNCACHEABLE_PART = "uncacheable_part"
    """A resolver took a value from the cache that keeps the whole from being stored."""
    PURGE_PENDING = "purge_pending"
    """Redis has not taken a queued purge of this tenant yet."""
    NOT_SHARED = "not_shared"
    """The response of the concurrent run that was joined could not be shared."""

    @property
    def advice(self) -> str:
        """What to do about a reason that shows only after the execution, or in the store."""
        return _ADVICE.get(self, "")

    @classmethod
    def of(cls, detail: CacheDetail) -> "Reason":
        """Return the reason that the core's detail stands for."""
        return _OF_DETAIL[detail]


_ADVICE = {
    Reason.TTL_ZERO: "The result holds an object of a type with ttl=0, such as an error.",
    Reason.TAG_UNFILLED: "A hole of a tag needs a string, an int or a UUID; the log names it.",
    Reason.RESTRICTED: "A resolver said so, with skip_cache or restrict_cache(ttl=0).",
    Reason.RESPONSE_MODIFIED: (
        "A resolver set a cookie, a header or the status of the response; do that in the view or in "
        "a middleware."
    ),
    Reason.PRIVATE_WITHOUT_SESSION: (
        "A resolver restricted the response to one session, and session= found no user."
    ),
    Reason.ERRORS: "Results with errors are never stored.",
    Reason.UNSERIALIZABLE: "Let scalars serialise to JSON: no tuples, NaN or objects.",
    Reason.TOO_LARGE: "Raise max_entry_bytes, or ask for less.",
    Reason.STORE_FAILURE: "Redis did not answer in time; the log names the error and the server.",
    Reason.NO_LEASE: "Redis takes no writes: it is full, or a read-only replica.",
    Reason.WAITED_OUT: "The generation takes longer than wait_budget; raise it, or ask for less.",
    Reason.REENTRANT: "A resolver executes the operation that it is part of.",
    Reason.UNCACHEABLE_PART: (
        "A resolver remembers a value that was stale, was not stored, or is of another tenant; "
        "remember it through cache.for_tenant() of the same tenant."
    ),
    Reason.PURGE_PENDING: "Redis did not take a purge; the log names the error and the server.",
}

_OF_DETAIL = {
    CacheDetail.STORE_FAILURE: Reason.STORE_FAILURE,
    CacheDetail.NO_LEASE: Reason.NO_LEASE,
    CacheDetail.WAITED_OUT: Reason.WAITED_OUT,
    CacheDetail.REENTRANT: Reason.REENTRANT,
    CacheDetail.TOO_LARGE: Reason.TOO_LARGE,
    CacheDetail.UNCACHEABLE: Reason.NOT_SHARED,
    CacheDetail.UNCACHEABLE_PART: Reason.UNCACHEABLE_PART,
    CacheDetail.PURGE_PENDING: Reason.PURGE_PENDING,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an operation cannot be cached.

    Attributes:
        reason: The reason.
        coordinate: The field that is the reason, such as ``Query.accounts``.
        advice: What to write to change that.
    """

    reason: Reason
    coordinate: str | None = None
    advice: str = ""
