"""A database: its URL checked, connections opened, and transactions that cover the making of tables too."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError

_Result = TypeVar("_Result")

# How long SQLite itself waits for a lock, before we look whether anybody still wants the work, and wait on.
_LOCK_SLICE = 0.5


class Patience(Protocol):
    """What waiting for a lock needs of a WorkContext."""

    def check(self) -> None:
        """Raise when nobody wants the work any more."""

    def remaining(self) -> float:
        """Seconds until the deadline."""


class Database:
    """A database by its SQLAlchemy URL, with an engine that keeps no connection open.

    Whatever is wrong with it, and what it objects to inside `errors()`, is raised as a `refusal`, which shows neither
    its password nor its rows; but MySQL names a value that a key already has, or that a column doesn't take, in the
    one line that is shown.
    """

    def __init__(self, url: str, refusal: type[Exception]) -> None:
        self._refusal = refusal
        self.url = self._parse(url)
        self.engine = self._open()

    @property
    def name(self) -> str:
        """The URL without its password, and without its query, which may carry one too."""
        return self.url.set(query={}).render_as_string(hide_password=True)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turns what the database complains about into a refusal."""
        try:
            yield
        except SQLAlchemyError as error:
            # The first line only: PostgreSQL goes on with the values of the row.
            text = str(error.orig if isinstance(error, DBAPIError) else error.args[0]).strip().partition("\n")[0]
            if self.url.password:
                text = text.replace(self.url.password, "***")
            # The cause stays behind: its text could show what was just taken out.
            raise self._refusal(f"{self.name}: {text}") from None

    def _parse(self, text: str) -> URL:
        try:
            url = make_url(text)
        except (ArgumentError, ValueError):  # the latter for a port that is no number
            raise self._refusal("expected database to be an SQLAlchemy URL, such as sqlite:///flights.db") from None
        if url.get_backend_name() == "sqlite":
            database = url.database or ":memory:"
            if ":memory:" in database or url.query.get("mode") == "memory":
                raise self._refusal("expected a database that outlives the work, got SQLite in memory")
            folder = Path(database).parent
            # Path.is_dir() would raise where nobody lets us look.
            if not database.startswith("file:") and not os.path.isdir(folder):
                raise self._refusal(f"the folder of the SQLite database doesn't exist: {folder}")
        return url

    def _open(self) -> Engine:
        sqlite = self.url.get_backend_name() == "sqlite"
        options = {"timeout": _LOCK_SLICE} if sqlite else {}
        try:
            engine = create_engine(self.url, poolclass=NullPool, hide_parameters=True, connect_args=options)
        except (ArgumentError, ImportError) as error:
            raise self._refusal(f"{self.name}: no usable driver: {error}") from None
        except (TypeError, ValueError) as error:
            raise self._refusal(f"{self.name}: an option in its query can't be used: {error}") from None
        if engine.dialect.is_async:
            raise self._refusal(f"{self.name}: expected a driver without asyncio, got {engine.dialect.driver}")
        return engine


@contextmanager
def transaction(engine: Engine, ctx: Patience) -> Iterator[Connection]:
    """One transaction: committed on a clean exit, else rolled back, by the database itself if this process dies.

    On SQLite it covers tables made and dropped, and takes the write lock at once, waiting for it as long as the work
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
            # Readers of a database without write-ahead log hold this up; to fail now would waste the whole work.
            when_unlocked(ctx, lambda: connection.exec_driver_sql("COMMIT"))


def when_unlocked(ctx: Patience, step: Callable[[], _Result]) -> _Result:
    """Do one step that SQLite refuses while others hold its lock, again and again until the deadline."""
    while True:
        try:
            return step()
        except OperationalError as error:
            if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY or ctx.remaining() <= 0:
                raise
        ctx.check()
