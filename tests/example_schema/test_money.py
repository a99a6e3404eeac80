"""Money is exact in both directions."""

from __future__ import annotations

from decimal import Decimal

import pytest

from example_schema.books.errors import InvalidArgumentError
from example_schema.books.money import to_cents, to_decimal


@pytest.mark.parametrize(
    ("cents", "text"),
    [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (1250, "12.50"), (10_000_000_000, "100000000.00")],
)
def test_cents_have_one_written_form(cents: int, text: str) -> None:
    assert str(to_decimal(cents)) == text
    assert to_cents(Decimal(text)) == cents


@pytest.mark.parametrize("text", ["1e3", "1000", "1000.000"])
def test_an_amount_can_be_written_in_several_ways(text: str) -> None:
    assert to_cents(Decimal(text)) == 100_000


@pytest.mark.parametrize("text", ["0.001", "1e-30", "NaN", "-Infinity", "1000000000.01", "1e400"])
def test_a_text_that_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError):
        to_cents(Decimal(text))
