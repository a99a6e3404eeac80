"""Checks the arguments of the extension."""

from collections.abc import Iterable

from strawberry_response_cache.core import CacheConfigurationError
from strawberry_response_cache.core._duration import Duration, seconds


def require(condition: bool, name: str, value: object, wanted: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Refuse an argument of a wrong type.

    Raises:
        CacheConfigurationError: If the condition does not hold.
    """
    if not condition:
        msg = f"{name} is a {type(value).__name__}; pass {wanted}."
        raise CacheConfigurationError(msg)


def require_one_of(words: tuple[str, ...], name: str, value: object) -> None:
    """Refuse an argument that is none of some words.

    Raises:
        CacheConfigurationError: If it is not.
    """
    if value not in words:
        msg = f"{name} is not one of {', '.join(map(repr, words))}."
        raise CacheConfigurationError(msg)


def checked_names(names: Iterable[str], argument: str) -> frozenset[str]:
    """Return names, checked.

    Raises:
        CacheConfigurationError: If they are not a collection of texts.
    """
    if isinstance(names, str | bytes) or not isinstance(names, Iterable):
        msg = f'{argument} is a {type(names).__name__}; pass names, such as ("trace",).'
        raise CacheConfigurationError(msg)
    found = tuple(names)
    for each in found:
        if not isinstance(each, str) or not each:
            msg = f'{argument} holds a {type(each).__name__}; pass names, such as ("trace",).'
            raise CacheConfigurationError(msg)
    return frozenset(found)


def checked_classes(extensions: Iterable[object]) -> frozenset[object]:
    """Return ``trusted_extensions``, checked.

    Raises:
        CacheConfigurationError: If they are not a collection of classes.
    """
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


def checked_limit(max_ttl: Duration) -> float:
    """Return ``max_ttl`` in seconds, checked.

    Raises:
        CacheConfigurationError: If it is not a duration, or is 0.
    """
    longest = seconds(max_ttl, "max_ttl")
    if longest == 0:
        msg = "max_ttl is 0; write a positive number of seconds, or enabled=False to turn the cache off."
        raise CacheConfigurationError(msg)
    return longest
