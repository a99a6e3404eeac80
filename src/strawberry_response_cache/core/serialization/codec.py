"""Codecs: values to JSON and back. A value that would not come back unchanged is refused."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Final, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic_core import PydanticSerializationError, from_json, to_json

from strawberry_response_cache.core._errors import (
    CacheConfigurationError,
    CacheSerializationError,
)
from strawberry_response_cache.core.protocol.entry import UnreadableEntryError
from strawberry_response_cache.core.serialization.mirrors import adapter_of, is_part_of_value

_DEEPEST: Final = 200
"""The deepest nesting of lists and dicts that the JSON parser accepts."""
_LARGEST_INT_BITS: Final = 14_284
"""The largest int that the JSON parser accepts: 4,300 digits."""
_PLAIN: Final = frozenset({bool, type(None)})


def find_inexact(value: object) -> str | None:
    """Return why JSON would not give a value back unchanged, or None if it would.

    Only exact types are accepted: a tuple would come back as a list, an enum as its value, an int key as a
    string, and NaN not at all.

    Example:
        >>> find_inexact({"a": [1, 2.5, None]})
        >>> find_inexact({"a": (1, 2)})
        'a tuple'
    """
    pending: list[tuple[Iterable[Any], int]] = [((value,), -1)]
    while pending:
        items, depth = pending.pop()
        if depth >= _DEEPEST:
            return f"something nested deeper than {_DEEPEST} levels"
        if type(items) is dict:
            for key in items:
                if type(key) is not str:
                    return f"a dict key of type {type(key).__name__}"
            items = items.values()
        for item in items:
            kind = type(item)
            # The most common types first; exact numbers need no function.
            if kind is str or (kind is int and item.bit_length() <= _LARGEST_INT_BITS):
                continue
            if kind is list or kind is dict:
                pending.append((item, depth + 1))
            elif not (kind in _PLAIN or (kind is float and math.isfinite(item))):
                return _named_inexact(item)
    return None


def _named_inexact(value: object) -> str:
    kind = type(value)
    if kind is int:
        return "an int of more than 4,300 digits"
    if kind is float:
        return "a float that is NaN or infinite"
    return f"{'an' if kind.__name__[0].lower() in 'aeiou' else 'a'} {kind.__name__}"


def is_longer(value: object, most: int) -> bool:
    """Whether the JSON of a value surely has more bytes than that, without writing it.

    It counts a string by its characters, so JSON with escapes or without ASCII may be longer and not be told.

    Args:
        value: A value that `find_inexact` accepts.
        most: A number of bytes.

    Example:
        >>> is_longer({"a": [1, "two"]}, 14), is_longer({"a": [1, "two"]}, 15)
        (True, False)
    """
    left = most
    pending: list[Iterable[Any]] = [(value,)]
    while pending and left >= 0:
        for item in pending.pop():
            kind = type(item)
            if kind is str:
                left -= len(item) + 2
            elif kind is list:
                left -= (len(item) or 1) + 1  # brackets and commas
                pending.append(item)
            elif kind is dict:
                left -= (len(item) or 1) + 1 + 3 * len(item) + sum(map(len, item))
                pending.append(item.values())
            else:
                left -= 1
    return left < 0


class ExactJson:
    """The codec of values that are plain JSON; anything else is refused."""

    def encode(self, value: object, most: int) -> bytes | None:
        """Return the value as JSON; None if that is longer than some bytes.

        Raises:
            CacheSerializationError: If the value would not come back unchanged.
        """
        if (inexact := find_inexact(value)) is not None:
            msg = (
                f"The value holds {inexact}, which JSON does not give back unchanged. "
                "Name its type, as in remember(..., as_type=list[Account]), or return plain JSON."
            )
            raise CacheSerializationError(msg)
        return dump_within(value, most)

    def decode(self, payload: bytes) -> object:
        """Return the value.

        Raises:
            UnreadableEntryError: If the payload is not JSON.
        """
        try:
            return from_json(payload, cache_strings="keys")
        except ValueError:
            raise UnreadableEntryError from None


class TypedJson:
    """The codec of values with a declared type.

    Raises:
        CacheConfigurationError: If pydantic cannot serialise such a type.
    """

    def __init__(self, as_type: object) -> None:
        try:
            self._adapter: TypeAdapter[Any] = adapter_of(as_type)
            self._adapter.rebuild(raise_errors=True)  # resolve names now, not at the first value
        except Exception as error:  # noqa: BLE001 - pydantic and the user's code raise many types
            # A value that was passed instead of a type is not shown, and neither is pydantic's message.
            is_type = isinstance(as_type, type) or get_origin(as_type) is not None
            named = (
                as_type.__qualname__ if isinstance(as_type, type) else f"a {type(as_type).__name__}"
            )
            msg = (
                f"as_type is {named}, which pydantic cannot serialise ({type(error).__name__}); "
                "use a model, a dataclass, a TypedDict, or a type built from these."
            )
            raise CacheConfigurationError(msg) from (error if is_type else None)

    def encode(self, value: object, most: int) -> bytes | None:
        """Return the value as JSON; None if that is longer than some bytes.

        Raises:
            CacheSerializationError: If it is not of the declared type.
        """
        if isinstance(value, Iterator):
            msg = (
                f"The generator returned a {type(value).__qualname__}, which can be read only once. "
                "Return a list."
            )
            raise CacheSerializationError(msg)
        try:
            # By field names: aliases may differ between reading and writing.
            payload = self._adapter.dump_json(
                value, warnings="error", by_alias=False, round_trip=True
            )
            if len(payload) > most:  # before it is copied three times
                return None
            restored = self._validate(payload)
            plain = self._adapter.dump_python(value, round_trip=True)
            same = self._adapter.dump_python(restored, round_trip=True) == plain
            if same and _is_alike(restored, value):
                return payload
        except Exception:  # noqa: BLE001, S110 - serializers and validators are the user's code
            pass  # The text of the error can hold the value.
        msg = (
            f"The generator returned a {type(value).__qualname__} that as_type does not give back "
            "unchanged. Return what as_type names, or name another type."
        )
        raise CacheSerializationError(msg)

    def decode(self, payload: bytes) -> object:
        """Return the value.

        Raises:
            UnreadableEntryError: If the payload is not of the declared type, for example because another
                release wrote it.
        """
        try:
            return self._validate(payload)
        except Exception:  # noqa: BLE001 - validators are the user's code
            raise UnreadableEntryError from None

    def _validate(self, payload: bytes) -> object:
        restored: object = self._adapter.validate_json(payload, by_alias=False, by_name=True)
        return restored


def _is_alike(restored: object, value: object) -> bool:
    """Whether models and dataclasses came back with the same types, at every depth.

    Objects of different types can have the same JSON: a subclass, another member of a union, or a model with
    excluded fields.
    """
    if (names := _field_names(value)) is not None:
        return type(restored) is type(value) and all(
            _is_alike(getattr(restored, name), getattr(value, name)) for name in names
        )
    if isinstance(value, Mapping) and isinstance(restored, Mapping):
        return value.keys() == restored.keys() and all(
            _is_alike(restored[key], each) for key, each in value.items()
        )
    if isinstance(value, list | tuple) and isinstance(restored, list | tuple):
        return len(value) == len(restored) and all(map(_is_alike, restored, value))
    if isinstance(
        value, bool | Enum
    ):  # they equal plain numbers and strings, but have another type
        return type(restored) is type(value) and restored == value
    return type(value).__eq__ is object.__eq__ or restored == value


def _field_names(value: object) -> list[str] | None:
    if isinstance(value, BaseModel):
        return [*type(value).model_fields, *(value.model_extra or ())]
    if is_dataclass(value):
        return [each.name for each in fields(value) if is_part_of_value(each)]
    return None


def dump(value: object) -> bytes:
    """Return the JSON of a value that `find_inexact` accepts.

    Raises:
        CacheSerializationError: If it holds text that is not Unicode, such as a lone surrogate.
    """
    try:
        return to_json(value)
    except (PydanticSerializationError, UnicodeEncodeError, RecursionError):
        msg = "The value holds a string that is not valid Unicode, which JSON cannot hold."
        raise CacheSerializationError(msg) from None


def dump_within(value: object, most: int) -> bytes | None:
    """Return a value that `find_inexact` accepts as JSON; None if that is longer than some bytes.

    Raises:
        CacheSerializationError: As `dump` does.
    """
    if is_longer(value, most):  # as nearly all that is too long, which is not written then
        return None
    payload = dump(value)
    return payload if len(payload) <= most else None


_EXACT: Final = ExactJson()


@lru_cache(maxsize=512)
def _known(as_type: object, _written: str) -> TypedJson:
    return TypedJson(as_type)


def codec_for(as_type: object) -> ExactJson | TypedJson:
    """Return the codec for a type, or the codec for plain JSON for None.

    Raises:
        CacheConfigurationError: If pydantic cannot serialise such a type.
    """
    if as_type is None:
        return _EXACT
    try:
        # Unions with the same members compare equal in any order, but pydantic treats them differently.
        return _known(as_type, "" if type(as_type) is type else repr(as_type))
    except TypeError:  # not hashable, such as Annotated[int, {}]
        return TypedJson(as_type)
