"""Exact money: integer cents inside the service, decimals with two places at its rim."""

from decimal import Decimal

from example_schema.books.errors import InvalidArgumentError

_CENT = Decimal("0.01")
_LARGEST_AMOUNT = Decimal("1_000_000_000.00")


def to_decimal(cents: int) -> Decimal:
    """Return an amount with exactly two decimal places: 1250 becomes `Decimal("12.50")`."""
    return Decimal(cents).scaleb(-2)


def to_cents(amount: Decimal) -> int:
    """Return an amount in cents, without ever rounding.

    Raises:
        InvalidArgumentError: The amount has fractions of a cent, is infinite or not a number, or
            is beyond a billion.
    """
    if not amount.is_finite() or abs(amount) > _LARGEST_AMOUNT:
        message = f"amount must be a number between -{_LARGEST_AMOUNT} and {_LARGEST_AMOUNT}."
        raise InvalidArgumentError(message)
    if amount != amount.quantize(_CENT):
        message = "amount must not have fractions of a cent."
        raise InvalidArgumentError(message)
    return int(amount.scaleb(2))
