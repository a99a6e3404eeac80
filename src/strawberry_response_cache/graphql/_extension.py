"""`ResponseCacheExtension`: the configured object that is registered with a schema as it is."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, NamedTuple, NoReturn

from strawberry.extensions import SchemaExtension
from strawberry.schema import BaseSchema
from strawberry.types import ExecutionContext
from strawberry.utils.await_maybe import AwaitableOrValue

from strawberry_response_cache.core import CacheConfigurationError, ResponseCache
from strawberry_response_cache.core._duration import Duration, seconds
from strawberry_response_cache.graphql._context import (
    OnCommit,
    Options,
    PurgeOptions,
    Reach,
    Session,
    Switch,
    Tenant,
)
from strawberry_response_cache.graphql._documents import Documents, Preparation
from strawberry_response_cache.graphql._executor import announced, install
from strawberry_response_cache.graphql._plan import Plans, Setting
from strawberry_response_cache.graphql._policy import Defaults
from strawberry_response_cache.graphql._rules import SchemaRules
from strawberry_response_cache.graphql._run import Run

_ADOPTED = "_response_cache"

_AS_IT_IS = (
    "Register the ResponseCacheExtension as it is, not in a lambda:\n\n"
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
            service without tenants.
        session: Returns what identifies the user of a request's context, for PRIVATE data; what is
            None, empty or false is no session, and such a request's PRIVATE responses are not cached.
        vary: Names and functions of the context; a field names in ``cache_control(vary=[...])``
            which of these values it depends on.
        default_ttl: Seconds for objects without a hint, as in Apollo's server; None, the default,
            caches only what carries a hint.
        enabled: Whether the cache is on: a bool, or a function of the context. With False, mutations
            purge nothing either; with a function they always do.
        debug: Whether responses carry ``extensions.responseCache``, which says what the cache did
            and why: a bool, or a function of the context.
        schema_name: Keeps apart two schemas that share a cache's prefix.
        guarded: ``"private"`` keeps what permission classes below a cached field let through for the
            session that they let through; ``"uncacheable"`` caches nothing that holds such a field.
        trusted_extensions: Classes of field extensions, of schema extensions with a ``resolve`` hook
            and of executors that hand on what resolvers return, for every request alike.
        root_value: ``"shared"`` if the ``root_value`` is the same for every request; with
            ``"uncached"``, requests that bring one are not cached.
        invalidate_on_mutation: What a mutation purges of the objects that its result holds:
            ``"entities"`` purges responses that hold these objects, ``"lists"``, the default, also
            those with a list of their types, so that a created object appears, ``"types"``
            everything with an object of their types, and None nothing.
        on_commit: Takes a function that purges, and calls it when the transaction of a mutation is
            over, such as Django's ``transaction.on_commit``; None purges before the mutation answers.
        purge_again: Seconds after which a mutation's purge is done once more, for database replicas
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

    def __init__(
        self,
        cache: ResponseCache,
        *,
        tenant: Tenant | None,
        session: Session | None = None,
        vary: Mapping[str, Callable[[Any], Any]] | None = None,
        default_ttl: Duration | None = None,
        enabled: Switch = True,
        debug: Switch = False,
        schema_name: str = "",
        guarded: Literal["private", "uncacheable"] = "private",
        trusted_extensions: Iterable[object] = (),
        root_value: Literal["uncached", "shared"] = "uncached",
        invalidate_on_mutation: Reach = "lists",
        on_commit: OnCommit | None = None,
        purge_again: Duration | None = None,
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
        _require_one_of(("private", "uncacheable"), "guarded", guarded)
        _require_one_of(("uncached", "shared"), "root_value", root_value)
        if invalidate_on_mutation is not None:
            reaches = ("lists", "entities", "types")
            _require_one_of(reaches, "invalidate_on_mutation", invalidate_on_mutation)
        _require(
            on_commit is None or callable(on_commit),
            "on_commit",
            on_commit,
            "a function that takes a function, such as transaction.on_commit",
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
            purges=PurgeOptions(
                invalidate_on_mutation,
                on_commit,
                None if purge_again is None else seconds(purge_again, "purge_again"),
            ),
        )
        self._lock = threading.Lock()

    def __call__(self) -> SchemaExtension:
        """Return the extension of one request; Strawberry calls this."""
        return _RequestExtension(self)

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

    def check(self, schema: BaseSchema) -> None:
        """Check every annotation of a schema, such as once at start.

        Args:
            schema: A schema with which this extension is registered.

        Raises:
            CacheConfigurationError: If annotations are wrong; it lists all of them, each with its
                coordinate. The same is raised when the schema is first used.
        """
        if self not in getattr(schema, "extensions", ()):
            msg = f"This extension is not registered with the schema. {_AS_IT_IS}"
            raise CacheConfigurationError(msg)
        self._adopt(schema)

    def _adopt(self, schema: BaseSchema) -> "Adopted":
        """Return what is known of a schema; its rules are worked out and its executor set the first time."""
        adopted: Adopted | None = vars(schema).get(_ADOPTED)
        if adopted is None:
            others = [
                e
                for e in getattr(schema, "extensions", ())
                if isinstance(e, ResponseCacheExtension)
            ]
            if len(others) > 1:
                msg = "A schema takes one ResponseCacheExtension; two would answer for each other."
                raise CacheConfigurationError(msg)
            with self._lock:
                adopted = vars(schema).get(_ADOPTED)
                if adopted is None:
                    adopted = Adopted(Plans(setting_of(schema, self._options)), Documents())
                    install(schema)
                    # On the schema, whose types they hold: they go when it goes.
                    vars(schema)[_ADOPTED] = adopted
        return adopted


class Adopted(NamedTuple):
    """What is known of one schema, for all requests."""

    plans: Plans
    documents: Documents


def setting_of(
    schema: BaseSchema, options: Options | None, *, default_ttl: float | None = None
) -> Setting:
    """Work out the rules of a schema.

    Args:
        schema: A Strawberry schema.
        options: Those of its extension; None where it has none.
        default_ttl: Instead of the extension's, in seconds.

    Raises:
        CacheConfigurationError: If annotations are wrong, or the ttl is no duration.
    """
    executable = schema._schema  # type: ignore[attr-defined] # noqa: SLF001 - Strawberry's name for it
    rules = SchemaRules(
        executable,
        known_vary=None if options is None else options.vary,
        trusted=frozenset() if options is None else options.trusted,
        converts_exceptions=bool(getattr(schema, "exception_handlers", ())),
    )
    defaults = Defaults() if options is None else options.defaults
    if default_ttl is not None:
        defaults = replace(defaults, ttl=seconds(default_ttl, "default_ttl"))
    return Setting(executable, rules, defaults, "" if options is None else options.schema_name)


class _RequestExtension(SchemaExtension):
    """The part of the extension that lives for one request and only connects the others."""

    def __init__(self, extension: ResponseCacheExtension) -> None:
        self._extension = extension
        self._run: Run | None = None

    @property
    def execution_context(self) -> ExecutionContext:
        """Strawberry's execution context."""
        return self._execution_context

    @execution_context.setter
    def execution_context(self, context: ExecutionContext) -> None:  # pyright: ignore[reportIncompatibleVariableOverride] # Strawberry only assigns and reads it
        # Set before anything of the request runs: early enough to exchange the schema's executor.
        self._execution_context = context
        self._adopted = self._extension._adopt(context.schema)  # noqa: SLF001 - one module
        self._preparation = Preparation(self._adopted.documents, context)

    def on_parse(self) -> Iterator[None]:
        """Bring the parsed document, if the text was seen before."""
        self._preparation.parse()
        yield

    def on_validate(self) -> Iterator[None]:
        """Bring the verdict, if these rules judged that document before."""
        self._preparation.validate()
        yield

    def on_execute(self) -> Iterator[None]:
        """Announce the run to the executor that Strawberry builds next."""
        options = self._extension._options  # noqa: SLF001 - one module
        self._run = Run(options, self._adopted.plans, self._preparation, self._execution_context)
        with announced(self._run):
            yield

    def on_operation(self) -> Iterator[None]:
        """Purge what a mutation changed when it is over, whatever becomes of its answer.

        It is done once more when the answer is made: an extension around this one may commit
        what the mutation left in a session, and of a stream the answer was made before this.
        """
        try:
            yield
        finally:
            if self._run is not None:
                self._run.settle_early()

    def get_results(self) -> AwaitableOrValue[dict[str, Any]]:
        """Purge what a mutation changed, and say what the cache did, if the extension is debugged.

        Strawberry asks for this after the teardown of every extension, and before it answers.
        """
        run = self._run
        if run is not None and run.is_async:
            return self._settled(run)
        if run is not None:
            run.settle_sync()
        return self._said()

    async def _settled(self, run: Run) -> dict[str, Any]:
        await run.settle()
        return self._said()

    def _said(self) -> dict[str, Any]:
        said = None if self._run is None else self._run.for_people()
        return {} if said is None else {"responseCache": said}


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
