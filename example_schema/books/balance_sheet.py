"""The balance sheet: every account's balance and how it came about, month by month.

It reads every entry of a tenant, which makes it the query that most deserves a cache.
"""

import datetime as dt
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from example_schema.books.ledger import Ledger
from example_schema.books.records import AccountRecord
from example_schema.books.tables import AccountKind, entries


@dataclass(frozen=True)
class MonthRecord:
    """What one month did to an account's balance. Amounts are in cents."""

    month: str
    """As in `2025-06`."""
    change: int
    closing: int
    lowest: int
    """The lowest balance at the end of a day on which something was posted."""
    highest: int


@dataclass(frozen=True)
class AccountBalanceRecord:
    """An account with its balance in cents, and the months in which something was posted."""

    account: AccountRecord
    balance: int
    months: list[MonthRecord]


async def account_balances(
    ledger: Ledger, as_of: dt.date | None = None
) -> list[AccountBalanceRecord]:
    """Return every account's balance, by the account's code.

    Args:
        ledger: The tenant's books.
        as_of: Leave out what was posted after this day.
    """
    accounts = await ledger.accounts()
    months = await _months(ledger, as_of)
    return [
        AccountBalanceRecord(
            account=account,
            balance=months[account.id][-1].closing if account.id in months else 0,
            months=months.get(account.id, []),
        )
        for account in accounts
    ]


def totals(balances: Iterable[AccountBalanceRecord]) -> dict[AccountKind, int]:
    """Return the sum of the balances of each kind of account, in cents."""
    sums = dict.fromkeys(AccountKind, 0)
    for balance in balances:
        sums[balance.account.kind] += balance.balance
    return sums


async def _months(ledger: Ledger, as_of: dt.date | None) -> dict[int, list[MonthRecord]]:
    own = entries.c.tenant_id == ledger.tenant_id
    posted = own if as_of is None else own & (entries.c.posted_on <= as_of)
    daily = (
        select(
            entries.c.account_id,
            entries.c.posted_on,
            func.sum(entries.c.amount_cents).label("change"),
        )
        .where(posted)
        .group_by(entries.c.account_id, entries.c.posted_on)
        .subquery()
    )
    # The balance at the end of each day: only it can tell how low an account was in a month.
    running = select(
        daily.c.account_id,
        func.strftime("%Y-%m", daily.c.posted_on).label("month"),
        daily.c.change,
        func.sum(daily.c.change)
        .over(partition_by=daily.c.account_id, order_by=daily.c.posted_on)
        .label("balance"),
    ).subquery()
    query = (
        select(
            running.c.account_id,
            running.c.month,
            func.sum(running.c.change).label("change"),
            func.min(running.c.balance).label("lowest"),
            func.max(running.c.balance).label("highest"),
        )
        .group_by(running.c.account_id, running.c.month)
        .order_by(running.c.account_id, running.c.month)
    )
    async with ledger.engine.connect() as connection:
        rows = (await connection.execute(query)).all()
    return {
        account_id: _series(account_rows)
        for account_id, account_rows in itertools.groupby(rows, key=lambda row: row.account_id)
    }


def _series(rows: Iterable[Any]) -> list[MonthRecord]:
    closing = 0
    series = []
    for row in rows:
        closing += row.change
        series.append(
            MonthRecord(
                month=row.month,
                change=row.change,
                closing=closing,
                lowest=row.lowest,
                highest=row.highest,
            )
        )
    return series
