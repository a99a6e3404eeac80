"""The configuration of the extension, checked once."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from graphql import ExecutionResult

from strawberry_response_cache.core import ResponseCache
from strawberry_response_cache.core._environment import SWITCH, is_switched_on
from strawberry_response_cache.core._interval import Intervals
from strawberry_response_cache.core._log import logger
from strawberry_response_cache.graphql._report import Report
from strawberry_response_cache.graphql._sightings import Sightings
from strawberry_response_cache.graphql._verify import Verification
from strawberry_response_cache.graphql.http.rules import HeaderOptions
from strawberry_response_cache.graphql.policy.demands import Defaults
from strawberry_response_cache.graphql.policy.reasons import Problem, Reason

Identity: TypeAlias = str | int | UUID | None
TenantFunction: TypeAlias = Callable[[Any], Identity | Awaitable[Identity]]
SessionFunction: TypeAlias = Callable[[Any], Identity | Awaitable[Identity]]
VaryFunction: TypeAlias = Callable[[Any], Any]
Switch: TypeAlias = bool | Callable[[Any], bool]
Veto: TypeAlias = Callable[[ExecutionResult, Any], bool]

Reach: TypeAlias = Literal["lists", "entities", "types"] | None
Watcher: TypeAlias = Callable[[Report], None]
"""Gets the report of each operation when it begins; the report is filled in while the operation runs."""

OnCommit: TypeAlias = Callable[[Callable[[], Awaitable[None]]], object]

_MOST_WARNINGS: Final = 1_000
_WITHOUT: Final = {"debug": "debug counts as off", "verify": "the request is not verified"}
"""What the log says follows if a function returns nothing usable, by the argument of the extension."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidationOptions:
    """How mutations invalidate; see `ResponseCacheExtension`.

    Attributes:
        reach: ``invalidate_on_mutation``.
        on_commit: Receives a function that invalidates, and calls it after the transaction.
        again_after: Seconds after which the invalidation is repeated; None for never.
    """

    reach: Reach = "lists"
    on_commit: OnCommit | None = None
    again_after: float | None = None


@dataclass(slots=True, kw_only=True)
class Options:
    """The extension's configuration; see `ResponseCacheExtension`.

    Attributes:
        off: Why nothing is cached in this process, by the argument ``enabled`` or by the environment; None
            if the cache is on, or if ``enabled`` is a function.
        sightings: The keys that were asked for before, for ``store_after=2``; None if everything is stored at once.
        headers: The options of HTTP headers; None if these are turned off.
        honours_requests: ``honour_request_cache_control``.
        verification: What ``verify`` says; None if nothing is verified.
        watchers: Functions that receive the report of each operation; there are none outside of tests.
        is_fronted: Whether a `ResponseCacheMiddleware` answers hits in front of the application.
        says_nothing: Whether this package adds nothing to the ``extensions`` of any response.
    """

    cache: ResponseCache
    tenant: TenantFunction | None
    session: SessionFunction | None
    vary: Mapping[str, VaryFunction]
    defaults: Defaults
    enabled: Switch
    off: Problem | None
    debug: Switch
    schema_name: str
    trusted: frozenset[object]
    shares_root_value: bool
    ignored_request_extensions: frozenset[str]
    varied_request_extensions: frozenset[str]
    plan_bytes: int
    stale_if_error: bool
    cacheable: Veto | None
    sightings: Sightings | None
    invalidation: InvalidationOptions
    headers: HeaderOptions | None = None
    honours_requests: Switch = False
    verification: Verification | None = None
    watchers: tuple[Watcher, ...] = ()
    is_fronted: bool = False
    says_nothing: bool = field(init=False)
    warnings: "Warnings" = field(default_factory=lambda: Warnings(), repr=False)  # noqa: PLW0108 - defined below

    def __post_init__(self) -> None:
        """Set what follows from the other attributes."""
        self.says_nothing = self.debug is False and not (
            self.headers and self.headers.tells_gateways
        )

    @property
    def notes_fields(self) -> bool:
        """Whether the cache notes what it does for each field: for ``debug``, or for watchers."""
        return self.debug is not False or bool(self.watchers)


def why_off(enabled: Switch) -> Problem | None:
    """Return why nothing is cached in this process, and log it if the environment says so; None if the cache is on.

    Raises:
        CacheConfigurationError: If the switch in the environment is neither on nor off.
    """
    if not is_switched_on():
        logger.warning("The cache is off: %s in the environment says so.", SWITCH)
        return Problem(
            Reason.DISABLED,
            None,
            f"{SWITCH} in the environment turned the cache off when the extension was created; unset it, or set "
            "it to 1, and start the process again.",
        )
    return Problem(Reason.DISABLED) if enabled is False else None


def options_of(schema: object) -> Options | None:
    """Return the configuration of a schema's extension; None if it has none."""
    return next(iter(all_options_of(schema)), None)


def all_options_of(schema: object) -> list[Options]:
    """Return the configurations of all extensions of this package that a schema has."""
    found = [getattr(each, "_options", None) for each in getattr(schema, "extensions", ())]
    return [options for options in found if isinstance(options, Options)]


class Warnings:
    """The log lines of one extension: once per field, or once per interval for each function.

    Args:
        owner: Who has the functions that the lines are about, in the words of the lines.
    """

    def __init__(self, owner: str = "The extension's") -> None:
        self._owner = owner
        self._fields: set[str] = set()
        self._intervals = Intervals()

    def unusable(self, name: str, function: object, kind: str) -> None:
        """Log that a function of the context raised or returned nothing usable."""
        if (count := self._intervals.counted(name)) is None:
            return
        logger.error(
            "%s function %s (%s) gave nothing usable (%s%s); %s.",
            self._owner,
            name,
            _place_of(function),
            kind,
            count.words,
            _WITHOUT.get(name, "the request is not cached"),
            extra={
                "response_cache.function": name,
                "response_cache.failures": count.number,
                "error.type": kind,
            },
        )

    def wrong_scope(self, coordinate: str) -> None:
        """Log that two sessions share an entry, and get different answers."""
        if (count := self._intervals.counted(f"scope of {coordinate}")) is None:
            return
        logger.error(
            "%s gave a session another answer than the one that another session stored for all%s; the field, or what "
            "holds it, is PUBLIC and should be PRIVATE or vary, unless its data has changed meanwhile.",
            coordinate,
            count.words.replace("failures", "times"),
            extra={"response_cache.field": coordinate, "response_cache.failures": count.number},
        )

    def silent_switch(self, function: object) -> None:
        """Log that ``enabled`` returned None."""
        if (count := self._intervals.counted("enabled")) is None:
            return
        logger.warning(
            "The extension's function enabled (%s%s) returned None, which counts as off; return True or False.",
            _place_of(function),
            count.words,
            extra={"response_cache.function": "enabled", "response_cache.failures": count.number},
        )

    def unfilled_tag(self, coordinate: str, error: object) -> None:
        """Log that a tag of a field's hint could not be filled."""
        if (count := self._intervals.counted(f"tags of {coordinate}")) is None:
            return
        logger.error(
            "A tag of cache_control on %s could not be filled (%s%s); not cached.",
            coordinate,
            error,
            count.words,
            extra={"response_cache.field": coordinate, "response_cache.failures": count.number},
        )

    def tags_left_out(self, number: int) -> None:
        """Log that a response has more tags than fit into its headers for CDNs."""
        if (count := self._intervals.counted("cdn_tags")) is None:
            return
        logger.warning(
            "%d tags of a response do not fit into the headers of cdn_tags (%s). Every invalidation of its tenant purges "
            "it from caches in front.",
            number,
            count.words.removeprefix(", ") or "1 response",
            extra={"response_cache.tag.count": number, "response_cache.failures": count.number},
        )

    def unusable_on_commit(self, kind: str, wrong: str) -> None:
        """Log that ``on_commit`` does not defer an invalidation."""
        if (count := self._intervals.counted("on_commit")) is None:
            return
        logger.error(
            "The extension's on_commit %s (%s%s); the invalidation is not deferred.",
            wrong,
            kind,
            count.words,
            extra={"error.type": kind, "response_cache.failures": count.number},
        )

    def lost_invalidation(self, kind: str, why: str) -> None:
        """Log that what a mutation changed is not invalidated.

        Args:
            kind: The type of the error; empty if there is none.
            why: Why.
        """
        if (count := self._intervals.counted(f"lost: {why}")) is None:
            return
        logger.error(
            "Nothing was invalidated after a mutation, because %s%s; old responses are served until their ttl "
            "ends.",
            why,
            count.words,
            extra={"response_cache.failures": count.number}
            | ({"error.type": kind} if kind else {}),
        )

    def parent_key(self, coordinate: str, kind: str) -> None:
        """Log, once per field, that no key could be made of its parent."""
        if self._is_first(f"parent of {coordinate}"):
            logger.error(
                "The key of the parent of %s failed (%s); the field has no entry of its own.",
                coordinate,
                kind,
                extra={"response_cache.field": coordinate},
            )

    def missing_session(self, coordinate: str, advice: str) -> None:
        """Log, once per field, that it is PRIVATE and a request had no session."""
        if self._is_first(coordinate):
            logger.warning(
                "A response without a session is not cached. %s",
                advice,
                extra={"response_cache.field": coordinate},
            )

    def unknown_extensions(self) -> None:
        """Log, once, that a client sends extensions; their names come from the client and are left out."""
        if self._is_first("request extensions"):
            logger.warning(
                "A request with extensions that are named in neither ignore_request_extensions nor "
                "vary_request_extensions is not cached. debug=True on the extension names one in the response."
            )

    def everything_bypasses(self, problem: Problem) -> None:
        """Log, once, that code around all operations keeps them from being cached."""
        if self._is_first(problem.advice):
            logger.warning("Nothing of this schema is cached. %s", problem.advice)

    def without_event_loop(self) -> None:
        """Log, once, that an operation is awaited outside of asyncio."""
        if self._is_first("no event loop"):
            logger.warning(
                "An operation is awaited outside of an asyncio event loop. Redis is called as in execute_sync, "
                "and an operation with async resolvers is not stored."
            )

    def _is_first(self, what: str) -> bool:
        is_first = what not in self._fields and len(self._fields) < _MOST_WARNINGS
        self._fields.add(what) if is_first else None
        return is_first


def _place_of(function: object) -> str:
    """Return where a function is defined: module, name and line."""
    function = getattr(function, "func", function)  # of a functools.partial
    module = getattr(function, "__module__", type(function).__module__)
    name = getattr(function, "__qualname__", type(function).__qualname__)
    code = getattr(function, "__code__", None)
    line = "" if code is None else f", line {code.co_firstlineno}"
    return f"{module}.{name}{line}"
