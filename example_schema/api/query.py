"""The queries, each with the time for which its answer may be reused."""

import datetime as dt

import strawberry

from example_schema.api.arguments import parse_account_id
from example_schema.api.context import Info
from example_schema.api.me import Me
from example_schema.api.objects import Account, EntryConnection
from example_schema.api.sheet import BalanceSheet
from example_schema.books.balance_sheet import account_balances
from example_schema.books.paging import Cursor, check_page_size
from example_schema.books.tables import AccountKind
from strawberry_response_cache import CacheScope, cache_control


@strawberry.type
class Query:
    """What can be read from the books."""

    @cache_control(ttl=60)
    @strawberry.field
    async def accounts(self, info: Info, kind: AccountKind | None = None) -> list[Account]:
        """Read the accounts."""
        return [Account.of(record) for record in await info.context.ledger.accounts(kind)]

    @cache_control(ttl=60)
    @strawberry.field
    async def account(self, info: Info, id: strawberry.ID) -> Account | None:  # noqa: A002
        """Read one account."""
        record = await info.context.accounts.load(parse_account_id(id))
        return None if record is None else Account.of(record)

    @cache_control(ttl=30)
    @strawberry.field
    async def entries(
        self,
        info: Info,
        account_id: strawberry.ID,
        first: int = 20,
        after: str | None = None,
    ) -> EntryConnection:
        """Read a page of an account's entries."""
        check_page_size(first)
        records = await info.context.ledger.entries(
            parse_account_id(account_id),
            # One more than asked for tells whether another page follows.
            limit=first + 1,
            after=None if after is None else Cursor.decode(after),
        )
        return EntryConnection.of(records, first)

    # What it is added up from: invalidated whenever a mutation's result holds an entry or an account.
    @cache_control(ttl=60, tags=["[Entry]", "[Account]"])
    @strawberry.field
    async def balance_sheet(self, info: Info, as_of: dt.date | None = None) -> BalanceSheet:
        """Compute the balance sheet, without what was posted after the day `as_of`."""
        return BalanceSheet.of(await account_balances(info.context.ledger, as_of), as_of)

    @strawberry.field
    def server_time(self) -> dt.datetime:
        """Tell the time. It has no hint: it is resolved on every request, and the other fields are cached all the same."""
        return dt.datetime.now(dt.UTC)

    @cache_control(ttl=30, scope=CacheScope.PRIVATE)
    @strawberry.field
    async def me(self, info: Info) -> Me:
        """Return the user who asks."""
        return Me.of(info.context.user)
