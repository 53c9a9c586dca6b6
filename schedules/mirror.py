"""The mirror of the history in a SQL database, for audit: a process of its own, so that no fire ever waits for it.

Changes of the history wait in Redis until the database has them. They are written in batches, each in a transaction,
and forgotten only then: a mirror may be killed anywhere, and the next one writes again what is there already. Rows are
known by schedule and instant, and the number of the change keeps an old one from being written over a new one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Double, Integer, MetaData, String, Table, Text
from sqlalchemy.dialects import postgresql, sqlite

from ..interest.errors import LedgerUnavailable, WorkError
from ..tasks.library.database import Database, transaction
from ..waiters.client import Client
from .entries import as_history
from .outbox import Outbox, Unmirrored
from .scheduler import open_store

_log = logging.getLogger("askfirst.schedules")
_BATCH: Final = 500  # entries in one transaction
_COPIED: Final = 20  # schedules whose histories are copied in one round
_IDLE: Final = 1.0  # seconds between two looks where nothing waits
_AWAY: Final = (1.0, 30.0)  # seconds between two tries to reach what is away, at first and at most
_LOCKED: Final = 10.0  # seconds that others may hold an SQLite database
_Upsertable = sqlite.Insert | postgresql.Insert
_INSERTS: Final[Mapping[str, Callable[[Table], _Upsertable]]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}

_moment = DateTime(timezone=True)
TABLE: Final = Table(
    "askfirst_schedule_history",
    MetaData(),
    Column("namespace", String(64), primary_key=True),
    Column("schedule", String(128), primary_key=True),
    Column("instant", String(32), primary_key=True),
    Column("nominal_time", _moment, nullable=False, index=True),
    Column("until", _moment, nullable=False),
    Column("count", Integer, nullable=False),
    Column("cause", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("why", Text),
    Column("work", String(128)),
    Column("state", String(16)),
    Column("reason", Text),
    Column("failure", Text),
    Column("decided_at", _moment, nullable=False),
    Column("started_at", _moment),
    Column("finished_at", _moment),
    Column("duration", Double),
    Column("late", Boolean, nullable=False),
    Column("over_time", Boolean, nullable=False),
    Column("change", BigInteger, nullable=False),
)


class MirrorError(WorkError):
    """The database of the mirror can't be used."""


class Mirror:
    """Keeps the table equal to the history, but for what the history has forgotten. Raises `MirrorError`."""

    def __init__(self, client: Client, url: str) -> None:
        self._outbox = Outbox(client.ledger)
        self._store = open_store(client)
        self._namespace = client.ledger.namespace
        self._database = Database(url, MirrorError)
        dialect = self._database.engine.dialect.name
        if dialect not in _INSERTS:
            raise MirrorError(f"expected a database of SQLite or PostgreSQL, got {dialect}")
        self._insert = _INSERTS[dialect]
        self._prepared = False
        self._trouble = ""

    def run(self, stopping: threading.Event) -> None:
        """Mirrors until told to stop, through outages of either side."""
        pause = _AWAY[0]
        while not stopping.is_set():
            try:
                more = self.round()
            except (LedgerUnavailable, MirrorError) as error:
                if not self._trouble:
                    _log.error("the mirror of the history waits: %s", error)
                self._trouble = str(error)
                self._prepared = False
                stopping.wait(pause)
                pause = min(pause * 2, _AWAY[1])
                continue
            if self._trouble:
                _log.warning("the mirror of the history goes on")
                self._trouble = ""
            pause = _AWAY[0]
            if not more:
                stopping.wait(_IDLE)

    def round(self) -> bool:
        """Writes what waits, one batch; whether more may wait. Raises `LedgerUnavailable` and `MirrorError`."""
        waiting = self._outbox.wait_for_mirror()  # first: also while the database is away the mirror is heard of
        if not self._prepared:
            with self._database.errors(), transaction(self._database.engine, _Patience()) as connection:
                TABLE.create(connection, checkfirst=True)
            self._prepared = True
        if waiting.copied_to is not None and waiting.entries < _BATCH:
            self._copy(waiting.copied_to)
        rows = self._outbox.unmirrored(_BATCH)
        if rows:
            self._write(rows)
            self._outbox.mirrored(rows)
        return bool(rows) or waiting.copied_to is not None

    def _copy(self, copied_to: str) -> None:
        """What was there before the mirror, or found no room, some schedules at a time."""
        ids = self._store.ids(after=copied_to, limit=_COPIED)
        for id in ids:
            self._outbox.copy(id)
        self._outbox.copied(copied_to, ids[-1] if ids else "")

    def _write(self, rows: Sequence[Unmirrored]) -> None:
        statement = self._insert(TABLE)
        kept = ("namespace", "schedule", "instant")
        changed = {column.name: statement.excluded[column.name] for column in TABLE.columns if column.name not in kept}
        upsert = statement.on_conflict_do_update(
            index_elements=kept, set_=changed, where=TABLE.c.change <= statement.excluded.change
        )
        values = [self._row(row) for row in rows]
        with self._database.errors(), transaction(self._database.engine, _Patience()) as connection:
            connection.execute(upsert, values)

    def _row(self, row: Unmirrored) -> Mapping[str, Any]:
        told = as_history(row.schedule, row.entry).model_dump()
        ours = {"namespace": self._namespace, "instant": row.entry.instant, "change": row.number}
        return {name: _storable(value) if isinstance(value, str) else value for name, value in (told | ours).items()}


def _storable(text: str) -> str:
    """What every database takes as text: an error may be of any characters, and must not hold up all that follow."""
    return str(text).replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


class _Patience:
    """How long an SQLite database that others hold is waited for."""

    def __init__(self) -> None:
        self._over_at = time.monotonic() + _LOCKED

    def check(self) -> None:
        """Nobody loses interest in a mirror."""

    def remaining(self) -> float:
        return max(self._over_at - time.monotonic(), 0.0)
