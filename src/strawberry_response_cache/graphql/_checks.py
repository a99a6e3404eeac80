"""Checks the arguments of the extension."""

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from strawberry_response_cache.core import CacheConfigurationError
from strawberry_response_cache.core._duration import Duration, seconds
from strawberry_response_cache.core._user_code import is_async
from strawberry_response_cache.graphql._verify import is_a_share
from strawberry_response_cache.graphql.http.cdn_tags import SEPARATORS
from strawberry_response_cache.graphql.http.gateway_tags import EXTENSION


def require(condition: bool, name: str, value: object, wanted: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Refuse an argument unless a condition holds.

    Raises:
        CacheConfigurationError: If the condition does not hold.
    """
    if not condition:
        msg = f"{name} is a {type(value).__name__}; pass {wanted}."
        raise CacheConfigurationError(msg)


def require_one_of(values: tuple[object, ...], name: str, value: object) -> None:
    """Refuse an argument that is none of some values of the same type.

    Raises:
        CacheConfigurationError: If it is not.
    """
    if not any(type(value) is type(each) and value == each for each in values):
        msg = f"{name} is not one of {', '.join(map(repr, values))}."
        raise CacheConfigurationError(msg)


def require_functions(**values: object) -> None:
    """Refuse arguments that are neither functions of the context nor None.

    Raises:
        CacheConfigurationError: If one is neither.
    """
    for name, value in values.items():
        is_one = value is None or callable(value)
        require(is_one, name, value, "a function of the context, or None")


def require_switches(**values: object) -> None:
    """Refuse arguments that are neither bools nor functions of the context.

    Raises:
        CacheConfigurationError: If one is neither.
    """
    for name, value in values.items():
        is_one = isinstance(value, bool) or callable(value)
        require(is_one, name, value, "a bool or a function of the context")


def require_share(name: str, value: object) -> None:
    """Refuse an argument that is neither a share nor a function of the context.

    Raises:
        CacheConfigurationError: If it is neither.
    """
    wanted = "a number from 0 to 1, or a plain function of the context that returns one"
    require(is_a_share(value) or callable(value), name, value, wanted)
    require(not is_async(value), name, value, wanted)


def require_mapping_of_functions(name: str, value: object) -> None:
    """Refuse an argument that is neither a mapping of names to functions of the context nor None.

    Raises:
        CacheConfigurationError: If it is neither.
    """
    is_one = value is None or (
        isinstance(value, Mapping)
        and all(isinstance(each, str) and callable(value[each]) for each in value)
    )
    wanted = 'a mapping of names to functions of the context, such as {"locale": ...}'
    require(is_one, name, value, wanted)


def require_plain_function(name: str, value: object, wanted: str) -> None:
    """Refuse an argument that is neither a function, which must not be async, nor None.

    Raises:
        CacheConfigurationError: If it is neither.
    """
    is_one = value is None or (callable(value) and not is_async(value))
    require(is_one, name, value, wanted)


def require_bytes(name: str, value: object) -> None:
    """Refuse an argument that is no number of bytes.

    Raises:
        CacheConfigurationError: If it is none.
    """
    is_one = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    require(is_one, name, value, "a number of bytes, such as 64 * 1024 * 1024, or 0")


def checked_request_extensions(
    ignored: Iterable[str], in_keys: Iterable[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """Return ``ignore_request_extensions`` and ``vary_request_extensions``, checked.

    Raises:
        CacheConfigurationError: If they are no collections of strings, or have a name in common.
    """
    checked = checked_names(ignored, "ignore_request_extensions")
    checked_in_keys = checked_names(in_keys, "vary_request_extensions")
    if both := sorted(checked & checked_in_keys):
        msg = (
            f"{both[0]!r} is in both ignore_request_extensions and vary_request_extensions; name it in "
            "one of them."
        )
        raise CacheConfigurationError(msg)
    return checked, checked_in_keys


def checked_names(names: Iterable[str], argument: str) -> frozenset[str]:
    """Return the names of an argument, checked.

    Raises:
        CacheConfigurationError: If they are not a collection of strings that are not empty.
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


def optional_seconds(duration: Duration | None, name: str) -> float | None:
    """Return a duration in seconds, checked; None stays None.

    Raises:
        CacheConfigurationError: If it is not a duration.
    """
    return None if duration is None else seconds(duration, name)


def checked_limit(max_ttl: Duration | None) -> float | None:
    """Return ``max_ttl`` in seconds, checked.

    Raises:
        CacheConfigurationError: If it is not a duration, or is 0.
    """
    longest = optional_seconds(max_ttl, "max_ttl")
    if longest == 0:
        msg = "max_ttl is 0; write a positive number of seconds, or enabled=False to turn the cache off."
        raise CacheConfigurationError(msg)
    return longest


_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""Matches the name of a header: RFC 9110, section 5.1."""
_TAG_PREFIX: Final = re.compile(r"[\w.-]{0,64}", re.ASCII)


def checked_vary_headers(value: object, names: AbstractSet[str]) -> dict[str, tuple[str, ...]]:
    """Return ``vary_headers``, checked: the request headers of each name.

    Raises:
        CacheConfigurationError: If it is no mapping of known names to names of headers.
    """
    wanted = 'a mapping of names to request headers, such as {"locale": ("Accept-Language",)}'
    given: Mapping[str, object] = value if isinstance(value, Mapping) else {}
    require(value is None or given is value, "vary_headers", value, wanted)
    checked: dict[str, tuple[str, ...]] = {}
    for name, headers in given.items():
        if name == "session":
            msg = (
                "vary_headers names session; leave it out. A response of one session is PRIVATE, and never "
                "stored by shared caches."
            )
            raise CacheConfigurationError(msg)
        if name not in names:
            known = ", ".join(sorted(names))
            msg = f"vary_headers names something that is neither tenant nor in vary; use one of {known}."
            raise CacheConfigurationError(msg)
        listed = () if isinstance(headers, str) or not isinstance(headers, Iterable) else headers
        checked[name] = tuple(each for each in listed if isinstance(each, str))
        if not checked[name] or not all(map(_TOKEN.fullmatch, checked[name])):
            msg = f'vary_headers["{name}"] is no list of request headers; pass names such as ("X-Tenant",).'
            raise CacheConfigurationError(msg)
    return checked


def checked_whole_seconds(name: str, value: object) -> int | None:
    """Return a whole number of seconds, or None.

    Raises:
        CacheConfigurationError: If it is anything else, or negative.
    """
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    msg = f"{name} is neither None nor whole seconds; pass a number such as 600."
    raise CacheConfigurationError(msg)


def checked_cdn_tags(value: Iterable[str]) -> tuple[str, ...]:
    """Return ``cdn_tags``, checked.

    Raises:
        CacheConfigurationError: If it is no collection, or holds a name that is not known.
    """
    is_list = isinstance(value, Iterable) and not isinstance(value, str)
    known = (*SEPARATORS, EXTENSION)
    wanted = ", ".join(known)
    require(is_list, "cdn_tags", value, f"names, any of {wanted}")
    names = tuple(value)
    if not all(isinstance(each, str) and each in known for each in names):
        msg = f"cdn_tags holds a name that is not known; use any of {wanted}."
        raise CacheConfigurationError(msg)
    return names


def checked_tag_prefix(value: object) -> str:
    """Return ``tag_prefix``, checked.

    Raises:
        CacheConfigurationError: If it is no short text of letters, digits, dots, dashes and underscores.
    """
    if isinstance(value, str) and _TAG_PREFIX.fullmatch(value):
        return value
    msg = (
        "tag_prefix is not up to 64 letters, digits, '.', '-' or '_'; pass a text such as 'shop-'."
    )
    raise CacheConfigurationError(msg)
