"""What every resolver knows about the request it works for."""

from dataclasses import dataclass
from typing import Self

import strawberry
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response
from strawberry.dataloader import DataLoader

from example_schema.books.directory import Directory, Identity, Tenant, User
from example_schema.books.ledger import Ledger
from example_schema.books.records import AccountRecord
from strawberry_response_cache import ResponseCache


@dataclass(frozen=True)
class Services:
    """What all requests share."""

    engine: AsyncEngine
    directory: Directory
    cache: ResponseCache


@dataclass(frozen=True)
class RequestContext:
    """One request: who sent it, the books it sees, and the loaders that batch its reads.

    The cache reads `tenant` and `user` from here for its keys, and writes its HTTP headers to
    `response`.
    """

    request: Request
    response: Response
    tenant: Tenant
    user: User
    ledger: Ledger
    accounts: DataLoader[int, AccountRecord | None]
    balances: DataLoader[int, int]

    @classmethod
    def of(
        cls, request: Request, response: Response, identity: Identity, services: Services
    ) -> Self:
        """Open the tenant's books for one request."""
        tenant = identity.tenant
        ledger = Ledger(services.engine, tenant.id)
        return cls(
            request=request,
            response=response,
            tenant=tenant,
            user=identity.user,
            ledger=ledger,
            accounts=DataLoader(ledger.accounts_by_id),
            balances=DataLoader(ledger.balances),
        )


Info = strawberry.Info[RequestContext, None]
