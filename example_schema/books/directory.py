"""Who may use the service: tenants and their users."""

from dataclasses import dataclass
from typing import Self

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from example_schema.books import tables


@dataclass(frozen=True)
class Tenant:
    """A company with its own books."""

    id: str
    name: str


@dataclass(frozen=True)
class User:
    """A person who works for one tenant."""

    id: str
    tenant_id: str
    name: str


@dataclass(frozen=True)
class Identity:
    """A user together with the tenant whose books they see."""

    tenant: Tenant
    user: User


@dataclass(frozen=True)
class Directory:
    """All tenants and users by id.

    Read once at the start: nobody joins while the service runs, and a request that the cache can
    answer should not have to wait for the database.
    """

    tenants: dict[str, Tenant]
    users: dict[str, User]

    @classmethod
    async def load(cls, engine: AsyncEngine) -> Self:
        """Read the directory from the database."""
        async with engine.connect() as connection:
            tenant_rows = await connection.execute(select(tables.tenants))
            user_rows = await connection.execute(select(tables.users))
        return cls(
            tenants={row.id: Tenant(row.id, row.name) for row in tenant_rows},
            users={row.id: User(row.id, row.tenant_id, row.name) for row in user_rows},
        )
