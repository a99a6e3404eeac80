"""`ResponseCacheExtension`: the object that users configure and register with a schema."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, Literal, NoReturn, Self

from strawberry.extensions import SchemaExtension
from strawberry.schema import BaseSchema

from strawberry_response_cache.core import CacheConfigurationError, ResponseCache
from strawberry_response_cache.core._duration import Duration
from strawberry_response_cache.core._faults import faults
from strawberry_response_cache.graphql._adoption import (
    Adopting,
    problem_around,
    raise_mistakes,
)
from strawberry_response_cache.graphql._checks import (
    checked_cdn_tags,
    checked_classes,
    checked_limit,
    checked_request_extensions,
    checked_tag_prefix,
    checked_vary_headers,
    checked_whole_seconds,
    optional_seconds,
    require,
    require_bytes,
    require_functions,
    require_mapping_of_functions,
    require_one_of,
    require_plain_function,
    require_share,
    require_switches,
)
from strawberry_response_cache.graphql._hooks import RequestHooks
from strawberry_response_cache.graphql._options import (
    InvalidationOptions,
    OnCommit,
    Options,
    Reach,
    SessionFunction,
    Switch,
    TenantFunction,
    VaryFunction,
    Veto,
    why_off,
)
from strawberry_response_cache.graphql._sightings import Sightings
from strawberry_response_cache.graphql._verify import Share, Verification
from strawberry_response_cache.graphql.http.rules import HeaderOptions
from strawberry_response_cache.graphql.policy.demands import Defaults

_AS_IT_IS: Final = (
    "Register a ResponseCacheExtension as it is, neither the class nor a lambda:\n\n"
    "    extension = ResponseCacheExtension(cache, tenant=...)\n"
    "    schema = strawberry.Schema(Query, extensions=[extension])"
)


class ResponseCacheExtension:
    """Caches the responses of a Strawberry schema's queries.

    Register it with the schema: ``strawberry.Schema(Query, extensions=[extension])``. Nothing is cached until
    a `cache_control` says so. Each tenant has entries of its own, and PRIVATE data has entries of its own for
    each session. A mutation invalidates the objects that its result holds. Nothing that goes wrong in the
    cache fails a request.

    Functions of the context can be async where the operation is. Each is called once per operation, before
    its first resolver, if something depends on it. If one raises, the request runs uncached; if only ``session``
    raises, PUBLIC entries are still read. Before a response is stored, ``tenant``, ``session`` and ``vary``
    functions that are not async are called again. If one of them returns another value then, the response is not
    stored.

    Args:
        cache: The cache that stores the responses.
        tenant: A function of the request's context that returns the tenant: a string, an int or a UUID. None
            for a service without tenants. The argument is required. If the function returns nothing usable, the
            request runs uncached.
        session: A function of the request's context that returns the user and everything else that decides
            what the user may see, such as the scopes of a token or an impersonation. It is needed for
            PRIVATE data. With None, the default, or where it returns None, an empty or a false value,
            PRIVATE responses are not cached.
        vary: Names with functions of the request's context. A field names in ``cache_control(vary=[...])``
            the values on which it depends. There are none by default.
        default_ttl: The ttl of objects without a hint, in seconds or as a timedelta, by the rule of Apollo
            Server. None, the default, caches only what has a hint.
        max_ttl: The longest ttl, in seconds or as a timedelta: a longer one, wherever it is written, counts as
            this. A stale window begins where the ttl ends. None, the default, is no limit.
        negative_ttl: The longest ttl, in seconds or as a timedelta, of a response in which a root field is null, such
            as one for an object that does not exist yet. Such a response has no stale window. With 0 it is not
            stored. None, the default, makes no difference between null and other values.
        enabled: Whether the cache is on: a bool, or a function of the request's context that returns one. True
            by default. If the function returns None, the cache is off, and that is logged. While it is off, nothing
            is read or stored, but mutations still invalidate, because other processes may be on.
            ``RESPONSE_CACHE_ENABLED=0`` in the environment overrides it; the variable is read once, when the
            extension is created.
        debug: Whether responses have ``extensions.responseCache``, which says what the cache did and why: a
            bool, or a function of the request's context. False by default.
        schema_name: A name that keeps apart the entries of two schemas with one cache. Empty by default.
        guarded: ``"private"``, the default, stores a response with permission classes below a cached field
            for the session that they let through. ``"uncacheable"`` does not store such a response.
        trusted_extensions: Your classes of field extensions, of schema extensions, of schemas, of executors, of
            resolvers, of ``info`` and of exception handlers that treat every request alike. By default there are
            none, and what such classes touch is not cached.
        root_value: ``"uncached"``, the default, does not cache requests that have a ``root_value``.
            ``"shared"`` says that it is the same for every request.
        ignore_request_extensions: Names of request ``extensions`` that no resolver reads, such as the name of a
            trace. By default only ``persistedQuery`` and ``clientLibrary`` are ignored, and a request with any
            other runs uncached.
        vary_request_extensions: Names of request ``extensions`` that resolvers read. Requests with different
            values have different entries. There are none by default.
        stale_if_error: Whether an answer within its stale window is served if refreshing it ends in errors.
            True by default. An error that wraps a ``GraphQLError``, a ``PermissionError`` or Django's
            ``PermissionDenied``, or was raised while one was handled, is always served, and so are the errors
            of a run in which a permission class refused something or a resolver restricted the cache.
        cacheable: A function of an operation's result, graphql-core's ``ExecutionResult`` without errors, and of
            the request's context. If it returns False, the result is not stored. It must not be async or change
            the result. If it raises or returns anything but a bool, the result is not stored, and the log says
            so. It is not asked on a hit, nor about fields with entries of their own. None, the default, stores
            every result that may be stored.
        store_after: 1, the default, stores a response at once. 2 stores a response, or a field with an entry of its
            own, only if this process was asked for it before, among the latest 100,000 keys or so. So clients
            who invent aliases do not fill Redis. It takes 1 MiB of this process's memory.
        invalidate_on_mutation: Which responses a mutation invalidates, by the objects in its result:
            ``"entities"`` those that hold one of these objects; ``"lists"``, the default, also those with
            a list of their types, so that a created object appears; ``"types"`` those with any object of
            their types; None none.
        on_commit: A function that receives a function and calls it after the transaction of a mutation. That
            function waits for the invalidation in a thread; in an event loop it returns an awaitable to wait
            for. None, the default, invalidates before the mutation answers, or after the commit where a
            transaction of Django is open.
        invalidate_again: Seconds, or a timedelta, after which the invalidation of a mutation is repeated, for
            database replicas that lag. None, the default, does not repeat it.
        headers: Whether responses say how long browsers and CDNs may store them: ``Cache-Control``, ``Age`` and
            ``Vary``, and ``ETag`` in this package's views. True by default. They are written where the context has a
            response, as ``context["response"]`` or ``context.response``, and by this package's views.
        vary_headers: The request headers that tell ``tenant`` and the values of ``vary``, by their names. Shared
            caches may store a PUBLIC response only if these headers tell all that it depends on. There are none by
            default.
        s_maxage: Whole seconds for which shared caches may store a PUBLIC response, unless ``restrict_cache``,
            ``negative_ttl`` or a part of it gave that response a shorter ttl than its annotations. None, the
            default, means as long as browsers.
        cache_status: Whether responses say what the cache did, as ``Cache-Status`` (RFC 9211), with the reason why
            something was not cached. False by default, because a client can find out with it what others asked.
        cdn_tags: Where responses tell their tags to caches in front, so that these can be purged: any of the headers
            ``"Cache-Tag"``, ``"Surrogate-Key"``, ``"xkey"`` and ``"Cache-Groups"`` of public responses, and
            ``"apolloCacheTags"`` in ``extensions`` of each response that may be stored, for Apollo Router and Cosmo. A
            hash stands for a tenant. There are none by default.
        tag_prefix: A text that is put before each of these tags, to tell services apart. Empty by default.
        honour_request_cache_control: Whether the ``Cache-Control`` of a request is obeyed: ``no-cache``, ``no-store``,
            ``max-age`` and ``only-if-cached``. A bool, or a function of the context. False by default, because clients
            can force work with it.
        verify: The share of hits that are executed as well, and compared with the stored answer: a number from 0
            to 1, or a function of the context that returns one. The client gets what was executed. 0 by default.
            With 1, nothing is served from the cache.
        plan_bytes: About how many bytes of this process's memory parsed documents and their plans may take. The
            default is 64 MiB. What was not used lately is dropped first. 0 parses and plans every request.

    Raises:
        CacheConfigurationError: If an argument has a wrong type or value, if ``RESPONSE_CACHE_ENABLED`` is
            neither on nor off, or if the class itself is registered.

    Example:
        Bob's query is a miss after Alice's, because ``Query.notes`` is PRIVATE. The mutation invalidates the
        list of notes of its tenant.

        >>> import strawberry
        >>> from strawberry_response_cache import CacheScope, ResponseCache, cache_control
        >>> @strawberry.type
        ... class Note:
        ...     id: strawberry.ID
        >>> notes = {"alice": ["1"], "bob": []}
        >>> @strawberry.type
        ... class Query:
        ...     @cache_control(ttl=60, scope=CacheScope.PRIVATE)
        ...     @strawberry.field
        ...     def notes(self, info: strawberry.Info) -> list[Note]:
        ...         return [Note(id=each) for each in notes[info.context["user"]]]
        >>> @strawberry.type
        ... class Mutation:
        ...     @strawberry.mutation
        ...     def add(self, info: strawberry.Info, id: strawberry.ID) -> Note:
        ...         notes[info.context["user"]].append(id)
        ...         return Note(id=id)
        >>> cache = ResponseCache.from_url("memory://", prefix="doc")
        >>> extension = ResponseCacheExtension(
        ...     cache,
        ...     tenant=lambda context: context["tenant"],
        ...     session=lambda context: context["user"],
        ...     debug=True,
        ... )
        >>> schema = strawberry.Schema(Query, Mutation, extensions=[extension])
        >>> extension.check(schema)
        ()
        >>> def ask(user: str, document: str) -> None:
        ...     result = schema.execute_sync(
        ...         document, context_value={"tenant": "acme", "user": user})
        ...     print(user, result.data, result.extensions["responseCache"]["status"])
        >>> ask("alice", "{ notes { id } }")
        alice {'notes': [{'id': '1'}]} miss
        >>> ask("alice", "{ notes { id } }")
        alice {'notes': [{'id': '1'}]} hit
        >>> ask("bob", "{ notes { id } }")
        bob {'notes': []} miss
        >>> ask("bob", 'mutation { add(id: "2") { id } }')
        bob {'add': {'id': '2'}} bypass
        >>> ask("bob", "{ notes { id } }")
        bob {'notes': [{'id': '2'}]} miss
        >>> cache.close()
    """

    __signature__: ClassVar[inspect.Signature]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Refuse a call without arguments, which Strawberry makes if the class is registered.

        Raises:
            CacheConfigurationError: If there are no arguments.
        """
        if not args and not kwargs:
            raise CacheConfigurationError(_AS_IT_IS)
        return super().__new__(cls)

    def __init__(
        self,
        cache: ResponseCache,
        *,
        tenant: TenantFunction | None,
        session: SessionFunction | None = None,
        vary: Mapping[str, VaryFunction] | None = None,
        default_ttl: Duration | None = None,
        max_ttl: Duration | None = None,
        negative_ttl: Duration | None = None,
        enabled: Switch = True,
        debug: Switch = False,
        schema_name: str = "",
        guarded: Literal["private", "uncacheable"] = "private",
        trusted_extensions: Iterable[object] = (),
        root_value: Literal["uncached", "shared"] = "uncached",
        ignore_request_extensions: Iterable[str] = (),
        vary_request_extensions: Iterable[str] = (),
        stale_if_error: bool = True,
        cacheable: Veto | None = None,
        store_after: Literal[1, 2] = 1,
        invalidate_on_mutation: Reach = "lists",
        on_commit: OnCommit | None = None,
        invalidate_again: Duration | None = None,
        headers: bool = True,
        vary_headers: Mapping[str, Iterable[str]] | None = None,
        s_maxage: int | None = None,
        cache_status: bool = False,
        cdn_tags: Iterable[str] = (),
        tag_prefix: str = "",
        honour_request_cache_control: Switch = False,
        verify: Share = 0.0,
        plan_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        require(isinstance(cache, ResponseCache), "cache", cache, "a ResponseCache")
        require_functions(tenant=tenant, session=session)
        honours = honour_request_cache_control
        require_switches(enabled=enabled, debug=debug, honour_request_cache_control=honours)
        require_share("verify", verify)
        require_mapping_of_functions("vary", vary)
        require(isinstance(schema_name, str), "schema_name", schema_name, "a string")
        require(isinstance(stale_if_error, bool), "stale_if_error", stale_if_error, "a bool")
        wanted = "a plain function of a result and the context"
        require_plain_function("cacheable", cacheable, wanted)
        wanted = "a plain function that takes a function, such as transaction.on_commit"
        require_plain_function("on_commit", on_commit, wanted)
        require_one_of((1, 2), "store_after", store_after)
        require_one_of(("private", "uncacheable"), "guarded", guarded)
        require_one_of(("uncached", "shared"), "root_value", root_value)
        reaches = ("lists", "entities", "types", None)
        require_one_of(reaches, "invalidate_on_mutation", invalidate_on_mutation)
        require_bytes("plan_bytes", plan_bytes)
        require(isinstance(headers, bool), "headers", headers, "a bool")
        require(isinstance(cache_status, bool), "cache_status", cache_status, "a bool")
        header_options = HeaderOptions(
            vary=checked_vary_headers(vary_headers, {"tenant", *(vary or ())}),
            s_maxage=checked_whole_seconds("s_maxage", s_maxage),
            cache_status=cache_status,
            cdn_tags=checked_cdn_tags(cdn_tags),
            tag_prefix=checked_tag_prefix(tag_prefix),
        )
        ignored, in_keys = checked_request_extensions(
            ignore_request_extensions, vary_request_extensions
        )
        self._options = Options(
            cache=cache,
            tenant=tenant,
            session=session,
            vary=dict(vary or {}),
            defaults=Defaults(
                ttl=optional_seconds(default_ttl, "default_ttl"),
                guarded_is_private=guarded == "private",
                max_ttl=checked_limit(max_ttl),
                negative_ttl=optional_seconds(negative_ttl, "negative_ttl"),
            ),
            enabled=enabled,
            off=why_off(enabled),
            debug=debug,
            schema_name=schema_name,
            trusted=checked_classes(trusted_extensions),
            shares_root_value=root_value == "shared",
            ignored_request_extensions=ignored,
            varied_request_extensions=in_keys,
            plan_bytes=plan_bytes,
            stale_if_error=stale_if_error,
            cacheable=cacheable,
            sightings=None if store_after == 1 else Sightings(),
            invalidation=InvalidationOptions(
                reach=invalidate_on_mutation,
                on_commit=on_commit,
                again_after=optional_seconds(invalidate_again, "invalidate_again"),
            ),
            headers=header_options if headers else None,
            honours_requests=honours,
            verification=Verification(verify) if callable(verify) or verify else None,
        )
        self._adopting = Adopting(self._options)

    def __call__(self) -> SchemaExtension:
        """Return the extension of one request; Strawberry calls this."""
        return RequestHooks(self._options, self._adopting)

    def __repr__(self) -> str:
        """Return a text that names the cache, and tells nothing of a request."""
        return f"ResponseCacheExtension({self._options.cache!r})"

    @property
    def execution_context(self) -> NoReturn:
        """Raise: this object outlives requests, so it has no execution context."""
        raise CacheConfigurationError(_AS_IT_IS)

    @execution_context.setter
    def execution_context(self, _: object) -> None:
        # Strawberry sets it on the return value of a factory: a lambda returned this object.
        raise CacheConfigurationError(_AS_IT_IS)

    @property
    def faults(self) -> int:
        """How many faults of this package were caught in this process; each request was answered.

        A fault is an error in the cache's own code. Each is also logged.
        """
        return faults.count

    def check(self, schema: BaseSchema) -> tuple[str, ...]:
        """Check every annotation of a schema. Call it once at start.

        Without this call, mistakes are logged as one ERROR when the schema is first used, and its requests
        are answered without the cache.

        Args:
            schema: A schema with which this extension is registered.

        Returns:
            Notes: what is no mistake, but keeps the schema from being cached as its annotations say, such as
            PRIVATE fields without ``session=``, a ``resolve`` hook of another extension, or that no field has
            a ttl. Without this call, they are logged as WARNINGs when the schema is first used.

        Raises:
            CacheConfigurationError: If there are mistakes, or if this extension is not registered with the schema. The
                message lists all mistakes, each with its coordinate.

        Example:
            >>> import strawberry
            >>> from strawberry_response_cache import ResponseCache, cache_control
            >>> @strawberry.type
            ... class Query:
            ...     @cache_control(ttl=60, vary=["locale"])
            ...     @strawberry.field
            ...     def motto(self) -> str:
            ...         return "once"
            >>> cache = ResponseCache.from_url("memory://", prefix="doc")
            >>> extension = ResponseCacheExtension(cache, tenant=None, vary={"locale": lambda _: "en"})
            >>> extension.check(strawberry.Schema(Query, extensions=[extension]))
            ()
        """
        if self not in getattr(schema, "extensions", ()):
            msg = f"This extension is not registered with the schema. {_AS_IT_IS}"
            raise CacheConfigurationError(msg)
        adopted = self._adopting.adopted(schema)
        raise_mistakes(adopted.mistakes)
        around = problem_around(schema, self._options)
        before = () if around is None else (f"Nothing of this schema is cached. {around.advice}",)
        return (*before, *(note.text for note in adopted.notes))


# `help()` would show the arguments of `__new__`.
_parameters = [*inspect.signature(ResponseCacheExtension.__init__).parameters.values()][1:]
ResponseCacheExtension.__signature__ = inspect.Signature(_parameters)
