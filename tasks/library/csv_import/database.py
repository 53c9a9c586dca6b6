"""The database: its URL checked, connections opened, and transactions that cover the making of tables too."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError

from .errors import TargetError
from .options import ImportContext

_Result = TypeVar("_Result")

# How long SQLite itself waits for a lock, before we look whether anybody still wants the import, and wait on.
_LOCK_SLICE = 0.5


def parse_url(database: str) -> URL:
    """The URL, checked as far as can be without connecting; raises TargetError, which never shows a password."""
    try:
        url = make_url(database)
    except (ArgumentError, ValueError):  # the latter for a port that is no number
        raise TargetError("expected database to be an SQLAlchemy URL, such as sqlite:///flights.db") from None
    if url.get_backend_name() == "sqlite":
        if url.database in (None, "", ":memory:"):
            raise TargetError("expected a database that outlives the import, got SQLite in memory")
        folder = Path(str(url.database)).parent
        if not str(url.database).startswith("file:") and not folder.is_dir():
            raise TargetError(f"the folder of the SQLite database doesn't exist: {folder}")
    return url


def redacted(url: URL) -> str:
    """The URL without its password, and without its query, which may carry one too."""
    return url.set(query={}).render_as_string(hide_password=True)


def open_engine(url: URL) -> Engine:
    """An engine that keeps no connection open; raises TargetError where the driver is unknown, missing or async."""
    sqlite = url.get_backend_name() == "sqlite"
    try:
        engine = create_engine(
            url, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": _LOCK_SLICE} if sqlite else {}
        )
    except (ArgumentError, ImportError) as error:
        raise TargetError(f"{redacted(url)}: no usable driver: {error}") from None
    if engine.dialect.is_async:
        raise TargetError(f"{redacted(url)}: expected a driver without asyncio, got {engine.dialect.driver}")
    return engine


@contextmanager
def transaction(engine: Engine, ctx: ImportContext) -> Iterator[Connection]:
    """One transaction: committed on a clean exit, else rolled back, by the database itself if this process dies.

    On SQLite it covers tables made and dropped, and takes the write lock at once, waiting for it as long as the import
    is wanted.
    """
    with engine.connect() as connection, connection.begin():
        sqlite = engine.dialect.name == "sqlite"
        if sqlite:
            # Left to itself the sqlite3 module begins before the first INSERT only: a table made or dropped before
            # that would stay so, whatever happens next.
            when_unlocked(ctx, lambda: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        yield connection
        if sqlite:
            # Readers of a database without write-ahead log hold this up; to fail now would waste the whole import.
            when_unlocked(ctx, lambda: connection.exec_driver_sql("COMMIT"))


def when_unlocked(ctx: ImportContext, step: Callable[[], _Result]) -> _Result:
    """Do one step that SQLite refuses while others hold its lock, again and again until the deadline."""
    while True:
        try:
            return step()
        except OperationalError as error:
            if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY or ctx.remaining() <= 0:
                raise
        ctx.check()


@contextmanager
def database_errors(url: URL) -> Iterator[None]:
    """Turn what the database complains about into a TargetError, which shows neither the password nor the rows."""
    try:
        yield
    except SQLAlchemyError as error:
        # The first line only: PostgreSQL goes on with the values of the row.
        text = str(error.orig if isinstance(error, DBAPIError) else error.args[0]).strip().partition("\n")[0]
        if url.password:
            text = text.replace(url.password, "***")
        # The cause stays behind: its text could show what was just taken out.
        raise TargetError(f"{redacted(url)}: {text}") from None
