"""The state of a value that code of the user's may change in place, to find out later whether it did."""

import datetime
import marshal
from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from contextlib import suppress
from decimal import Decimal
from enum import Enum
from hashlib import blake2b
from struct import calcsize
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, ModuleType
from typing import Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from graphql.pyutils import Undefined

from strawberry_response_cache.graphql.keys.operation_key import UnkeyableError

FIXED: Final[frozenset[type]] = frozenset(
    {
        type(None),
        type(Undefined),
        bool,
        int,
        float,
        complex,
        str,
        bytes,
        Decimal,
        UUID,
        datetime.date,
        datetime.datetime,
        datetime.time,
        datetime.timedelta,
        datetime.timezone,
        ZoneInfo,
        range,
    }
)
"""Types whose values cannot change."""

_BY_IDENTITY: Final = (Enum, type, FunctionType, BuiltinFunctionType, ModuleType)
"""Values that are the same for all requests, and to which no request belongs."""
_ITEMS: Final[tuple[type[Any], ...]] = (list, tuple, set, frozenset, bytearray)
_BUILT_IN: Final[frozenset[type]] = FIXED | frozenset(_ITEMS) | {dict, OrderedDict, defaultdict}
_POINTER: Final = calcsize("P")
"""The bytes that an object needs for its ``__dict__``, and for its weak references."""
_DIGEST: Final = 20
_EVERY_TIME_ALIKE: Final = 2
"""The version of `marshal` that writes equal values alike, however often they are referred to."""
_DEEPEST: Final = 100
_MOST_PARTS: Final = 100_000


class ValueState(NamedTuple):
    """The state of a value. States are equal if the value did not change.

    Attributes:
        content: What the value holds.
        size: How much was read: bytes if `marshal` can write the value, otherwise parts.
    """

    content: object
    size: int


def state_of(value: Any) -> ValueState:  # noqa: ANN401 - whatever a scalar parses to
    """Return the state of a value.

    Raises:
        UnkeyableError: If it, or what it holds, is of a type whose state is not known, or is nested too deeply.

    Example:
        >>> filters = {"city": "Bern"}
        >>> before = state_of(filters)
        >>> filters["city"] = "Basel"
        >>> state_of(filters) == before
        False
    """
    try:
        written = marshal.dumps(value, _EVERY_TIME_ALIKE)
    except ValueError:  # it holds more than the types of JSON
        reading = _Reading()
        try:
            return ValueState(reading.content(value, 0), reading.size)
        except RecursionError:
            raise UnkeyableError from None
    return ValueState(blake2b(written, digest_size=_DIGEST).digest(), len(written))


class _Same:
    """One object: equal to itself only, and kept alive, so that its id cannot be used again."""

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other._value is self._value

    __hash__ = None  # type: ignore[assignment] # nothing looks one up


class _Reading:
    """Reads one value, without calling any code of its type.

    Attributes:
        size: How many parts were read.
    """

    def __init__(self) -> None:
        self.size = 0

    def content(self, value: Any, depth: int) -> object:  # noqa: ANN401 - whatever a scalar parses to
        self.size += 1
        kind = type(value)
        if kind in FIXED:
            return kind, value.hex() if kind is float else value
        if issubclass(kind, _BY_IDENTITY):
            return _Same(value)
        if depth > _DEEPEST or self.size > _MOST_PARTS:
            raise UnkeyableError
        if any(each not in _BUILT_IN and _hides_content(each) for each in kind.__mro__):
            raise UnkeyableError
        content: list[object] = [_Same(value), self._named(_members(value, kind), depth)]
        if issubclass(kind, dict):
            # The order of an OrderedDict is its own.
            base = OrderedDict if issubclass(kind, OrderedDict) else dict
            content.append(self._named(base.items(value), depth))
        items = [base.__iter__(value) for base in _ITEMS if issubclass(kind, base)]
        content += [[self.content(each, depth + 1) for each in found] for found in items]
        return content

    def _named(self, items: Iterable[tuple[object, object]], depth: int) -> list[object]:
        return [
            (self.content(name, depth + 1), self.content(each, depth + 1)) for name, each in items
        ]


def _hides_content(base: type) -> bool:
    """Whether objects of a class hold more than their attributes, as they may if it is written in C or Rust."""
    names = vars(base)
    if "__slots__" in names:  # it is written in Python, and its slots are attributes
        return False
    shown = [name for name in ("__dict__", "__weakref__") if name in names]
    return base.__basicsize__ - (base.__base__ or object).__basicsize__ > _POINTER * len(shown)


def _members(value: object, kind: type) -> list[tuple[object, object]]:
    """Return the attributes that an object holds, by name."""
    found: list[tuple[object, object]] = []
    for base in kind.__mro__:
        for name, each in vars(base).items():
            if type(each) is MemberDescriptorType:
                with suppress(AttributeError):  # it is not set
                    found.append((name, each.__get__(value, kind)))
    with suppress(AttributeError):  # it has slots only
        found += object.__getattribute__(value, "__dict__").items()
    return found
