"""What a request's context says: tenant, session, varied values. Whatever is unclear, fails closed."""

import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from graphql import OperationDefinitionNode

from strawberry_response_cache.core import CacheConfigurationError, ResponseCache
from strawberry_response_cache.core._keys import checked_tenant, plain_identity
from strawberry_response_cache.core._observer import Subject
from strawberry_response_cache.graphql._key import UnkeyableError, canonical
from strawberry_response_cache.graphql._policy import Defaults, Policy
from strawberry_response_cache.graphql._reasons import Problem, Reason

logger = logging.getLogger("strawberry_response_cache")

Tenant: TypeAlias = Callable[[Any], str | int | UUID | None]
Session: TypeAlias = Callable[[Any], str | int | UUID | None]
Switch: TypeAlias = bool | Callable[[Any], bool]


Reach: TypeAlias = Literal["lists", "entities", "types"] | None
OnCommit: TypeAlias = Callable[[Callable[[], None]], object]


@dataclass(frozen=True, slots=True)
class PurgeOptions:
    """How mutations purge; see `ResponseCacheExtension`.

    Attributes:
        reach: What of the objects that a result holds.
        on_commit: Takes what purges, to be called when the user's transaction is over.
        again_after: Seconds after which it is done once more; None for never.
    """

    reach: Reach = "lists"
    on_commit: OnCommit | None = None
    again_after: float | None = None


@dataclass(frozen=True, slots=True)
class Who:
    """For whom an operation is answered: the tenant's cache, the session, the varied values."""

    cache: ResponseCache
    session: str | None = field(repr=False)
    varied: Mapping[str, str] = field(repr=False)

    @property
    def visibility(self) -> Literal["public", "private"]:
        """Whether it is for everyone of the tenant, or for one session."""
        return "public" if self.session is None else "private"


class _UnclearError(Exception):
    """A function of the context raised or returned nothing usable."""

    def __init__(self, name: str, kind: type) -> None:
        super().__init__(name, kind.__qualname__)
        logger.error(
            "The extension's function %s gave nothing usable (%s); not cached.",
            name,
            kind.__qualname__,
            extra={"response_cache.function": name, "error.type": kind.__qualname__},
        )


_UNCLEAR: Final = Problem(
    Reason.CONTEXT_FAILED,
    None,
    "enabled, tenant, session or vary gave nothing usable for this request; the log says which.",
)


class RequestContext:
    """The extension's functions, applied to the context of one request.

    Args:
        options: The extension's configuration.
        context: The context that the request brought, of any kind.
    """

    def __init__(self, options: "Options", context: object) -> None:
        self._options = options
        self._context = context
        self.cache_name = options.cache._keyspace.prefix  # noqa: SLF001 - a client of the port
        self.observer = options.cache._engine.observer  # noqa: SLF001 - a client of the port

    def subject(
        self,
        scope: Literal["operation", "field"],
        operation: OperationDefinitionNode,
        visibility: Literal["public", "private"] | None = None,
        field: str | None = None,
    ) -> Subject:
        """Return on whose behalf the store is called."""
        name = None if operation.name is None else operation.name.value
        kind = operation.operation.value
        return Subject(self.cache_name, scope, visibility, kind, name, field)

    def switched_off(self) -> Problem | None:
        """Return a problem unless the cache is on."""
        try:
            if self._switch("enabled", self._options.enabled):
                return None
        except _UnclearError:
            return _UNCLEAR
        return Problem(Reason.DISABLED, None, "The extension's enabled= says no.")

    def warn_of_parent(self, coordinate: str, kind: str) -> None:
        """Log once per field that the key of its parent could not be told."""
        self._options.warn_of_parent(coordinate, kind)

    def may_be_debugged(self) -> bool:
        """Whether `is_debugged` may say so in the end."""
        return self._options.debug is not False

    def is_debugged(self) -> bool:
        """Whether the response says what the cache did; not where that cannot be told."""
        try:
            return self._switch("debug", self._options.debug)
        except _UnclearError:
            return False

    def identify(self, policy: Policy) -> Who | Problem:
        """Return for whom an operation of this policy is answered, or why that is unclear."""
        options = self._options
        cache = options.cache
        try:
            if options.tenant is not None:
                cache = cache.for_tenant(self._tenant(options.tenant))
            session = self._session(options.session) if policy.private_by else None
            varied = {
                name: self._canonical(
                    f"vary.{name}", self._call(f"vary.{name}", options.vary[name])
                )
                for name in sorted(policy.vary)
            }
        except _UnclearError:
            return _UNCLEAR
        if policy.private_by and session is None:
            return self.without_session(policy.private_by)
        return Who(cache, session, varied)

    def tenant_cache(self) -> ResponseCache | None:
        """Return the cache of this request's tenant; None if that cannot be told."""
        options = self._options
        if options.tenant is None:
            return options.cache
        try:
            return options.cache.for_tenant(self._tenant(options.tenant))
        except _UnclearError:
            return None

    def session(self) -> str | Problem | None:
        """Return the session as it stands in keys, for what turned PRIVATE while it was generated."""
        try:
            return self._session(self._options.session)
        except _UnclearError:
            return _UNCLEAR

    def without_session(self, coordinate: str | None) -> Problem:
        """Return that a response is PRIVATE and there is nobody to keep it for."""
        options = self._options
        options.warn_of_missing_session(coordinate or "")
        return Problem(
            Reason.PRIVATE_WITHOUT_SESSION,
            coordinate,
            (f"{coordinate} is PRIVATE" if coordinate else "A resolver made the response PRIVATE")
            + ", and "
            + (
                "the extension has no session=; give it a function that identifies the user."
                if options.session is None
                else "session= found no user in this request."
            ),
        )

    def _tenant(self, function: Tenant) -> str:
        name = "tenant"
        tenant = self._call(name, function)
        try:
            return checked_tenant(tenant)
        except CacheConfigurationError:
            raise _UnclearError(name, type(tenant)) from None

    def _session(self, function: Session | None) -> str | None:
        """Return the session as it stands in keys; None, empty and false values are no session."""
        if function is None:
            return None
        name = "session"
        session = self._call(name, function)
        if session is None or session is False:
            return None
        text = plain_identity(session)
        if text is None:
            raise _UnclearError(name, type(session))
        if text in {"", "0"}:
            return None
        kind = next(kind for kind in (str, int, UUID) if isinstance(session, kind))
        return f"{kind.__name__}:{text}"

    def _canonical(self, name: str, value: object) -> str:
        try:
            return canonical(value)
        except UnkeyableError:
            raise _UnclearError(name, type(value)) from None

    def _switch(self, name: str, switch: Switch) -> bool:
        return switch if isinstance(switch, bool) else self._call(name, switch) is True

    def _call(self, name: str, function: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - whatever it returns
        try:
            value = function(self._context)
        except Exception as error:  # noqa: BLE001 - the user's own function, which may raise anything
            # What it would have said decides who sees what.
            raise _UnclearError(name, type(error)) from None
        if inspect.iscoroutine(value):
            value.close()
            raise _UnclearError(name, type(value))
        return value


class Options:
    """The extension's configuration, checked once; see `ResponseCacheExtension`."""

    def __init__(
        self,
        *,
        cache: ResponseCache,
        tenant: Tenant | None,
        session: Session | None,
        vary: Mapping[str, Callable[[Any], Any]],
        defaults: Defaults,
        enabled: Switch,
        debug: Switch,
        schema_name: str,
        trusted: frozenset[object],
        shares_root_value: bool,
        purges: PurgeOptions,
    ) -> None:
        self.cache = cache
        self.tenant = tenant
        self.session = session
        self.vary = vary
        self.defaults = defaults
        self.enabled = enabled
        self.debug = debug
        self.schema_name = schema_name
        self.trusted = trusted
        self.shares_root_value = shares_root_value
        self.purges = purges
        self._warned: set[str] = set()

    def warn_of_parent(self, coordinate: str, kind: str) -> None:
        """Log once per field that the key of its parent could not be told."""
        if (what := f"parent of {coordinate}") not in self._warned:
            self._warned.add(what)
            logger.error(
                "The key of a field's parent could not be told (%s); not cached by itself.",
                kind,
                extra={"response_cache.field": coordinate},
            )

    def warn_of_missing_session(self, coordinate: str) -> None:
        """Log once per field that PRIVATE data met a request without a session."""
        if coordinate not in self._warned:
            self._warned.add(coordinate)
            logger.warning(
                "A PRIVATE response is not cached for a request without a session.",
                extra={"response_cache.field": coordinate},
            )
