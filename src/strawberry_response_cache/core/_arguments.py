"""Turns the arguments of a call into text for a key: different values have different text.

Equal values of different types differ: ``1``, ``True``, ``1.0`` and ``"1"`` give four keys. Subclasses are
refused, because they can hold more than their base class shows, such as a `str` that is safe HTML.
"""

import datetime
from collections.abc import Callable
from decimal import Decimal
from enum import Enum, Flag
from typing import Any, Final, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from strawberry_response_cache.core._user_values import unwrapped

_DEEPEST: Final = 100
_MOST_CONTAINERS: Final = 100_000
"""Lists, tuples and dicts in one value, each as often as it is referred to; they take about 0.2 s."""
_BEHIND_LAZY_OBJECTS: Final = frozenset({str, int, bool, type(None), UUID})


class NoTextError(Exception):
    """A value cannot be part of a key; the message names its type and never its value."""


def text(value: object) -> str:
    """Return the text of a value; no other value has the same text.

    It accepts None, booleans, numbers, strings, bytes, `Decimal`, `UUID`, dates, datetimes, timedeltas, times without
    a zone and members of an `Enum`; lists, tuples and dicts with string keys of these; and lazy objects for
    a string, an int, a boolean, None or a `UUID`. The order of a dict's keys does not count, as for ``==``.

    Raises:
        NoTextError: If the value is, or holds, anything else.
        CacheConfigurationError: If a lazy object raises when it is evaluated.

    Example:
        >>> text([1, "1"])
        'list 16:int 3:0x1str 1:1'
    """
    return _Printing().text(value, 0)


class _Printing:
    """Turns one value into text, and counts its containers: a few lists can contain each other millions of times."""

    def __init__(self) -> None:
        self._left = _MOST_CONTAINERS

    def text(self, value: object, depth: int) -> str:
        kind = type(value)
        if depth > _DEEPEST:
            msg = f"something nested deeper than {_DEEPEST} levels"
            raise NoTextError(msg)
        if kind is datetime.time and cast("datetime.time", value).tzinfo is None:
            return _tagged("time", cast("datetime.time", value).isoformat())
        if (scalar := _SCALARS.get(kind)) is not None:
            return _tagged(kind.__name__, scalar(value))
        if kind is list or kind is tuple:
            items = cast("list[object] | tuple[object, ...]", value)
            self._spend()
            return _tagged(kind.__name__, "".join(self.text(item, depth + 1) for item in items))
        if kind is dict:
            self._spend()
            return _tagged("dict", self._items(cast("dict[object, object]", value), depth + 1))
        # By the exact type: `isinstance` takes a lazy object for the value behind it.
        if issubclass(kind, Enum):
            return _tagged("enum", _member(cast("Enum", value)))
        if issubclass(kind, UUID):  # subclasses too: database drivers have their own
            return _tagged("UUID", cast("UUID", unwrapped(value)).hex)
        plain = unwrapped(value)
        if plain is not value and value.__class__ in _BEHIND_LAZY_OBJECTS:
            return self.text(plain, depth)
        msg = f"a {kind.__module__}.{kind.__qualname__}"
        raise NoTextError(msg)

    def _items(self, mapping: dict[object, object], depth: int) -> str:
        for key in mapping:
            if type(key) is not str:
                msg = f"a dict with a key of type {type(key).__name__}"
                raise NoTextError(msg)
        items = sorted(cast("dict[str, object]", mapping).items())
        return "".join(f"{self.text(key, depth)}{self.text(value, depth)}" for key, value in items)

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            msg = f"something with more than {_MOST_CONTAINERS:,} lists, tuples and dicts"
            raise NoTextError(msg)


def _tagged(kind: str, body: str) -> str:
    """Prefix a text with its type and length, so that the parts of a sequence stay distinct."""
    return f"{kind} {len(body)}:{body}"


def _member(member: Enum) -> str:
    """Return the name of a member; a combination of flags without a name is its bits."""
    kind = type(member)
    name = hex(member._value_) if isinstance(member, Flag) else member._name_
    return f"{kind.__module__}:{kind.__qualname__}:{name}"


def _moment(moment: datetime.datetime) -> str:
    """Return a datetime with its zone, because equal moments in two zones differ in calculations."""
    zone = moment.tzinfo
    if zone is None:
        name = ""
    elif type(zone) is datetime.timezone:
        name = f"fixed:{zone.tzname(None)}"
    elif isinstance(zone, ZoneInfo) and zone.key is not None:
        name = f"zone:{zone.key}"
    else:
        msg = f"a datetime whose zone is a {type(zone).__module__}.{type(zone).__qualname__}"
        raise NoTextError(msg)
    return f"{moment.isoformat()} {moment.fold} {name}"


_SCALARS: Final[dict[type, Callable[[Any], str]]] = {
    type(None): str,
    bool: str,
    int: hex,  # as decimals, large numbers are refused
    float: str,  # unique for each float, also for -0.0
    str: str,
    bytes: bytes.hex,
    Decimal: str,  # unique: 1.0 and 1.00 differ
    datetime.date: datetime.date.isoformat,
    datetime.datetime: _moment,
    datetime.timedelta: lambda span: f"{span.days} {span.seconds} {span.microseconds}",
}
