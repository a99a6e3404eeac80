"""The GraphQL types of the books.

Plain attributes live as long as the field that returned their object. A field with a resolver
of its own says so with `cache_control(inherit=True)`.
"""

import datetime as dt
from decimal import Decimal
from typing import Self

import strawberry

from example_schema.api.context import Info
from example_schema.books.errors import AccountNotFoundError
from example_schema.books.money import to_decimal
from example_schema.books.paging import Cursor
from example_schema.books.records import AccountRecord, EntryRecord
from example_schema.books.tables import AccountKind
from strawberry_response_cache import cache_control

strawberry.enum(
    AccountKind, name="AccountKind", description="The five kinds of account in bookkeeping."
)


@strawberry.type(description="An account of the tenant.")
class Account:
    """An account; its balance is added up when somebody asks for it."""

    id: strawberry.ID
    code: str
    name: str
    kind: AccountKind

    @classmethod
    def of(cls, record: AccountRecord) -> Self:
        """Present an account of the books."""
        return cls(
            id=strawberry.ID(str(record.id)),
            code=record.code,
            name=record.name,
            kind=record.kind,
        )

    @cache_control(inherit=True, tags=["[Entry]"])
    @strawberry.field
    async def balance(self, info: Info) -> Decimal:
        """Add up the account's entries, together with those of the other accounts asked for."""
        return to_decimal(await info.context.balances.load(int(self.id)))


@strawberry.type(description="A dated posting on an account.")
class Entry:
    """A posting; a positive amount raises the balance of its account."""

    id: strawberry.ID
    posted_on: dt.date
    amount: Decimal
    memo: str
    posted_by: str = strawberry.field(description="The id of the user who posted it.")
    account_id: strawberry.Private[int]

    @classmethod
    def of(cls, record: EntryRecord) -> Self:
        """Present an entry of the books."""
        return cls(
            id=strawberry.ID(str(record.id)),
            posted_on=record.posted_on,
            amount=to_decimal(record.amount_cents),
            memo=record.memo,
            posted_by=record.posted_by,
            account_id=record.account_id,
        )

    @cache_control(inherit=True)
    @strawberry.field
    async def account(self, info: Info) -> Account:
        """Load the entry's account, together with those of the other entries."""
        record = await info.context.accounts.load(self.account_id)
        if record is None:
            raise AccountNotFoundError(self.account_id)
        return Account.of(record)


@strawberry.type(description="Where a page of entries ends.")
class PageInfo:
    """Where a page ends, and whether another one follows."""

    has_next_page: bool
    end_cursor: str | None = strawberry.field(
        description="Give it as `after` to read the next page."
    )


@strawberry.type(description="An entry and its place among the entries of its account.")
class EntryEdge:
    """An entry with its cursor."""

    cursor: str
    node: Entry


@strawberry.type(description="A page of entries, newest first.")
class EntryConnection:
    """A page of entries."""

    edges: list[EntryEdge]
    page_info: PageInfo

    @classmethod
    def of(cls, records: list[EntryRecord], first: int) -> Self:
        """Make a page of `first` entries out of records that were read one further than that."""
        edges = [
            EntryEdge(cursor=Cursor(record.posted_on, record.id).encode(), node=Entry.of(record))
            for record in records[:first]
        ]
        return cls(
            edges=edges,
            page_info=PageInfo(
                has_next_page=len(records) > first,
                end_cursor=edges[-1].cursor if edges else None,
            ),
        )
