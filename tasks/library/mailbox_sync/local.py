"""Mailboxes in files of this machine.

They have no UIDs, so they get some: a message that the index knows keeps its number, one that it doesn't gets the next.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, Self

from .errors import SourceError
from .mailboxes import LARGEST_HEADER, LARGEST_MESSAGE, Described, Fetched, FolderState, Refused
from .options import SyncContext

# UIDs by what the messages are known by, and the next UID, of a folder in the index.
KnownIds = Callable[[str], tuple[Mapping[str, int], int]]


@dataclass(frozen=True)
class Found:
    """A message in the files; `read` gives its first bytes, and raises KeyError if it is gone."""

    stable_id: str
    flags: str
    received_at: datetime | None
    size: int
    read: Callable[[int], bytes]


class Files(Protocol):
    """Folders in files. Raises OSError."""

    def folders(self) -> list[str]:
        """Their names."""

    def messages(self, name: str) -> Iterator[Found]:
        """What is in one of them."""

    def close(self) -> None:
        """Closes what is open."""


class LocalMailbox:
    """A mailbox of this machine, and what a sync asks of it. Raises SourceError."""

    def __init__(self, ctx: SyncContext, path: Path, files: Callable[[Path], Files], known_ids: KnownIds) -> None:
        self._ctx = ctx
        self._path = path
        self._known_ids = known_ids
        with _reading(path):
            self._files = files(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def folders(self) -> list[str]:
        """The names of the folders."""
        with _reading(self._path):
            return sorted(self._files.folders())

    def look(self, _: str) -> None:
        """To look is as much work as to open."""

    def open(self, name: str) -> "LocalFolder":
        """Looks at all messages of a folder."""
        known, uidnext = self._known_ids(name)
        found: dict[int, Found] = {}
        with _reading(self._path):
            for message in self._files.messages(name):
                self._ctx.check()
                uid = known.get(message.stable_id)
                if uid is None:
                    uid, uidnext = uidnext, uidnext + 1
                found[uid] = message
        return LocalFolder(self._ctx, self._path, found, uidnext)


class LocalFolder:
    """A folder's messages by UID."""

    def __init__(self, ctx: SyncContext, path: Path, found: Mapping[int, Found], uidnext: int) -> None:
        self._ctx = ctx
        self._path = path
        self._found = found
        self.state = FolderState(uidvalidity=1, uidnext=uidnext, messages=len(found))

    def uids(self, first: int = 1) -> list[int]:
        """The UIDs from the first one on, ascending."""
        return sorted(uid for uid in self._found if uid >= first)

    def flags(self, first: int, last: int, _: int | None) -> dict[int, str]:
        """The flags in a range of UIDs."""
        return {uid: message.flags for uid, message in self._found.items() if first <= uid <= last}

    def describe(self, uids: Sequence[int]) -> list[Described]:
        """What is known of messages without their text."""
        return [
            Described(uid, message.flags, message.received_at, message.size, message.stable_id)
            for uid in uids
            if (message := self._found.get(uid))
        ]

    def fetch(self, messages: Sequence[Described], arrived: list[Fetched]) -> None:
        """The messages with their text, of very large ones the header."""
        with _reading(self._path):
            for message in messages:
                self._ctx.check()
                whole = message.size <= LARGEST_MESSAGE
                try:
                    content = self._found[message.uid].read(LARGEST_MESSAGE if whole else LARGEST_HEADER)
                except KeyError:
                    continue  # gone since we looked
                except PermissionError as error:
                    raise Refused(error.strerror) from error  # this one; the others are asked for without it
                arrived.append(Fetched(message, content, whole))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(f"{path} can't be read: {error.strerror or error}") from error
