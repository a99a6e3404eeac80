"""The database file: made and filled at the first start, recognised at the next."""

import itertools
import shutil
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.schema import CreateTable

from example_schema.books import tables
from example_schema.database import seed

_BATCH_SIZE = 10_000


class DatabaseError(Exception):
    """The database file cannot be used; the message says why and what to do."""


def prepare_database(path: Path, entries: int) -> bool:
    """Make sure that a filled database lies at `path`.

    Args:
        path: The database file. Its folder is created if need be.
        entries: How many entries a new database gets. An existing one is left as it is.

    Returns:
        Whether a new database was made.

    Raises:
        DatabaseError: The file cannot be written, or is not one of this version's ledgers.
    """
    try:
        if path.exists():
            _check_version(path)
            return False
        _create(path, entries)
    except (OSError, sqlite3.Error, SQLAlchemyError) as error:
        message = f"The database {path} cannot be used: {_reason(error)}"
        raise DatabaseError(message) from error
    return True


def open_engine(path: Path) -> AsyncEngine:
    """Return an engine on a prepared database."""
    return create_async_engine(URL.create("sqlite+aiosqlite", database=str(path)))


def _check_version(path: Path) -> None:
    # Read-only, so that a file that is not ours is not touched.
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != tables.SCHEMA_VERSION:
        message = (
            f"The database {path} has version {version}, but this service reads version "
            f"{tables.SCHEMA_VERSION}. Delete the file to have it made anew, or choose another "
            "one with --database."
        )
        raise DatabaseError(message)


def _create(path: Path, entries: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Filled under another name and renamed when complete: whatever interrupts the first start,
    # there is never a half-filled database. In a folder of its own, which takes along whatever
    # SQLite keeps beside the file.
    folder = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        folder.mkdir()
        unfinished = folder / path.name
        engine = create_engine(URL.create("sqlite", database=str(unfinished)))
        try:
            _fill(engine, entries)
        finally:
            engine.dispose()
        unfinished.replace(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fill(engine: Engine, entries: int) -> None:
    with engine.begin() as connection:
        for table in tables.metadata.sorted_tables:
            connection.execute(CreateTable(table))
        connection.execute(insert(tables.tenants), seed.tenant_rows())
        connection.execute(insert(tables.users), seed.user_rows())
        connection.execute(insert(tables.accounts), seed.account_rows())
        connection.execute(insert(tables.pinned_accounts), seed.pinned_account_rows())
        _insert_entries(connection, entries)
        # Sorting each index once is cheaper than keeping it sorted during the fill.
        for table in tables.metadata.sorted_tables:
            for index in table.indexes:
                index.create(connection)
        connection.exec_driver_sql(f"PRAGMA user_version = {tables.SCHEMA_VERSION}")
    with engine.connect() as connection:
        # Readers go on while an entry is posted. Not possible inside a transaction.
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")


def _insert_entries(connection: Connection, total: int) -> None:
    # Straight to the driver: converting the parameters of so many rows would take most of the
    # time of a first start.
    statement = str(insert(tables.entries).compile(dialect=connection.dialect))
    rows = seed.entry_rows(total)
    while batch := list(itertools.islice(rows, _BATCH_SIZE)):
        connection.exec_driver_sql(statement, batch)


def _reason(error: Exception) -> str:
    if isinstance(error, SQLAlchemyError) and (cause := getattr(error, "orig", None)):
        return f"{cause}."
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}."
    return f"{error}."
