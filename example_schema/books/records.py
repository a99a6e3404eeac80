"""Accounts and entries as the ledger hands them out."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Row

from example_schema.books.tables import AccountKind


@dataclass(frozen=True)
class AccountRecord:
    """An account of a tenant."""

    id: int
    code: str
    name: str
    kind: AccountKind

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Read a row of the table `accounts`."""
        return cls(id=row.id, code=row.code, name=row.name, kind=row.kind)


@dataclass(frozen=True)
class EntryRecord:
    """A dated posting on an account. A positive amount raises the account's balance."""

    id: int
    account_id: int
    posted_on: dt.date
    amount_cents: int
    memo: str
    posted_by: str

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Read a row of the table `entries`."""
        return cls(
            id=row.id,
            account_id=row.account_id,
            posted_on=row.posted_on,
            amount_cents=row.amount_cents,
            memo=row.memo,
            posted_by=row.posted_by,
        )
