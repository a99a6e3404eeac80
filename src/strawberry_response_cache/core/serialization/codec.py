"""Codecs: values to JSON and back. A value that JSON would not give back unchanged is refused."""

from collections.abc import Collection, Iterator, Mapping
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


def find_inexact(value: object) -> str | None:
    """Return why JSON would not give a value back unchanged, or None if it would.

    Only exact types are accepted: a tuple would come back as a list, an enum as its value, an int key as a
    string, and NaN not at all.

    Example:
        >>> find_inexact({"a": [1, 2.5, None]})
        >>> find_inexact({"a": (1, 2)})
        'a tuple'
    """
    return measured(value)[1]


def measured(value: object) -> tuple[int, str | None]:  # noqa: C901, PLR0912 - one loop, a call for each item takes longer
    """Return how many bytes JSON of a value has at least, and why it would not give the value back unchanged.

    A string is counted by its characters, so JSON with escapes or without ASCII has more bytes. Nothing is
    counted after the first reason.

    Example:
        >>> measured({"a": [1, "two"]})
        (15, None)
        >>> measured({"a": [1, (2,)]})[1]
        'a tuple'
    """
    size = 1
    # Each item has a comma and one byte; what it has beyond that byte is counted with the item.
    pending: list[tuple[Collection[Any], int]] = [((value,), 0)]
    while pending:
        items, deeper = pending.pop()
        if deeper > _DEEPEST:
            return size, f"something nested deeper than {_DEEPEST} levels"
        if type(items) is dict:
            size += 5 * len(items) or 1  # quotes and a colon
            for key in items:
                if type(key) is not str:
                    return size, f"a dict key of type {type(key).__name__}"
                size += len(key)
            items = items.values()
        elif deeper:
            size += 2 * len(items) or 1
        deeper += 1
        for item in items:
            kind = type(item)
            # The most common types first.
            if kind is str:
                size += len(item) + 1
            elif kind is int:
                if item.bit_length() > _LARGEST_INT_BITS:
                    return size, "an int of more than 4,300 digits"
            elif kind is list or kind is dict:
                pending.append((item, deeper))
            elif kind is float:
                if item - item != 0.0:  # as of NaN and infinity
                    return size, "a float that is NaN or infinite"
            elif kind is not bool and item is not None:
                return size, _kind_with_article(kind)
    return size, None


def _kind_with_article(kind: type) -> str:
    return f"{'an' if kind.__name__[0].lower() in 'aeiou' else 'a'} {kind.__name__}"


class ExactJson:
    """The codec of values that are plain JSON; anything else is refused."""

    def encode(self, value: object, most: int) -> bytes | None:
        """Return the value as JSON; see `dump_within`."""
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
        """Return the value as JSON; None if that has more than ``most`` bytes.

        Raises:
            CacheSerializationError: If the value is not of the declared type, or JSON does not give it back.
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
    """Whether a restored value has models and dataclasses of the same types as the original, at every depth.

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


def dump_within(value: object, most: int, *, is_exact: bool = False) -> bytes | None:
    """Return a value as JSON; None if that has more than ``most`` bytes.

    Args:
        value: The value.
        most: The most bytes of the JSON.
        is_exact: Whether JSON is known to give it back as it should be.

    Raises:
        CacheSerializationError: If JSON would not give the value back unchanged.
    """
    size, inexact = measured(value)
    if inexact is not None and not is_exact:
        msg = (
            f"The value holds {inexact}, which JSON does not give back unchanged. "
            "Name its type, as in remember(..., as_type=list[Account]), or return plain JSON."
        )
        raise CacheSerializationError(msg)
    if size > most:  # as nearly all that is too long, which is not written then
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
