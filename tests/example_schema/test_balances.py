"""The balance sheet, against the same sums done one entry at a time."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections import defaultdict
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from example_schema.books.balance_sheet import MonthRecord, account_balances, totals
from example_schema.books.ledger import Ledger
from example_schema.database.file import open_engine, prepare_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncEngine


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("balances") / "ledger.sqlite3"
    prepare_database(path, entries=9000)
    return path


@pytest.fixture
async def engine(database: Path) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(database)
    yield engine
    await engine.dispose()


def naive_series(database: Path, tenant_id: str, as_of: dt.date) -> dict[int, list[MonthRecord]]:
    """Walk through a tenant's entries in their order, keeping every account's balance."""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(
            "SELECT account_id, posted_on, amount_cents FROM entries "
            "WHERE tenant_id = ? AND posted_on <= ? ORDER BY posted_on, id",
            (tenant_id, as_of.isoformat()),
        ).fetchall()
    balances: defaultdict[int, int] = defaultdict(int)
    day_ends: dict[int, dict[str, dict[str, int]]] = {}
    changes: defaultdict[tuple[int, str], int] = defaultdict(int)
    for account_id, day, cents in rows:
        balances[account_id] += cents
        changes[account_id, day[:7]] += cents
        months = day_ends.setdefault(account_id, {})
        months.setdefault(day[:7], {})[day] = balances[account_id]
    return {
        account_id: [
            MonthRecord(
                month=month,
                change=changes[account_id, month],
                closing=ends[max(ends)],
                lowest=min(ends.values()),
                highest=max(ends.values()),
            )
            for month, ends in months.items()
        ]
        for account_id, months in day_ends.items()
    }


@pytest.mark.parametrize("tenant_id", ["acme", "globex", "initech"])
@pytest.mark.parametrize("as_of", [dt.date(2022, 1, 3), dt.date(2024, 2, 29), dt.date.max])
async def test_balances_and_months_equal_sums_over_all_entries(
    engine: AsyncEngine, database: Path, tenant_id: str, as_of: dt.date
) -> None:
    expected = naive_series(database, tenant_id, as_of)

    balances = await account_balances(Ledger(engine, tenant_id), as_of)

    assert len(balances) == 40
    for balance in balances:
        months = expected.pop(balance.account.id, [])
        assert balance.months == months
        assert balance.balance == (months[-1].closing if months else 0)
    assert expected == {}


async def test_without_a_day_every_entry_counts(engine: AsyncEngine) -> None:
    ledger = Ledger(engine, "acme")

    assert await account_balances(ledger) == await account_balances(ledger, dt.date.max)


async def test_the_balance_sheet_and_single_accounts_have_equal_balances(
    engine: AsyncEngine,
) -> None:
    ledger = Ledger(engine, "globex")
    sheet = await account_balances(ledger)

    single = await ledger.balances([balance.account.id for balance in sheet])

    assert single == [balance.balance for balance in sheet]


async def test_totals_are_the_sums_of_the_accounts_of_each_kind(engine: AsyncEngine) -> None:
    sheet = await account_balances(Ledger(engine, "acme"))

    for kind, total in totals(sheet).items():
        assert total == sum(item.balance for item in sheet if item.account.kind is kind)
