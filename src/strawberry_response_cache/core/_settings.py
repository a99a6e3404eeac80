"""Every number that the core decides by, with its default and the reason for it."""

import os
from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from strawberry_response_cache.core._errors import CacheConfigurationError

ENVIRONMENT_PREFIX = "RESPONSE_CACHE_"


class CacheSettings(BaseModel):
    """The settings of a `ResponseCache`; all durations are in seconds.

    Raises:
        CacheConfigurationError: If a value is out of range or a name is unknown.

    Example:
        >>> CacheSettings(lease=5).wait_budget
        10.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    lease: float = Field(default=10.0, ge=0.1, le=3600)
    """How long a crashed process can keep others from generating its key. The holder renews it at a
    third of its life, so a slow generator does not lose it."""

    wait_budget: float = Field(default=10.0, ge=0.1, le=7200)
    """How long a caller waits for another process to generate, before it generates for itself without
    storing. At least the lease, so that a waiter outlasts a leader that crashed."""

    read_deadline: float = Field(default=0.1, gt=0, le=60)
    """How long an answer of Redis may take. Ten times a slow round trip inside a data centre, and a
    delay that a user does not notice when Redis hangs."""

    connect_deadline: float = Field(default=1.0, gt=0, le=60)
    """How long connecting may take, the TLS handshake included."""

    max_connections: int = Field(default=8, ge=1, le=1024)
    """Batches in flight to Redis at once, per event loop. What arrives meanwhile shares the next batch."""

    max_entry_bytes: int = Field(default=4 * 1024 * 1024, ge=1, le=512 * 1024 * 1024)
    """The largest payload that is stored. A larger one costs Redis more than generating it again."""

    max_tags: int = Field(default=200_000, ge=1_000, le=10_000_000)
    """Distinct purged tags a tenant's tag table holds. Beyond it the tenant's cache is cleared, which
    fails closed. 58 bytes a tag: about 12 MB."""

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
