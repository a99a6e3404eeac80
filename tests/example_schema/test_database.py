"""The database file: always the same, always complete, and never a foreign one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from example_schema.database.file import DatabaseError, prepare_database

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_filling_the_database_gives_the_same_data_every_time(tmp_path: Path) -> None:
    first, second = tmp_path / "first.sqlite3", tmp_path / "second.sqlite3"

    assert prepare_database(first, entries=900)
    assert prepare_database(second, entries=900)

    assert dump(first) == dump(second)
    # And on every machine.
    assert read(first, "SELECT sum(amount_cents), min(posted_on) FROM entries") == [
        (10804798, "2022-01-01")
    ]


def test_a_filled_database_has_all_tenants_users_accounts_and_entries(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ledger.sqlite3"

    prepare_database(path, entries=1000)

    assert read(path, "SELECT id FROM tenants ORDER BY id") == [
        ("acme",),
        ("globex",),
        ("initech",),
    ]
    assert read(path, "SELECT tenant_id, id FROM users ORDER BY id") == [
        ("acme", "alice"),
        ("acme", "bob"),
        ("globex", "carol"),
        ("initech", "dave"),
    ]
    assert (
        read(path, "SELECT count(*), count(DISTINCT kind) FROM accounts GROUP BY tenant_id")
        == [(40, 5)] * 3
    )
    assert read(
        path, "SELECT tenant_id, count(*) FROM entries GROUP BY tenant_id ORDER BY tenant_id"
    ) == [("acme", 334), ("globex", 333), ("initech", 333)]
    assert [file.name for file in path.parent.iterdir()] == ["ledger.sqlite3"]


@pytest.mark.parametrize("other", ["accounts", "users"])
def test_the_account_and_the_user_of_each_entry_belong_to_its_tenant(
    tmp_path: Path, other: str
) -> None:
    path = tmp_path / "ledger.sqlite3"
    prepare_database(path, entries=300)
    column = {"accounts": "account_id", "users": "posted_by"}[other]

    mixed = read(
        path,
        f"SELECT count(*) FROM entries JOIN {other} ON {other}.id = entries.{column} "  # noqa: S608
        f"WHERE {other}.tenant_id != entries.tenant_id",
    )

    assert mixed == [(0,)]


def test_an_existing_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    prepare_database(path, entries=300)
    before = path.read_bytes()

    assert not prepare_database(path, entries=600)

    assert path.read_bytes() == before


def test_a_database_of_another_version_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    prepare_database(path, entries=3)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")

    with pytest.raises(DatabaseError, match="has version 99, but this service reads version"):
        prepare_database(path, entries=3)

    assert path.exists()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam, " * 100)

    with pytest.raises(DatabaseError, match="file is not a database"):
        prepare_database(path, entries=3)
