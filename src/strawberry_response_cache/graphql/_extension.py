"""`ResponseCacheExtension`: the configured object that is registered with a schema as it is."""

import inspect
import threading
import weakref
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple, NoReturn, Self

from strawberry.extensions import SchemaExtension
from strawberry.schema import BaseSchema

from strawberry_response_cache.core import CacheConfigurationError, ResponseCache
from strawberry_response_cache.core._duration import Duration, seconds
from strawberry_response_cache.core._fork import renewed_in_child
from strawberry_response_cache.graphql._adoption import Adopted, adopt, raise_mistakes
from strawberry_response_cache.graphql._guard import faults
from strawberry_response_cache.graphql._hooks import RequestHooks
from strawberry_response_cache.graphql._options import (
    InvalidationOptions,
    OnCommit,
    Options,
    Reach,
    Session,
    Switch,
    Tenant,
    Vary,
)
from strawberry_response_cache.graphql.policy.policy import Defaults

_ADOPTED: Final = "_response_cache"
_MOST_TRIES: Final = 3

_AS_IT_IS: Final = (
    "Register a ResponseCacheExtension as it is, neither the class nor a lambda:\n\n"
    "    extension = ResponseCacheExtension(cache, tenant=...)\n"
    "    schema = strawberry.Schema(Query, extensions=[extension])"
)


class ResponseCacheExtension:
    """Caches the responses of a Strawberry schema's queries.

    Registering it is the only step. Nothing is cached until `cache_control` says so; PRIVATE data
    is kept per session, and all data per tenant.

    Args:
        cache: Where responses are kept.
        tenant: Returns the tenant of a request's context (a string, an int or a UUID); None for a
            service without tenants. It may be async, as ``session`` and ``vary`` may be, where the
            operation is. Each is called once per operation, before its first resolver.
        session: Returns what identifies the user of a request's context and whatever else decides
            what that user may see (the scopes of a token, an impersonation), for PRIVATE data. None,
            an empty and a false value are no session, and such a request's PRIVATE responses are not
            cached.
        vary: Names and functions of the context; a field names in ``cache_control(vary=[...])``
            which of these values it depends on.
        default_ttl: Seconds for objects without a hint, as in Apollo's server; None, the default,
            caches only what carries a hint.
        enabled: Whether the cache is on: a bool, or a function of the context. Off means that nothing
            is read or stored; mutations still invalidate, since other processes may be on.
        debug: Whether responses carry ``extensions.responseCache``, which says what the cache did
            and why: a bool, or a function of the context.
        schema_name: Keeps apart two schemas that share a cache's prefix.
        guarded: ``"private"`` keeps what permission classes below a cached field let through for the
            session that they let through; ``"uncacheable"`` caches nothing that holds such a field.
        trusted_extensions: Classes of field extensions, of schema extensions with a ``resolve`` hook,
            of executors, of resolvers and of ``info`` that treat every request alike.
        root_value: ``"shared"`` if the ``root_value`` is the same for every request; with
            ``"uncached"``, requests that bring one are not cached.
        stale_if_error: Whether an answer that is still within its stale window is served where refreshing
            it ends in errors. An error that wraps a `GraphQLError`, a `PermissionError` or Django's
            ``PermissionDenied`` is always served, and so is every error of a run in which a permission
            class refused something or a resolver restricted the cache.
        invalidate_on_mutation: What a mutation invalidates of the objects that its result holds:
            ``"entities"`` invalidates responses that hold these objects, ``"lists"``, the default, also
            those with a list of their types, so that a created object appears, ``"types"``
            everything with an object of their types, and None nothing.
        on_commit: Takes a function that invalidates, and calls it when the transaction of a mutation is
            over, such as Django's ``transaction.on_commit``; None invalidates before the mutation answers.
        invalidate_again: Seconds after which a mutation's invalidation is done once more, for database replicas
            that lag.

    Raises:
        CacheConfigurationError: If an argument is of a wrong kind.

    Example:
        >>> import strawberry
        >>> from strawberry_response_cache import ResponseCache, cache_control
        >>> @strawberry.type
        ... class Query:
        ...     @cache_control(ttl=60)
        ...     @strawberry.field
        ...     def motto(self) -> str:
        ...         return "once"
        >>> cache = ResponseCache.from_url("memory://", prefix="doc")
        >>> extension = ResponseCacheExtension(cache, tenant=None, debug=True)
        >>> schema = strawberry.Schema(Query, extensions=[extension])
        >>> for _ in range(2):
        ...     result = schema.execute_sync("{ motto }")
        ...     print(result.data, result.extensions["responseCache"]["status"])
        {'motto': 'once'} miss
        {'motto': 'once'} hit
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """See that this is not Strawberry, which calls what is registered without arguments.

        Raises:
            CacheConfigurationError: If it is: the class was registered, and not an extension.
        """
        if not args and not kwargs:
            raise CacheConfigurationError(_AS_IT_IS)
        return super().__new__(cls)

    def __init__(
        self,
        cache: ResponseCache,
        *,
        tenant: Tenant | None,
        session: Session | None = None,
        vary: Mapping[str, Vary] | None = None,
        default_ttl: Duration | None = None,
        enabled: Switch = True,
        debug: Switch = False,
        schema_name: str = "",
        guarded: Literal["private", "uncacheable"] = "private",
        trusted_extensions: Iterable[object] = (),
        root_value: Literal["uncached", "shared"] = "uncached",
        stale_if_error: bool = True,
        invalidate_on_mutation: Reach = "lists",
        on_commit: OnCommit | None = None,
        invalidate_again: Duration | None = None,
    ) -> None:
        _require(isinstance(cache, ResponseCache), "cache", cache, "a ResponseCache")
        _require(
            tenant is None or callable(tenant),
            "tenant",
            tenant,
            "a function of the context, or None",
        )
        _require(
            session is None or callable(session),
            "session",
            session,
            "a function of the context, or None",
        )
        _require(
            vary is None
            or (
                isinstance(vary, Mapping)
                and all(isinstance(n, str) and callable(f) for n, f in vary.items())
            ),
            "vary",
            vary,
            'a mapping of names to functions of the context, such as {"locale": ...}',
        )
        _require(
            isinstance(enabled, bool) or callable(enabled),
            "enabled",
            enabled,
            "a bool or a function of the context",
        )
        _require(
            isinstance(debug, bool) or callable(debug),
            "debug",
            debug,
            "a bool or a function of the context",
        )
        _require(isinstance(schema_name, str), "schema_name", schema_name, "a string")
        _require(isinstance(stale_if_error, bool), "stale_if_error", stale_if_error, "a bool")
        _require_one_of(("private", "uncacheable"), "guarded", guarded)
        _require_one_of(("uncached", "shared"), "root_value", root_value)
        if invalidate_on_mutation is not None:
            reaches = ("lists", "entities", "types")
            _require_one_of(reaches, "invalidate_on_mutation", invalidate_on_mutation)
        _require(
            on_commit is None
            or (callable(on_commit) and not inspect.iscoroutinefunction(on_commit)),
            "on_commit",
            on_commit,
            "a plain function that takes a function, such as transaction.on_commit",
        )
        default = None if default_ttl is None else seconds(default_ttl, "default_ttl")
        self._options = Options(
            cache=cache,
            tenant=tenant,
            session=session,
            vary=dict(vary or {}),
            defaults=Defaults(default, guarded == "private"),
            enabled=enabled,
            debug=debug,
            schema_name=schema_name,
            trusted=_trusted(trusted_extensions),
            shares_root_value=root_value == "shared",
            stale_if_error=stale_if_error,
            invalidation=InvalidationOptions(
                reach=invalidate_on_mutation,
                on_commit=on_commit,
                again_after=None
                if invalidate_again is None
                else seconds(invalidate_again, "invalidate_again"),
            ),
        )
        self._lock = renewed_in_child(self, "_lock", threading.Lock)
        self._tries = 0

    def __call__(self) -> SchemaExtension:
        """Return the extension of one request; Strawberry calls this."""
        return RequestHooks(self._options, self._adopt)

    def __repr__(self) -> str:
        """Name the cache, and nothing that a request brought."""
        return f"ResponseCacheExtension({self._options.cache!r})"

    @property
    def execution_context(self) -> NoReturn:
        """There is none: this object outlives requests."""
        raise CacheConfigurationError(_AS_IT_IS)

    @execution_context.setter
    def execution_context(self, _: object) -> None:
        # Strawberry sets it on what a factory returned: this object came out of a lambda.
        raise CacheConfigurationError(_AS_IT_IS)

    @property
    def faults(self) -> int:
        """How many faults of this package were caught in this process; each request was answered."""
        return faults.count

    def check(self, schema: BaseSchema) -> None:
        """Check every annotation of a schema, such as once at start.

        Args:
            schema: A schema with which this extension is registered.

        Raises:
            CacheConfigurationError: If annotations are wrong; it lists all of them, each with its
                coordinate. Without this call they are logged as one ERROR when the schema is first
                used, and its requests are answered without the cache.
        """
        if self not in getattr(schema, "extensions", ()):
            msg = f"This extension is not registered with the schema. {_AS_IT_IS}"
            raise CacheConfigurationError(msg)
        raise_mistakes(self._adopted(schema).mistakes)

    def _adopt(self, schema: BaseSchema) -> Adopted | None:
        """Return what is known of a schema; None if it could not be worked out several times."""
        adopted = _known(schema)
        if adopted is not None or self._tries >= _MOST_TRIES:
            return adopted
        self._tries += 1
        adopted = self._adopted(schema)
        self._tries = 0
        return adopted

    def _adopted(self, schema: BaseSchema) -> Adopted:
        with self._lock:
            adopted = _known(schema)
            if adopted is None:
                registered = [
                    each
                    for each in getattr(schema, "extensions", ())
                    if isinstance(each, ResponseCacheExtension)
                ]
                adopted = adopt(schema, self._options, registered=len(registered))
                # On the schema, whose types they hold: they go when it goes.
                vars(schema)[_ADOPTED] = _Known(weakref.ref(schema), adopted)
        return adopted


class _Known(NamedTuple):
    """What is known of a schema; a copy of the schema takes it along, and is another schema."""

    schema: weakref.ref[BaseSchema]
    adopted: Adopted


def _known(schema: BaseSchema) -> Adopted | None:
    known: _Known | None = vars(schema).get(_ADOPTED)
    return known.adopted if known is not None and known.schema() is schema else None


def _require(condition: bool, name: str, value: object, wanted: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not condition:
        msg = f"{name} is a {type(value).__name__}; pass {wanted}."
        raise CacheConfigurationError(msg)


def _require_one_of(words: tuple[str, ...], name: str, value: object) -> None:
    if value not in words:
        msg = f"{name} is not one of {', '.join(map(repr, words))}."
        raise CacheConfigurationError(msg)


def _trusted(extensions: Iterable[object]) -> frozenset[object]:
    if isinstance(extensions, str | bytes | type) or not isinstance(extensions, Iterable):
        kind = type(extensions).__name__
        msg = f"trusted_extensions is a {kind}; pass a list of classes, such as [Timing]."
        raise CacheConfigurationError(msg)
    classes = tuple(extensions)
    for each in classes:
        if not callable(each):
            msg = (
                f"trusted_extensions holds a {type(each).__name__}; name classes, such as [Timing]."
            )
            raise CacheConfigurationError(msg)
    return frozenset(classes)
