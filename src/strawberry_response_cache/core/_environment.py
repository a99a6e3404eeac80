"""The environment variables that are no settings: the switch, the server and the prefix."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from strawberry_response_cache.core._errors import CacheConfigurationError

ENVIRONMENT_PREFIX: Final = "RESPONSE_CACHE_"
SWITCH: Final = f"{ENVIRONMENT_PREFIX}ENABLED"
URL: Final = f"{ENVIRONMENT_PREFIX}URL"
PREFIX: Final = f"{ENVIRONMENT_PREFIX}PREFIX"
NO_SETTINGS: Final = frozenset({SWITCH, URL, PREFIX})
"""The variables that `CacheSettings` leaves to others."""

_ON: Final = frozenset({"", "1", "true", "yes", "on"})
_OFF: Final = frozenset({"0", "false", "no", "off"})


def is_switched_on(environ: Mapping[str, str] | None = None) -> bool:
    """Whether the environment leaves the cache on.

    Args:
        environ: The variables; None, the default, takes ``os.environ``.

    Raises:
        CacheConfigurationError: If the switch is neither on nor off. A switch that is not understood must
            not leave on what an operator wants to turn off.

    Example:
        >>> is_switched_on({}), is_switched_on({"RESPONSE_CACHE_ENABLED": "0"})
        (True, False)
    """
    word = (os.environ if environ is None else environ).get(SWITCH, "").strip().lower()
    if word not in _ON | _OFF:
        msg = f"{SWITCH} is neither on nor off; write 0 to turn the cache off, or 1."
        raise CacheConfigurationError(msg)
    return word in _ON


def required(environ: Mapping[str, str], name: str, example: str) -> str:
    """Return a variable that must be set.

    Args:
        environ: The variables.
        name: The variable.
        example: What it may be set to, for the message.

    Raises:
        CacheConfigurationError: If it is not set, or is empty.
    """
    if not (value := environ.get(name, "").strip()):
        msg = f"{name} is not set in the environment; set it, for example to {example}."
        raise CacheConfigurationError(msg)
    return value


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Name a variable in the errors about its value; these never quote the value.

    Args:
        name: The variable.

    Raises:
        CacheConfigurationError: As raised inside.
    """
    try:
        yield
    except CacheConfigurationError as error:
        msg = f"{name} in the environment: {error}"
        raise CacheConfigurationError(msg) from None
