"""The rows of a new database: the same on every machine, every time."""

import datetime as dt
import itertools
from collections.abc import Iterator
from random import Random
from typing import Any, Final

from example_schema.database.chart_of_accounts import ACCOUNT_NAMES, account_code

Row = dict[str, Any]
EntryRow = tuple[int, str, int, str, int, str, str]
"""Id, tenant, account, ISO date, cents, memo and user: the columns of the table, in its order."""

TENANTS: Final = {"acme": "Acme", "globex": "Globex", "initech": "Initech"}
USERS: Final = {
    "acme": ("alice", "bob"),
    "globex": ("carol",),
    "initech": ("dave",),
}

FIRST_DAY: Final = dt.date(2022, 1, 1)
LAST_DAY: Final = dt.date(2025, 12, 31)

_DAYS: Final = [
    (FIRST_DAY + dt.timedelta(days=number)).isoformat()
    for number in range((LAST_DAY - FIRST_DAY).days + 1)
]
# Twice as much comes in as goes out, so that balances grow but also fall. Nothing posts zero.
_AMOUNTS: Final = [cents for cents in range(-250_00, 500_01) if cents]
_MEMOS: Final = (
    "Invoice",
    "Payment",
    "Refund",
    "Correction",
    "Transfer",
    "Card purchase",
    "Direct debit",
    "Monthly fee",
)
_PINS_PER_USER: Final = 3


def tenant_rows() -> list[Row]:
    """Return the tenants."""
    return [{"id": tenant_id, "name": name} for tenant_id, name in TENANTS.items()]


def user_rows() -> list[Row]:
    """Return the users, each of one tenant."""
    return [
        {"id": user_id, "tenant_id": tenant_id, "name": user_id.title()}
        for tenant_id, user_ids in USERS.items()
        for user_id in user_ids
    ]


def account_rows() -> list[Row]:
    """Return the chart of accounts of every tenant, with ids counted across tenants."""
    chart = [
        {"code": account_code(kind, position), "name": name, "kind": kind}
        for kind, names in ACCOUNT_NAMES.items()
        for position, name in enumerate(names)
    ]
    return [
        {"id": tenant_number * len(chart) + number, "tenant_id": tenant_id, **account}
        for tenant_number, tenant_id in enumerate(TENANTS)
        for number, account in enumerate(chart, start=1)
    ]


def pinned_account_rows() -> list[Row]:
    """Return the accounts that each user has pinned; no two users pin the same ones."""
    account_ids = _account_ids()
    return [
        {"tenant_id": tenant_id, "user_id": user_id, "account_id": account_id}
        for tenant_id, user_ids in USERS.items()
        for position, user_id in enumerate(user_ids)
        for account_id in account_ids[tenant_id][
            position * _PINS_PER_USER : (position + 1) * _PINS_PER_USER
        ]
    ]


def entry_rows(total: int) -> Iterator[EntryRow]:
    """Yield `total` entries, shared out evenly over the tenants."""
    # Reproducible on purpose; nothing here is a secret.
    random = Random("ledger")  # noqa: S311
    account_ids = _account_ids()
    first_id = 1
    for number, tenant_id in enumerate(TENANTS):
        share = total // len(TENANTS) + (number < total % len(TENANTS))
        # Drawn column by column, which takes a fraction of the time of drawing row by row.
        yield from zip(
            range(first_id, first_id + share),
            itertools.repeat(tenant_id, share),
            random.choices(account_ids[tenant_id], k=share),
            random.choices(_DAYS, k=share),
            random.choices(_AMOUNTS, k=share),
            random.choices(_MEMOS, k=share),
            random.choices(USERS[tenant_id], k=share),
            strict=True,
        )
        first_id += share


def _account_ids() -> dict[str, list[int]]:
    account_ids: dict[str, list[int]] = {tenant_id: [] for tenant_id in TENANTS}
    for account in account_rows():
        account_ids[account["tenant_id"]].append(account["id"])
    return account_ids
