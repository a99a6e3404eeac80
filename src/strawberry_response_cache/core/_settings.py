"""The settings of the core, each with its unit, its default and the reason for it."""

import inspect
import os
import textwrap
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Self, TypedDict

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from strawberry_response_cache.core._duration import MAX_SECONDS
from strawberry_response_cache.core._environment import ENVIRONMENT_PREFIX, NO_SETTINGS
from strawberry_response_cache.core._errors import CacheConfigurationError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class SettingsByName(TypedDict, total=False):
    """The settings as keyword arguments; `CacheSettings` documents each."""

    lease: float
    wait_budget: float
    read_deadline: float
    connect_deadline: float
    invalidate_deadline: float
    max_connections: int
    breaker_failures: int
    breaker_seconds: float
    detect_restarts: bool
    early_refresh: float
    jitter: float
    stale: float
    strict: bool
    compress_above: int
    max_entry_bytes: int
    max_tags: int
    max_background: int
    max_flights: int
    max_waiting: int
    max_queued_invalidations: int
    slots_per_tenant: int
    confirmed_bytes: int
    local_bytes: int
    local_ttl: float
    local_max_lag: float
    operation_names: int


class CacheSettings(BaseModel):
    """The settings of a `ResponseCache`; all durations are in seconds. Every setting has a default.

    Raises:
        CacheConfigurationError: If a value is out of range, a name is unknown, or ``wait_budget`` is shorter
            than ``lease``.

    Example:
        >>> settings = CacheSettings(lease=5)
        >>> settings.lease, settings.wait_budget
        (5.0, 10.0)
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    lease: float = Field(default=10.0, ge=0.1, le=3600)
    """How long a crashed process keeps others from generating its key. A running generator renews its lease
    after a third of this time, so a slow one does not lose it."""

    wait_budget: float = Field(default=10.0, ge=0.1, le=7200)
    """How long a caller, or a whole GraphQL operation, waits for others that generate. After that it
    generates without storing. It must be at least ``lease``, so that callers wait until the lease of a
    crashed process has expired."""

    read_deadline: float = Field(default=0.1, gt=0, le=60)
    """How long an answer of Redis may take, from sending on and without connecting. After that the generator
    runs. The default is ten times a slow round trip inside a data centre, and users do not notice it."""

    connect_deadline: float = Field(default=1.0, gt=0, le=60)
    """How long connecting may take, with the TLS handshake. Reads wait for a connection no longer than for an
    answer, while connecting goes on in the background."""

    invalidate_deadline: float = Field(default=2.0, gt=0, le=60)
    """How long an invalidation may take before it raises or is queued. It is longer than ``read_deadline``,
    because a lost invalidation serves old data for minutes and a lost hit costs milliseconds."""

    max_connections: int = Field(default=8, ge=1, le=1024)
    """Batches in flight to Redis at once, for each event loop and for all threads. Calls that arrive meanwhile
    share the next batch of the event loop; threads wait for a connection."""

    breaker_failures: int = Field(default=5, ge=1, le=1_000_000)
    """Failures of a server in a row after which the cache stops reading from it (a circuit breaker). Generators
    run then. One of the failed calls must have been sent after the first failure was known, so that one pause
    of the server is not enough."""

    breaker_seconds: float = Field(default=1.0, gt=0, le=3600)
    """How long the cache does not ask a failed server, before it tries one call at a time."""

    detect_restarts: bool = True
    """Whether entries from before a restart or a failover of the server are misses. Both can lose
    invalidations. Turn it off only behind a proxy that sends one connection to several servers."""

    early_refresh: float = Field(default=1.0, ge=0, le=100)
    """How early an entry is refreshed before it expires (the beta of XFetch,
    https://www.vldb.org/pvldb/vol8/p886-vattani.pdf). At 1, one caller refreshes it about as long before as
    generating it took. 0 waits until it expires."""

    jitter: float = Field(default=0.0, ge=0, le=1)
    """The largest share of a ttl, from 0 to 1, that is cut off at random, so that values that were stored
    together do not expire together. The default is 0, because early refresh spreads busy keys already."""

    stale: float = Field(default=0.0, ge=0, le=MAX_SECONDS)
    """How long after its ttl a value may be served while it is refreshed, for calls without ``stale``. RFC 5861
    calls this ``stale-while-revalidate`` and ``stale-if-error``."""

    strict: bool = True
    """Whether a value that cannot be stored raises `CacheSerializationError`. If False, the value is returned
    without being stored, and a line is logged."""

    compress_above: int = Field(default=64 * 1024, ge=0)
    """Payloads with more bytes are compressed, if that makes them smaller. For smaller payloads, compressing
    takes more time than the network saves."""

    max_entry_bytes: int = Field(default=4 * 1024 * 1024, ge=1, le=512 * 1024 * 1024)
    """The largest payload, in bytes, that is stored or unpacked. A larger value is generated each time, which
    costs less than keeping it in Redis."""

    max_tags: int = Field(default=200_000, ge=1_000, le=10_000_000)
    """How many invalidated tags Redis keeps for each tenant. Above that, the oldest are dropped, and entries
    from before their invalidation become misses. A tag takes about 60 bytes; the default about 12 MB."""

    max_background: int = Field(default=16, ge=0, le=100_000)
    """Background refreshes at once, for each event loop and for all threads. Above that, the old value is
    served and a later caller refreshes it."""

    max_flights: int = Field(default=100_000, ge=1)
    """Runs of generators that others can join, for each event loop and for all threads. Above that, new runs
    cannot be joined. The default is more than a healthy process reaches."""

    max_waiting: int = Field(default=100_000, ge=0)
    """Callers that wait for another caller's run at once, for each event loop and for all threads. Above that,
    they generate without storing. With 0 no caller waits."""

    max_queued_invalidations: int = Field(default=10_000, ge=0, le=10_000_000)
    """Queued tags that are kept while Redis is down. Above that, the queue becomes one invalidation of all
    entries."""

    slots_per_tenant: int = Field(default=1, ge=1, le=64)
    """Over how many slots of a cluster the entries of one tenant are spread. An invalidation runs two scripts
    for each slot. All processes must have the same number, because it is part of each key."""

    confirmed_bytes: int = Field(default=32 * 1024 * 1024, ge=0)
    """Bytes of entries that this process keeps after it read them. Each hit still asks Redis whether the entry
    counts, but an entry that has not changed is not transferred and unpacked again. 0 keeps none."""

    local_bytes: int = Field(default=0, ge=0)
    """Bytes of entries to keep in this process's memory. 0, the default, keeps none: with local memory, an
    invalidation by another process takes up to `local_max_lag` to arrive."""

    local_ttl: float = Field(default=60.0, gt=0, le=MAX_SECONDS)
    """The longest time that an entry stays in local memory; never longer than its ttl."""

    local_max_lag: float = Field(default=1.0, ge=0.1, le=60)
    """How long local memory is used after the last message from the server. This is the longest delay of an
    invalidation by another process."""

    operation_names: int = Field(default=0, ge=0, le=1000)
    """How many GraphQL operations `ResponseCache.statistics` and metrics count each by its name. The
    first names that come are counted so, and the rest together as ``_other``. The default is 0, because clients
    choose the names, and each makes eight time series."""

    def __init__(self, **values: object) -> None:
        """Check the values; unknown names are refused."""
        fill(self, values, "CacheSettings", str)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the settings from environment variables such as ``RESPONSE_CACHE_LEASE``.

        Args:
            environ: The variables; None, the default, takes ``os.environ``. A setting without a variable
                has its default.

        Returns:
            The settings.

        Raises:
            CacheConfigurationError: If a value is out of range, or a variable with the prefix
                ``RESPONSE_CACHE_`` is not a setting. ``RESPONSE_CACHE_URL``, ``RESPONSE_CACHE_PREFIX`` and
                ``RESPONSE_CACHE_ENABLED`` have a meaning of their own and are ignored here. The message names
                the variable.

        Example:
            >>> CacheSettings.from_environment({"RESPONSE_CACHE_LEASE": "5"}).lease
            5.0
        """
        variables = os.environ if environ is None else environ
        values = {
            name.removeprefix(ENVIRONMENT_PREFIX).lower(): value
            for name, value in variables.items()
            if name.startswith(ENVIRONMENT_PREFIX) and name not in NO_SETTINGS
        }
        settings = cls.__new__(cls)
        fill(settings, values, "The environment", _variable_of)
        return settings


def fill(
    settings: CacheSettings,
    values: Mapping[str, object],
    source: str,
    name_of: Callable[[object], str],
) -> None:
    """Check the values of settings and set them.

    Args:
        settings: The settings, without values yet.
        values: The values by name.
        source: Where they come from, for the message, which quotes none of them.
        name_of: Returns what a setting is called there.

    Raises:
        CacheConfigurationError: If there are mistakes; the message lists all.
    """
    try:
        BaseModel.__init__(settings, **values)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(name_of, problem['loc']))}: {_text_of_problem(problem)}"
            for problem in error.errors(include_url=False, include_input=False)
        )
        msg = f"{source}: {problems}"
        raise CacheConfigurationError(msg) from None
    if settings.wait_budget < settings.lease:
        msg = (
            f"{source}: {name_of('wait_budget')} is shorter than {name_of('lease')}; callers must wait at least "
            "until the lease of a crashed process has expired"
        )
        raise CacheConfigurationError(msg)


def _variable_of(setting: object) -> str:
    return f"{ENVIRONMENT_PREFIX}{str(setting).upper()}"


def _text_of_problem(problem: "ErrorDetails") -> str:
    """Return the text of a problem; it quotes no value."""
    return "there is no such setting" if problem["type"] == "extra_forbidden" else problem["msg"]


def _with_each_setting(doc: str | None) -> str | None:
    """Return the docstring of `CacheSettings` with each setting, so that `help()` shows them."""
    if doc is None:  # python -OO
        return None
    text = inspect.cleandoc(doc)
    lines = []
    for name, field in CacheSettings.model_fields.items():
        said = f"    {name}: {field.description or ''} The default is {field.default!r}."
        lines += textwrap.wrap(said, 100, subsequent_indent=" " * 8)
    before, after = text.split("\n\nRaises:")
    return "\n".join([before, "", "Attributes:", *lines, "", f"Raises:{after}"])


CacheSettings.__doc__ = _with_each_setting(CacheSettings.__doc__)
