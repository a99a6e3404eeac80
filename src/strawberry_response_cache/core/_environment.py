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
"""The variables that `CacheSettings` ignores, because they are no settings."""

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


def required(environ: Mapping[str, str], examples: Mapping[str, str]) -> list[str]:
    """Return the values of variables that must be set.

    Args:
        environ: The variables.
        examples: The variables, with what they may be set to, for the message.

    Raises:
        CacheConfigurationError: If one is not set, or is empty; the message names all of these.
    """
    values = {name: environ.get(name, "").strip() for name in examples}
    if missing := [f"{name}={examples[name]}" for name, value in values.items() if not value]:
        msg = f"The environment lacks a variable; set, for example, {' and '.join(missing)}."
        raise CacheConfigurationError(msg)
    return [*values.values()]


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Put a variable's name into the configuration errors that the code inside raises about its value.

    Raises:
        CacheConfigurationError: The error that is raised inside, with the name of the variable.
    """
    try:
        yield
    except CacheConfigurationError as error:
        msg = f"{name} in the environment: {error}"
        raise CacheConfigurationError(msg) from None
