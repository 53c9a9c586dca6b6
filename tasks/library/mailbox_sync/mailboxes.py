"""What a sync asks of any mailbox, be it on a server or in files.

Messages are known by UIDs as IMAP defines them: numbers that grow with each message that comes, and that are good as
long as the folder's UIDVALIDITY is the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

# A message that has more bytes is kept in no memory: so much of its header must do.
LARGEST_MESSAGE = 16 * 1024 * 1024
LARGEST_HEADER = 128 * 1024


@dataclass(frozen=True)
class FolderState:
    """A folder at a moment; `highestmodseq` is None where the server doesn't number changes (RFC 7162)."""

    uidvalidity: int
    uidnext: int
    messages: int
    highestmodseq: int | None = None


@dataclass(frozen=True)
class Described:
    """A message before its text is fetched; `size` in bytes, `stable_id` where the mailbox itself has no UIDs."""

    uid: int
    flags: str
    received_at: datetime | None
    size: int
    stable_id: str | None = None


@dataclass(frozen=True)
class Fetched:
    """A message with its text, or with its header only where the whole is too large."""

    described: Described
    content: bytes
    whole: bool


class Refused(Exception):
    """The server said no to one command; the conversation can go on."""


class ConnectionLost(Exception):
    """The conversation is over, or has to pause: the server hung up, was silent, or asked for patience."""


class PutOff(ConnectionLost):
    """The server asked for patience: what it was asked for is not the reason."""


class Folder(Protocol):
    """A folder that is open for reading. Any method raises Refused, ConnectionLost, or what the context raises."""

    @property
    def state(self) -> FolderState:
        """As it was when it was opened."""

    def uids(self, first: int = 1) -> list[int]:
        """The UIDs of all messages from the first one on, in ascending order."""

    def flags(self, first: int, last: int, since: int | None) -> dict[int, str]:
        """The flags of the messages from UID first to last: at least of those that changed after modseq `since`."""

    def describe(self, uids: Sequence[int]) -> list[Described]:
        """What is known of these messages without their text; those that are gone are left out."""

    def fetch(self, messages: Sequence[Described], arrived: list[Fetched]) -> None:
        """Adds the messages with their text to `arrived`: also if it fails, those that came whole before that."""


class Source(Protocol):
    """A mailbox with its folders."""

    def folders(self) -> list[str]:
        """The names of the folders to synchronise."""

    def look(self, name: str) -> FolderState | None:
        """The state of a folder without opening it; None if only opening it can tell."""

    def open(self, name: str) -> Folder:
        """Opens a folder for reading. Whatever was open before is no more."""


def flags_text(flags: Iterable[str]) -> str:
    r"""Flags as the index keeps them. \Recent is about the session, not about the message."""
    return " ".join(sorted(flag for flag in flags if flag.lower() != "\\recent"))
