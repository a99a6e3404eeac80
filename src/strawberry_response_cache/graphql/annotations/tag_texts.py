"""The text of a value in a tag: the same in the tags of a response and in those of a mutation.

Values that are equal in Python have one text: ``1`` and ``Decimal("1.0")``, a member of a `StrEnum` and its
value, one moment in two time zones. The guide to invalidation shows them all.
"""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Final

from strawberry.relay import GlobalID

from strawberry_response_cache.core._user_values import plain_identity, unwrapped

_LONGEST_INTEGER: Final = 30
"""The most digits of a whole `Decimal` that are written out; a client may send ``1E+999999999``."""


def tag_text(value: object) -> str | None:
    """Return the text of a value in a tag; None if it has none, such as a float.

    Raises:
        CacheConfigurationError: If a lazy object raises when it is evaluated.
        Exception: What a proxy raises when its object is read.

    Example:
        >>> tag_text(True), tag_text(Decimal("2.50")), tag_text(date(2026, 1, 31)), tag_text(0.5)
        ('true', '2.5', '2026-01-31', None)
    """
    if (text := plain_identity(value)) is not None:
        return text
    match unwrapped(value):
        case bool() as truth:
            return "true" if truth else "false"
        case GlobalID() as identity:
            return identity.node_id
        case datetime() as moment:
            is_aware = datetime.utcoffset(moment) is not None
            return datetime.isoformat(datetime.astimezone(moment, UTC) if is_aware else moment)
        case date() as day:
            return date.isoformat(day)
        case time() as clock:
            return time.isoformat(clock)
        case Decimal() as number:
            return _decimal(number)
        case Enum() as member:
            return member.name
        case _:
            return None


def _decimal(number: Decimal) -> str:
    if not number.is_finite():
        return Decimal.__str__(number)
    if not number:
        return "0"
    if number.adjusted() < _LONGEST_INTEGER and number == number.to_integral_value():
        return int.__repr__(int(number))
    sign, digits, exponent = number.as_tuple()
    written = "".join(map(str, digits)).rstrip("0")
    zeros = len(digits) - len(written)
    return Decimal.__str__(Decimal((sign, tuple(map(int, written)), int(exponent) + zeros)))
