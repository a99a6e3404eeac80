"""Every number that the core decides by, with its default and the reason for it."""

import os
from collections.abc import Mapping
from typing import Self, TypedDict

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from strawberry_response_cache.core._duration import MAX_SECONDS
from strawberry_response_cache.core._errors import CacheConfigurationError

ENVIRONMENT_PREFIX = "RESPONSE_CACHE_"


class SettingsByName(TypedDict, total=False):
    """The settings as keyword arguments; see `CacheSettings`, where each is explained."""

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
    local_bytes: int
    local_ttl: float
    local_max_lag: float


class CacheSettings(BaseModel):
    """The settings of a `ResponseCache`; all durations are in seconds.

    Raises:
        CacheConfigurationError: If a value is out of range or a name is unknown.

    Example:
        >>> CacheSettings(lease=5).wait_budget
        10.0
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    lease: float = Field(default=10.0, ge=0.1, le=3600)
    """How long a crashed process can keep others from generating its key. The holder renews it at a
    third of its life, so a slow generator does not lose it."""

    wait_budget: float = Field(default=10.0, ge=0.1, le=7200)
    """How long a caller waits for another process to generate, before it generates for itself without
    storing. At least the lease, so that a waiter outlasts a leader that crashed."""

    read_deadline: float = Field(default=0.1, gt=0, le=60)
    """How long an answer of Redis may take, counted from sending and without connecting. Ten times a
    slow round trip inside a data centre, and a delay that a user does not notice when Redis hangs."""

    connect_deadline: float = Field(default=1.0, gt=0, le=60)
    """How long connecting may take, the TLS handshake included. Reads wait for a connection no longer than
    for an answer; connecting goes on beside them."""

    invalidate_deadline: float = Field(default=2.0, gt=0, le=60)
    """How long an invalidation is tried before it raises. Longer than a read: an invalidation that was lost is wrong
    for minutes, a hit that was lost costs milliseconds."""

    max_connections: int = Field(default=8, ge=1, le=1024)
    """Batches in flight to Redis at once, per event loop. What arrives meanwhile shares the next batch."""

    breaker_failures: int = Field(default=5, ge=1, le=1_000_000)
    """Failures of a server in a row after which it is not read any more. One of them must have been sent after
    the first was known, so that one pause of the server does not suffice."""

    breaker_seconds: float = Field(default=1.0, gt=0, le=3600)
    """How long a server that failed is left alone, before one call at a time tries it again."""

    detect_restarts: bool = True
    """Whether entries from before a restart or a failover of the server are misses. Invalidations may be
    lost in either. Off only behind a proxy that leads one connection to several servers."""

    early_refresh: float = Field(default=1.0, ge=0, le=100)
    """How eagerly an entry is made again before its end (the beta of XFetch): at 1, about as long
    before as generating it took, by one caller at a time. 0 waits for the end."""

    jitter: float = Field(default=0.0, ge=0, le=1)
    """The share of a ttl that may be cut off at random, so that what was stored together does not
    end together. Early refresh does the same for what is asked often; so 0."""

    stale: float = Field(default=0.0, ge=0, le=MAX_SECONDS)
    """How long past its ttl a value may be served while it is refreshed, where a call does not say."""

    strict: bool = True
    """Whether a value that cannot be stored raises `CacheSerializationError`. Without, it is returned
    unstored and logged: for a service that would rather be slow than fail."""

    compress_above: int = Field(default=64 * 1024, ge=0)
    """Payloads of more bytes are stored compressed, if that makes them smaller. Below, the time costs
    more than the network saves."""

    max_entry_bytes: int = Field(default=4 * 1024 * 1024, ge=1, le=512 * 1024 * 1024)
    """The largest payload that is stored, and the largest that is unpacked. A larger one costs Redis
    more than generating it again."""

    max_tags: int = Field(default=200_000, ge=1_000, le=10_000_000)
    """Invalidated tags that a tenant's tag table remembers. Beyond it the oldest are dropped, and entries
    from before they were invalidated are misses. 58 bytes a tag: about 12 MB."""

    max_background: int = Field(default=16, ge=0, le=100_000)
    """Refreshes in the background at once, per event loop or for all threads. Beyond it the next
    caller is asked."""

    max_flights: int = Field(default=100_000, ge=1)
    """Runs of generators that others may join, per event loop or for all threads. Beyond it, a new run
    is not joined. More than a process can have under way: a bound for one that went wrong."""

    max_waiting: int = Field(default=100_000, ge=0)
    """Callers that wait for another's run at once, per event loop or for all threads. Beyond it they
    generate for themselves, unstored. 0 lets nobody wait."""

    max_queued_invalidations: int = Field(default=10_000, ge=0, le=10_000_000)
    """Tags of queued invalidations that are remembered while Redis is away; beyond it, all entries go."""

    slots_per_tenant: int = Field(default=1, ge=1, le=64)
    """Slots of a cluster over which one tenant's entries go. An invalidation costs two scripts a slot. Every
    process says the same: the number is part of each key."""

    local_bytes: int = Field(default=0, ge=0)
    """Bytes of entries kept in this process's memory; 0 is off, since an invalidation by another process
    then takes up to `local_max_lag` to be seen here."""

    local_ttl: float = Field(default=60.0, gt=0, le=MAX_SECONDS)
    """How long an entry stays in local memory at most; never longer than Redis grants."""

    local_max_lag: float = Field(default=1.0, ge=0.1, le=60)
    """How long local memory is trusted after the server was last heard. The bound for how late an
    invalidation by another process is seen."""

    def __init__(self, **values: object) -> None:
        """Check the values; unknown names are refused."""
        try:
            super().__init__(**values)
        except ValidationError as error:
            problems = "; ".join(
                ": ".join(filter(None, (".".join(map(str, problem["loc"])), problem["msg"])))
                for problem in error.errors(include_url=False, include_input=False)
            )
            msg = f"CacheSettings: {problems}"
            raise CacheConfigurationError(msg) from None

    @model_validator(mode="after")
    def _waiting_outlasts_the_lease(self) -> Self:
        if self.wait_budget < self.lease:
            msg = (
                f"wait_budget ({self.wait_budget}) is shorter than lease ({self.lease}); "
                "a waiter must outlast the lease of a leader that crashed"
            )
            raise ValueError(msg)
        return self

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the settings from variables such as ``RESPONSE_CACHE_LEASE``.

        Args:
            environ: Where to read; the process's environment if None.

        Raises:
            CacheConfigurationError: If a value is out of range or a variable with the prefix names
                no setting.

        Example:
            >>> CacheSettings.from_environment({"RESPONSE_CACHE_LEASE": "5"}).lease
            5.0
        """
        variables = os.environ if environ is None else environ
        return cls(
            **{
                name.removeprefix(ENVIRONMENT_PREFIX).lower(): value
                for name, value in variables.items()
                if name.startswith(ENVIRONMENT_PREFIX)
            }
        )
