"""Fields that are annotated wrongly on purpose, to be found by metrics, `verify` and `explain`: see `--mistakes`."""

from decimal import Decimal

import strawberry

from example_schema.api.context import Info
from example_schema.api.query import Query
from example_schema.books.balance_sheet import account_balances
from example_schema.books.money import to_decimal
from strawberry_response_cache import cache_control


@strawberry.type
class Statement:
    """What the books come to."""

    title: str

    @strawberry.field
    async def turnover(self, info: Info) -> Decimal:
        """Add up all accounts. It has a resolver and no hint, so no response that holds it is cached."""
        balances = await account_balances(info.context.ledger, None)
        return to_decimal(sum(abs(each.balance) for each in balances))


@strawberry.type(name="Query")
class QueryWithMistakes(Query):
    """The queries, and some with mistakes."""

    @cache_control(ttl=60)
    @strawberry.field
    def statement(self) -> Statement:
        """Return a statement, which is expensive and never cached, although it could be."""
        return Statement(title="All accounts")

    @cache_control(ttl=20)
    @strawberry.field
    def greeting(self, info: Info) -> str:
        """Greet the user. It is PUBLIC and should be PRIVATE: one user gets the greeting of another."""
        return f"Hello, {info.context.user.name}."
