"""The ledger's tables."""

import enum

from sqlalchemy import (
    Column,
    Date,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

SCHEMA_VERSION = 1
"""Stamped into each database file; raise it with every change below."""


class AccountKind(enum.Enum):
    """The five kinds of account in bookkeeping."""

    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    INCOME = "income"
    EXPENSE = "expense"


metadata = MetaData()

tenants = Table(
    "tenants",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False),
    Column("name", String, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False),
    Column("code", String, nullable=False),
    Column("name", String, nullable=False),
    Column("kind", Enum(AccountKind), nullable=False),
    UniqueConstraint("tenant_id", "code"),
)

entries = Table(
    "entries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("posted_on", Date, nullable=False),
    Column("amount_cents", Integer, nullable=False),
    Column("memo", String, nullable=False),
    Column("posted_by", ForeignKey("users.id"), nullable=False),
    # The order in which an account's entries are paged, balanced and drawn as a series.
    Index("entries_by_account", "tenant_id", "account_id", "posted_on", "id"),
    Index("entries_by_user", "tenant_id", "posted_by", "posted_on", "id"),
)

pinned_accounts = Table(
    "pinned_accounts",
    metadata,
    Column("tenant_id", ForeignKey("tenants.id"), nullable=False),
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
)
