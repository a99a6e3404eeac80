"""Validators and conditional requests (RFC 9110, sections 8.8.3 and 13)."""

import re
from base64 import urlsafe_b64encode
from hashlib import blake2b
from typing import Final

_ENTITY_TAG: Final = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
"""RFC 9110, section 8.8.3."""
_LIST: Final = re.compile(rf"[\s,]*{_ENTITY_TAG.pattern}(?:\s*,[\s,]*{_ENTITY_TAG.pattern})*[\s,]*")
_BYTES: Final = 15


def validator_of(key: str, response: bytes) -> str:
    """Return a digest of a response and of the key of its entry: another query's never equals it.

    Args:
        key: The key of the entry.
        response: The bytes of the response.
    """
    hashed = blake2b(response, digest_size=_BYTES, key=blake2b(key.encode()).digest())
    return urlsafe_b64encode(hashed.digest()).decode()


def etag(validator: str) -> str:
    """Return the ``ETag`` of a validator. It is weak, because compressed and plain bodies share it.

    Example:
        >>> etag("abc")
        'W/"abc"'
    """
    return f'W/"{validator}"'


def is_known_to_client(if_none_match: str | None, validator: str) -> bool:
    """Whether a client has the response already, by weak comparison (RFC 9110, sections 8.8.3.2 and 13.1.2).

    Args:
        if_none_match: The value of ``If-None-Match``; None if there is none.
        validator: That of the response.

    Example:
        >>> is_known_to_client('W/"old", "abc"', "abc"), is_known_to_client("*", "abc")
        (True, True)
        >>> is_known_to_client('"ABC"', "abc"), is_known_to_client("abc", "abc")
        (False, False)
    """
    if if_none_match is None:
        return False
    value = if_none_match.strip(" \t")
    if value == "*":
        return True
    return _LIST.fullmatch(value) is not None and validator in _ENTITY_TAG.findall(value)
