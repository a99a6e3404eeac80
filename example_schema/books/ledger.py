"""One tenant's books: what can be read from them and written to them."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, delete, func, insert, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from example_schema.books.errors import (
    AccountCodeTakenError,
    AccountNotFoundError,
    InvalidArgumentError,
)
from example_schema.books.paging import Cursor
from example_schema.books.records import AccountRecord, EntryRecord
from example_schema.books.tables import AccountKind, accounts, entries, pinned_accounts

_LONGEST_TEXT = 200
_CODE_LENGTH = 4


class Ledger:
    """The books of one tenant. Nothing here can reach the rows of another."""

    def __init__(self, engine: AsyncEngine, tenant_id: str) -> None:
        """Open the tenant's books in the database behind `engine`."""
        self.engine = engine
        self.tenant_id = tenant_id

    async def accounts(self, kind: AccountKind | None = None) -> list[AccountRecord]:
        """Return the accounts, or those of one kind, by their code."""
        query = self._own_accounts().order_by(accounts.c.code)
        if kind is not None:
            query = query.where(accounts.c.kind == kind)
        return await self._account_records(query)

    async def accounts_by_id(self, account_ids: Sequence[int]) -> list[AccountRecord | None]:
        """Return the accounts with these ids, in their order; None for one that is not there."""
        records = await self._account_records(
            self._own_accounts().where(accounts.c.id.in_(account_ids))
        )
        found = {record.id: record for record in records}
        return [found.get(account_id) for account_id in account_ids]

    async def pinned_accounts(self, user_id: str) -> list[AccountRecord]:
        """Return the accounts that a user keeps at hand."""
        return await self._account_records(
            self._own_accounts()
            .join(pinned_accounts, pinned_accounts.c.account_id == accounts.c.id)
            .where(
                pinned_accounts.c.tenant_id == self.tenant_id,
                pinned_accounts.c.user_id == user_id,
            )
            .order_by(accounts.c.code)
        )

    async def balances(self, account_ids: Sequence[int]) -> list[int]:
        """Return the balances of these accounts in cents, in their order."""
        query = (
            select(entries.c.account_id, func.sum(entries.c.amount_cents).label("balance"))
            .where(entries.c.tenant_id == self.tenant_id, entries.c.account_id.in_(account_ids))
            .group_by(entries.c.account_id)
        )
        async with self.engine.connect() as connection:
            rows = await connection.execute(query)
        found = {row.account_id: row.balance for row in rows}
        return [found.get(account_id, 0) for account_id in account_ids]

    async def entries(
        self, account_id: int, limit: int, after: Cursor | None = None
    ) -> list[EntryRecord]:
        """Return up to `limit` entries of an account, newest first.

        Args:
            account_id: The account.
            limit: How many entries at most.
            after: Begin behind this entry instead of at the newest.

        Raises:
            AccountNotFoundError: The tenant has no such account.
        """
        await self._check_account(account_id)
        query = self._own_entries().where(entries.c.account_id == account_id)
        if after is not None:
            place = tuple_(entries.c.posted_on, entries.c.id)
            query = query.where(place < tuple_(after.posted_on, after.entry_id))
        return await self._entry_records(query.limit(limit))

    async def recent_postings(self, user_id: str, limit: int) -> list[EntryRecord]:
        """Return the newest entries that a user has posted."""
        query = self._own_entries().where(entries.c.posted_by == user_id)
        return await self._entry_records(query.limit(limit))

    async def post_entry(
        self, *, account_id: int, posted_on: dt.date, amount_cents: int, memo: str, posted_by: str
    ) -> EntryRecord:
        """Post an amount to an account.

        Raises:
            AccountNotFoundError: The tenant has no such account.
            InvalidArgumentError: The amount is zero, or the memo empty or too long.
        """
        memo = _check_text("memo", memo)
        if amount_cents == 0:
            message = "amount must not be zero."
            raise InvalidArgumentError(message)
        await self._check_account(account_id)
        statement = (
            insert(entries)
            .values(
                tenant_id=self.tenant_id,
                account_id=account_id,
                posted_on=posted_on,
                amount_cents=amount_cents,
                memo=memo,
                posted_by=posted_by,
            )
            .returning(entries)
        )
        async with self.engine.begin() as connection:
            row = (await connection.execute(statement)).one()
        return EntryRecord.of(row)

    async def delete_entry(self, entry_id: int) -> bool:
        """Take an entry out of the books; return whether it was there."""
        statement = delete(entries).where(
            entries.c.tenant_id == self.tenant_id, entries.c.id == entry_id
        )
        async with self.engine.begin() as connection:
            return bool((await connection.execute(statement)).rowcount)

    async def create_account(self, *, code: str, name: str, kind: AccountKind) -> AccountRecord:
        """Open a new account.

        Raises:
            AccountCodeTakenError: Another account of the tenant has the code.
            InvalidArgumentError: The code is not four digits, or the name empty or too long.
        """
        name = _check_text("name", name)
        if not (code.isascii() and code.isdigit() and len(code) == _CODE_LENGTH):
            message = f"code must be {_CODE_LENGTH} digits."
            raise InvalidArgumentError(message)
        statement = (
            insert(accounts)
            .values(tenant_id=self.tenant_id, code=code, name=name, kind=kind)
            .returning(accounts)
        )
        try:
            async with self.engine.begin() as connection:
                row = (await connection.execute(statement)).one()
        except IntegrityError as error:
            raise AccountCodeTakenError(code) from error
        return AccountRecord.of(row)

    def _own_accounts(self) -> Select[Any]:
        return select(accounts).where(accounts.c.tenant_id == self.tenant_id)

    def _own_entries(self) -> Select[Any]:
        return (
            select(entries)
            .where(entries.c.tenant_id == self.tenant_id)
            .order_by(entries.c.posted_on.desc(), entries.c.id.desc())
        )

    async def _account_records(self, query: Select[Any]) -> list[AccountRecord]:
        async with self.engine.connect() as connection:
            return [AccountRecord.of(row) for row in await connection.execute(query)]

    async def _entry_records(self, query: Select[Any]) -> list[EntryRecord]:
        async with self.engine.connect() as connection:
            return [EntryRecord.of(row) for row in await connection.execute(query)]

    async def _check_account(self, account_id: int) -> None:
        if await self.accounts_by_id([account_id]) == [None]:
            raise AccountNotFoundError(account_id)


def _check_text(argument: str, text: str) -> str:
    text = text.strip()
    if not 1 <= len(text) <= _LONGEST_TEXT:
        message = f"{argument} must have between 1 and {_LONGEST_TEXT} characters."
        raise InvalidArgumentError(message)
    return text
