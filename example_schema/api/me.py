"""The GraphQL type of the user who asks."""

from typing import Self

import strawberry

from example_schema.api.context import Info
from example_schema.api.objects import Account, Entry
from example_schema.books.directory import User
from example_schema.books.paging import check_page_size
from strawberry_response_cache import cache_control


@strawberry.type(description="You.")
class Me:
    """The user of the request. Whatever is below is nobody else's business."""

    id: strawberry.ID
    name: str

    @classmethod
    def of(cls, user: User) -> Self:
        """Present a user to themselves."""
        return cls(id=strawberry.ID(user.id), name=user.name)

    @cache_control(inherit=True)
    @strawberry.field
    async def pinned_accounts(self, info: Info) -> list[Account]:
        """Read the accounts that the user has pinned."""
        records = await info.context.ledger.pinned_accounts(self.id)
        return [Account.of(record) for record in records]

    @cache_control(inherit=True)
    @strawberry.field
    async def recent_postings(self, info: Info, first: int = 10) -> list[Entry]:
        """Read the newest entries that the user has posted."""
        check_page_size(first)
        records = await info.context.ledger.recent_postings(self.id, first)
        return [Entry.of(record) for record in records]
