"""Checks durations and converts them to milliseconds."""

import math
from datetime import timedelta
from typing import TypeAlias, cast

from strawberry_response_cache.core._errors import CacheConfigurationError
from strawberry_response_cache.core._user_values import unwrapped

Duration: TypeAlias = int | float | timedelta
"""Seconds, or a `datetime.timedelta`."""

MAX_SECONDS = 10 * 365 * 24 * 3600
"""Ten years: longer than any cache needs, and short enough for Redis."""


def seconds(duration: object, name: str) -> float:
    """Check a duration and return it in seconds.

    Args:
        duration: Seconds as int or float, or a timedelta; from 0 to `MAX_SECONDS`.
        name: What the message calls it, such as ``ttl``.

    Raises:
        CacheConfigurationError: If it is not a number, is NaN, negative or too long.
    """
    number: float | None = None
    # By the exact type: `isinstance` takes a lazy object for the value behind it.
    if issubclass(type(duration := unwrapped(duration)), timedelta):
        number = cast("timedelta", duration).total_seconds()
    elif issubclass(type(duration), int | float) and type(duration) is not bool:
        number = cast("int | float", duration)
    if number is None:
        msg = (
            f"{name} is a {type(duration).__name__}; "
            f"write seconds as an int or a float, or a datetime.timedelta."
        )
        raise CacheConfigurationError(msg)
    if number > MAX_SECONDS:
        msg = f"{name} is too long; the longest is {MAX_SECONDS} seconds (ten years)."
        raise CacheConfigurationError(msg)
    if not number >= 0:  # also refuses NaN
        shown = number if abs(number) < MAX_SECONDS else "negative"
        msg = f"{name} is {shown}; write 0 (do not cache) or a positive number of seconds."
        raise CacheConfigurationError(msg)
    return float(number)


def milliseconds(duration: object, name: str) -> int:
    """Check a duration and return it in milliseconds, rounded up so that only 0 becomes 0.

    Raises:
        CacheConfigurationError: If it is not a number, is NaN, negative or too long.

    Example:
        >>> milliseconds(1.5, "ttl"), milliseconds(0.0001, "ttl"), milliseconds(0, "ttl")
        (1500, 1, 0)
    """
    if type(duration) is int and 0 <= duration <= MAX_SECONDS:
        return duration * 1000  # the common case, in a fifth of the time
    return math.ceil(seconds(duration, name) * 1000)
