"""The mutations. They are never cached.

What their results hold, and lists of such objects, is invalidated before they answer. A mutation whose result
holds nothing of what it changed says what that is, with `@invalidates`.
"""

import datetime as dt
from decimal import Decimal

import strawberry

from example_schema.api.arguments import parse_account_id, parse_entry_id
from example_schema.api.context import Info
from example_schema.api.objects import Account, Entry
from example_schema.books.money import to_cents
from example_schema.books.tables import AccountKind
from strawberry_response_cache import invalidates


@strawberry.input(description="A posting to make.")
class PostEntryInput:
    """What `postEntry` needs to know."""

    account_id: strawberry.ID
    posted_on: dt.date
    amount: Decimal = strawberry.field(description="Positive to raise the account's balance.")
    memo: str


@strawberry.input(description="An account to open.")
class CreateAccountInput:
    """What `createAccount` needs to know."""

    code: str = strawberry.field(description="Four digits that no other account has.")
    name: str
    kind: AccountKind


@strawberry.type
class Mutation:
    """What can be written to the books."""

    @strawberry.mutation
    async def post_entry(self, info: Info, input: PostEntryInput) -> Entry:  # noqa: A002
        """Post an entry in the name of the user who asks."""
        record = await info.context.ledger.post_entry(
            account_id=parse_account_id(input.account_id),
            posted_on=input.posted_on,
            amount_cents=to_cents(input.amount),
            memo=input.memo,
            posted_by=info.context.user.id,
        )
        return Entry.of(record)

    @invalidates("Entry:{args.id}", "[Entry]")
    @strawberry.mutation
    async def delete_entry(self, info: Info, id: strawberry.ID) -> bool:  # noqa: A002
        """Take an entry out of the books; False if it is not there."""
        return await info.context.ledger.delete_entry(parse_entry_id(id))

    @strawberry.mutation
    async def create_account(self, info: Info, input: CreateAccountInput) -> Account:  # noqa: A002
        """Open an account in the books of the tenant."""
        record = await info.context.ledger.create_account(
            code=input.code, name=input.name, kind=input.kind
        )
        return Account.of(record)
