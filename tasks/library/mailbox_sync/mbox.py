"""An mbox: a message is known by the digest of its content, without the headers in which readers keep their flags.

It is read without locks, which would have to be written beside it. What is changed meanwhile, the next sync sees whole.
"""

import hashlib
import mailbox
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path

from .local import Found
from .mailboxes import LARGEST_HEADER, flags_text

_FLAGS = {"A": "\\Answered", "D": "\\Deleted", "F": "\\Flagged", "R": "\\Seen", "T": "\\Draft"}
_STATUS = re.compile(rb"^(?:X-)?Status:([^\r\n]*)\r?\n", re.MULTILINE | re.IGNORECASE)
_HEADER_END = re.compile(rb"\r?\n\r?\n")
_CHUNK = 1024 * 1024


class MboxFiles:
    """The one file of an mbox. Raises OSError."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise FileNotFoundError(f"no mbox: {path} is no file")
        self._name = path.name
        self._box = mailbox.mbox(path, create=False)

    def folders(self) -> list[str]:
        """An mbox is its only folder."""
        return [self._name]

    def messages(self, _: str) -> Iterator[Found]:
        """The messages, in the order of the file. Until the first one comes the whole file is read."""
        seen: Counter[str] = Counter()
        for key in self._box.iterkeys():
            with closing(self._box.get_file(key)) as file:
                digest, flags, size = _identify(file.read)
            seen[digest] += 1
            yield Found(
                stable_id=f"{digest}.{seen[digest]}",  # some messages are in it twice
                flags=flags,
                received_at=self._received_at(key),
                size=size,
                read=partial(self._read, key),
            )

    def close(self) -> None:
        """Closes the file."""
        self._box.close()

    def _read(self, key: str, size: int) -> bytes:
        with closing(self._box.get_file(key)) as file:
            header, _ = _without_status(file.read(size))
            return header

    def _received_at(self, key: str) -> datetime | None:
        with closing(self._box.get_file(key, from_=True)) as file:
            # "From user@host Thu Jan  1 00:00:00 1970"
            words = file.readline().decode("ascii", "replace").split()
        try:
            _, month, day, time, year = words[-5:]
            return parsedate_to_datetime(f"{day} {month} {year} {time} +0000").astimezone(UTC)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None


def _identify(read: Callable[[int], bytes]) -> tuple[str, str, int]:
    """The digest, the flags and the size of a message."""
    head, flags = _without_status(read(LARGEST_HEADER))
    digest, size = hashlib.sha256(head), len(head)
    while chunk := read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), flags, size


def _without_status(content: bytes) -> tuple[bytes, str]:
    """The content without the headers that hold flags, and the flags."""
    end = _HEADER_END.search(content)
    # The header's last line end stays with it: the first of the two that end it.
    split = end.start() + end[0].index(b"\n") + 1 if end else len(content)
    header = content[:split]
    letters = "".join(value.decode("ascii", "replace") for value in _STATUS.findall(header))
    flags = flags_text({_FLAGS[letter] for letter in letters if letter in _FLAGS})
    return _STATUS.sub(b"", header) + content[split:], flags
