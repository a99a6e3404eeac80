"""The GraphQL types of the balance sheet. Every field is a plain attribute."""

import datetime as dt
from decimal import Decimal
from typing import Self

import strawberry

from example_schema.api.objects import Account
from example_schema.books.balance_sheet import AccountBalanceRecord, MonthRecord, totals
from example_schema.books.money import to_decimal
from example_schema.books.tables import AccountKind


@strawberry.type(description="What one month did to the balance of an account.")
class Month:
    """A month in which something was posted."""

    month: str = strawberry.field(description="As in 2025-06.")
    change: Decimal
    closing: Decimal = strawberry.field(description="The balance at the end of the month.")
    lowest: Decimal = strawberry.field(description="The lowest balance at the end of a day.")
    highest: Decimal = strawberry.field(description="The highest balance at the end of a day.")

    @classmethod
    def of(cls, record: MonthRecord) -> Self:
        """Present a month of the books."""
        return cls(
            month=record.month,
            change=to_decimal(record.change),
            closing=to_decimal(record.closing),
            lowest=to_decimal(record.lowest),
            highest=to_decimal(record.highest),
        )


@strawberry.type(description="An account on the balance sheet.")
class AccountBalance:
    """An account with its balance and how it came about."""

    account: Account
    kind: AccountKind
    balance: Decimal
    months: list[Month]

    @classmethod
    def of(cls, record: AccountBalanceRecord) -> Self:
        """Present an account's balance."""
        return cls(
            account=Account.of(record.account),
            kind=record.account.kind,
            balance=to_decimal(record.balance),
            months=[Month.of(month) for month in record.months],
        )


@strawberry.type(description="The sum of the balances of one kind of account.")
class KindTotal:
    """The total of a kind of account."""

    kind: AccountKind
    balance: Decimal


@strawberry.type(description="The balances of all accounts, month by month.")
class BalanceSheet:
    """All accounts of a tenant with their balances."""

    as_of: dt.date | None
    totals: list[KindTotal]
    accounts: list[AccountBalance]

    @classmethod
    def of(cls, records: list[AccountBalanceRecord], as_of: dt.date | None) -> Self:
        """Present the balances of all accounts."""
        return cls(
            as_of=as_of,
            totals=[
                KindTotal(kind=kind, balance=to_decimal(cents))
                for kind, cents in totals(records).items()
            ],
            accounts=[AccountBalance.of(record) for record in records],
        )
