"""The index of a mailbox: what a sync knows of it, and the steps by which it learns more.

Each step is one transaction, which also moves the point to go on from: a kill between two of them loses nothing. A
folder whose UIDVALIDITY changed is indexed anew beside what is there, and takes its place as a whole.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from .database import Database
from .mailboxes import Described, FolderState
from .summary import Summary

_INSERT = f"INSERT OR IGNORE INTO message VALUES ({', '.join('?' * 13)})"


@dataclass(frozen=True)
class FolderRecord:
    """A folder in the index, with the points to go on from."""

    id: int
    name: str
    uidvalidity: int
    uidnext: int
    highestmodseq: int | None


class Index:
    """Raises IndexFileError for whatever is wrong with the file."""

    def __init__(self, path: Path, source: str) -> None:
        self._database = Database(path, source)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def folders(self) -> list[str]:
        """The names of all folders."""
        return [name for (name,) in self._database.rows("SELECT name FROM folder WHERE current ORDER BY name")]

    def count(self, folder: FolderRecord | None = None) -> int:
        """How many messages a folder has, or what readers see of the whole mailbox."""
        if folder is None:
            ((count,),) = self._database.rows("SELECT count(*) FROM mail")
        else:
            ((count,),) = self._database.rows("SELECT count(*) FROM message WHERE folder_id = ?", folder.id)
        return int(count)

    def folder(self, name: str) -> FolderRecord | None:
        """What readers see as the folder of this name."""
        return self._folder("name = ? AND current", name)

    def uids(self, folder: FolderRecord) -> list[int]:
        """The UIDs of a folder's messages, ascending."""
        rows = self._database.rows("SELECT uid FROM message WHERE folder_id = ? ORDER BY uid", folder.id)
        return [uid for (uid,) in rows]

    def flags(self, folder: FolderRecord, first: int, last: int) -> dict[int, str]:
        """The flags in a range of UIDs."""
        query = "SELECT uid, flags FROM message WHERE folder_id = ? AND uid BETWEEN ? AND ?"
        return dict(self._database.rows(query, folder.id, first, last))

    def known_ids(self, name: str) -> tuple[dict[str, int], int]:
        """The UIDs of a folder's messages by what they are known by, and the next UID."""
        folder = self.folder(name)
        if folder is None:
            return {}, 1
        known = dict(self._database.rows("SELECT stable_id, uid FROM message WHERE folder_id = ?", folder.id))
        return known, max(folder.uidnext, max(known.values(), default=0) + 1)

    def begin(self, name: str, state: FolderState) -> FolderRecord:
        """The folder to go on with: the one of this name and UIDVALIDITY, made if there is none."""
        if found := self._folder("name = ? AND uidvalidity = ?", name, state.uidvalidity):
            return found
        with self._database.transaction() as connection:
            # Half made, for a UIDVALIDITY that has gone again.
            connection.execute("DELETE FROM folder WHERE name = ? AND NOT current", (name,))
            # Flags come with each message: what has to be asked for is what changes from here on.
            cursor = connection.execute(
                "INSERT INTO folder (name, uidvalidity, highestmodseq, current) VALUES (?, ?, ?, ?)",
                (name, state.uidvalidity, state.highestmodseq, self.folder(name) is None),
            )
            made = self._folder("id = ?", cursor.lastrowid)
        assert made is not None, "it was made in the lines above"
        return made

    def add(self, folder: FolderRecord, messages: Iterable[tuple[Described, Summary]], uidnext: int) -> None:
        """Adds messages, and moves the point to go on from, but never back."""
        rows = [_row(folder, described, summary) for described, summary in messages]
        with self._database.transaction() as connection:
            connection.executemany(_INSERT, rows)
            connection.execute("UPDATE folder SET uidnext = max(uidnext, ?) WHERE id = ?", (uidnext, folder.id))

    def change(self, folder: FolderRecord, flags: Mapping[int, str], expunged: Iterable[int] = ()) -> None:
        """Gives messages other flags, and removes messages."""
        changed = [(text, folder.id, uid) for uid, text in flags.items()]
        removed = [(folder.id, uid) for uid in expunged]
        with self._database.transaction() as connection:
            connection.executemany("UPDATE message SET flags = ? WHERE folder_id = ? AND uid = ?", changed)
            connection.executemany("DELETE FROM message WHERE folder_id = ? AND uid = ?", removed)

    def finish(self, folder: FolderRecord, state: FolderState) -> int:
        """The folder is as it was in that state. Returns how many messages went with one whose place it takes."""
        with self._database.transaction() as connection:
            replaced = self.folder(folder.name)
            expunged = self.count(replaced) if replaced and replaced.id != folder.id else 0
            connection.execute("DELETE FROM folder WHERE name = ? AND id <> ?", (folder.name, folder.id))
            connection.execute(
                "UPDATE folder SET current = TRUE, uidnext = max(uidnext, ?), highestmodseq = ?, synced_at = ?"
                " WHERE id = ?",
                (state.uidnext, state.highestmodseq, _text(datetime.now(UTC)), folder.id),
            )
        return expunged

    def drop(self, names: Iterable[str]) -> int:
        """Removes folders. Returns how many messages went with them."""
        with self._database.transaction() as connection:
            before = self.count()
            connection.executemany("DELETE FROM folder WHERE name = ?", [(name,) for name in names])
            return before - self.count()

    def _folder(self, condition: str, *values: object) -> FolderRecord | None:
        columns = "id, name, uidvalidity, uidnext, highestmodseq"
        rows = self._database.rows(f"SELECT {columns} FROM folder WHERE {condition}", *values)
        return FolderRecord(*rows[0]) if rows else None


def _row(folder: FolderRecord, described: Described, summary: Summary) -> tuple[object, ...]:
    return (
        folder.id,
        described.uid,
        described.stable_id,
        described.flags,
        _text(described.received_at),
        _text(summary.sent_at),
        described.size,
        summary.message_id,
        summary.subject,
        summary.sender,
        summary.recipients,
        summary.digest,
        "; ".join(summary.problems) or None,
    )


def _text(moment: datetime | None) -> str | None:
    """A time in UTC as SQLite's own functions take it."""
    return None if moment is None else moment.replace(tzinfo=None).isoformat(" ", "seconds")
