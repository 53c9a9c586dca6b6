"""Receipts: what the import of a work has done, written in the transaction that does it.

A worker may die, or a connection break, when all is committed and nobody has heard of it yet: the next attempt of the
same work finds the receipt, and does nothing twice.
"""

import time

from sqlalchemy import BigInteger, Column, Connection, Engine, MetaData, String, Table, delete, insert, inspect, select
from sqlalchemy.exc import DBAPIError

from ..database import transaction, when_unlocked
from .columns import LONG_TEXT
from .options import ImportContext, ImportReport

# Seconds past its deadline in which a work may still ask: callers who join put the deadline off, and clocks differ.
_KEPT = 86_400

_RECEIPTS = Table(
    "csv_import_receipts",
    MetaData(),
    # Where an attempt that was taken for dead goes on beside the next, this lets only one of them commit.
    Column("work", String(128), primary_key=True),
    Column("expires_at", BigInteger, nullable=False),  # in Unix time
    Column("report", LONG_TEXT, nullable=False),
    mysql_engine="InnoDB",
    mariadb_engine="InnoDB",
)


class Receipts:
    """The receipt of one work. Without an id, as in a test of the work as a plain function, there is none."""

    def __init__(self, engine: Engine, ctx: ImportContext) -> None:
        self._engine = engine
        self._ctx = ctx

    def find(self) -> ImportReport | None:
        """What an attempt of this work has committed."""
        if not self._ctx.id:
            return None
        with self._engine.connect() as connection:
            text = when_unlocked(self._ctx, lambda: self._read(connection))
        return None if text is None else ImportReport.model_validate_json(text)

    def prepare(self) -> None:
        """Makes the table, and sweeps out what nobody asks for any more, before the import and in another transaction.

        In the same one MySQL would commit what is under way, and all other imports would have to wait for its end.
        """
        if not self._ctx.id:
            return
        try:
            self._make_and_sweep()
        except DBAPIError:  # another import was just doing the same
            self._make_and_sweep()

    def write(self, connection: Connection, report: ImportReport) -> None:
        """The last deed of the import's transaction."""
        if self._ctx.id:
            expires_at = int(time.time() + self._ctx.remaining()) + _KEPT
            # The names of columns may have any characters, a database needn't.
            text = report.model_dump_json(ensure_ascii=True)
            receipt = {"work": self._ctx.id, "expires_at": expires_at, "report": text}
            connection.execute(insert(_RECEIPTS), receipt)

    def _make_and_sweep(self) -> None:
        with transaction(self._engine, self._ctx) as connection:
            _RECEIPTS.create(connection, checkfirst=True)
            connection.execute(delete(_RECEIPTS).where(_RECEIPTS.c.expires_at < int(time.time())))

    def _read(self, connection: Connection) -> str | None:
        if not inspect(connection).has_table(_RECEIPTS.name):
            return None
        text: str | None = connection.scalar(select(_RECEIPTS.c.report).where(_RECEIPTS.c.work == self._ctx.id))
        return text
