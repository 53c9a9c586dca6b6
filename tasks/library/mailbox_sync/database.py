"""The index's database: made or checked when it is opened, changed in transactions that only the last sync may make.

Others may read it at any moment, also while a sync writes it.
"""

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import IndexFileError

# "amsi", so that no other database is taken for an index.
_APPLICATION_ID = 0x616D7369
_VERSION = 1

# How long another program may hold the lock of the database.
_LOCK_SECONDS = 5.0

_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE folder (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    uidvalidity INTEGER NOT NULL,
    -- The point to go on from: what has a lower UID was looked at.
    uidnext INTEGER NOT NULL DEFAULT 1,
    -- The point to go on from for flags; NULL where the server doesn't number their changes.
    highestmodseq INTEGER,
    -- 0 while a folder is indexed anew, until it takes the place of the one that is current.
    current INTEGER NOT NULL,
    -- When it was last made equal.
    synced_at TEXT,
    UNIQUE (name, current)
);
CREATE TABLE message (
    folder_id INTEGER NOT NULL REFERENCES folder ON DELETE CASCADE,
    uid INTEGER NOT NULL,
    -- What a message is known by where the mailbox has no UIDs: its name in a Maildir, its digest in an mbox.
    stable_id TEXT,
    flags TEXT NOT NULL,
    received_at TEXT,
    sent_at TEXT,
    size INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    sender TEXT NOT NULL,
    recipients TEXT NOT NULL,
    -- SHA-256 of the whole message; NULL if not all of it was read.
    digest TEXT,
    -- What is wrong with the message, if anything is.
    problem TEXT,
    PRIMARY KEY (folder_id, uid)
);
CREATE INDEX message_by_message_id ON message (message_id);
-- What readers want: the messages of all folders; times in UTC.
CREATE VIEW mail AS
    SELECT folder.name AS folder, uid, flags, received_at, sent_at, size, message_id, subject, sender, recipients,
        digest, problem
    FROM message JOIN folder ON folder.id = message.folder_id WHERE folder.current;
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
COMMIT;
"""


class Database:
    """An index that this sync has taken over from any other. Raises IndexFileError."""

    def __init__(self, path: Path, source: str) -> None:
        self._path = path
        # Whoever opens the index last may write it. A worker that was paused and taken for dead finds another's name
        # here when it wakes, and writes nothing more.
        self._owner = secrets.token_hex(8)
        with self._errors():
            # Transactions are ours: the module would begin them where they aren't wanted.
            self._connection = sqlite3.connect(path, timeout=_LOCK_SECONDS, isolation_level=None)
        try:
            with self._errors():
                self._prepare(source)
        except BaseException:
            self.close()
            raise

    def rows(self, query: str, *values: object) -> list[Any]:
        """What a query finds."""
        with self._errors():
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One step: all of it, or nothing if anything raises."""
        with self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                if self._meta("owner") != self._owner:
                    raise IndexFileError(f"{self._path}: another sync has taken over")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Closes it; the last one to do so leaves one file."""
        self._connection.close()

    def _prepare(self, source: str) -> None:
        run = self._connection.execute
        kind, version = (run(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
        if kind == 0 and not run("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            run("PRAGMA journal_mode = WAL")
            self._connection.executescript(_SCHEMA)
        elif (kind, version) != (_APPLICATION_ID, _VERSION):
            raise IndexFileError(f"{self._path}: expected an index of this version, got another database")
        # A crash of the machine may take the last transactions back, but whole and in order: a sync does them again.
        run("PRAGMA synchronous = NORMAL")
        run("PRAGMA foreign_keys = ON")
        of = self._meta("source")
        if of not in (None, source):
            raise IndexFileError(f"{self._path} is the index of {of}, not of {source}")
        run("INSERT OR REPLACE INTO meta VALUES ('source', ?), ('owner', ?)", (source, self._owner))

    def _meta(self, name: str) -> str | None:
        row = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise IndexFileError(f"{self._path}: {error}") from error
