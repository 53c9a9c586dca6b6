"""Mailboxes in files of this machine: mbox and Maildir, through the standard library's mailbox.

They have no UIDs, so they get some: a message that the index knows keeps its number, one that it doesn't gets the next.
A message is known by its unique name in a Maildir, and by the digest of its content in an mbox.
"""

import hashlib
import mailbox
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, Self

from .address import LocalAddress
from .errors import SourceError
from .mailboxes import LARGEST_HEADER, LARGEST_MESSAGE, Described, Fetched, FolderState, flags_text
from .names import plain
from .options import SyncContext

_MAILDIR_FLAGS = {
    "D": "\\Draft", "F": "\\Flagged", "P": "$Forwarded", "R": "\\Answered", "S": "\\Seen", "T": "\\Deleted",
}  # fmt: skip
_MBOX_FLAGS = {"A": "\\Answered", "D": "\\Deleted", "F": "\\Flagged", "R": "\\Seen", "T": "\\Draft"}
# Where readers of an mbox keep the flags: no part of what a message is.
_STATUS = re.compile(rb"^(?:X-)?Status:([^\r\n]*)\r?\n", re.MULTILINE | re.IGNORECASE)
_HEADER_END = re.compile(rb"\r?\n\r?\n")

# UIDs by what the messages are known by, and the next UID, of a folder in the index.
KnownIds = Callable[[str], tuple[Mapping[str, int], int]]


@dataclass(frozen=True)
class _Found:
    """A message in the files; `read` gives its first bytes, or raises KeyError if it is gone."""

    stable_id: str
    flags: str
    received_at: datetime | None
    size: int
    read: Callable[[int], bytes]


class LocalMailbox:
    """A mailbox of this machine, and what a sync asks of it. Raises SourceError."""

    def __init__(self, ctx: SyncContext, address: LocalAddress, known_ids: KnownIds) -> None:
        self._ctx = ctx
        self._known_ids = known_ids
        self._path = address.path
        self._is_maildir = address.scheme == "maildir"
        with self._reading():
            self._boxes = self._find_boxes()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for box in self._boxes.values():
            box.close()

    def folders(self) -> list[str]:
        """A Maildir's inbox and its folders, or the one folder that an mbox is."""
        return sorted(self._boxes)

    def look(self, _: str) -> FolderState | None:
        """None: to look is as much work as to open."""
        return None

    def open(self, name: str) -> "LocalFolder":
        """Looks at all messages of a folder."""
