"""A Maildir with its folders (Maildir++): a message is known by its unique name, and so is read only once."""

import mailbox
import os
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from .local import Found
from .mailboxes import flags_text
from .names import plain

_FLAGS = {
    "D": "\\Draft", "F": "\\Flagged", "P": "$Forwarded", "R": "\\Answered", "S": "\\Seen", "T": "\\Deleted",
}  # fmt: skip


class MaildirFiles:
    """The files of a Maildir. Raises OSError."""

    def __init__(self, path: Path) -> None:
        if not (path / "cur").is_dir():
            raise NotADirectoryError(f"no Maildir: it has no folder {path / 'cur'}")
        paths = {name: path / f".{name}" for name in mailbox.Maildir(path, create=False).list_folders()}
        # Other programs keep things in folders of such names too.
        self._paths = {"INBOX": path} | {plain(_legible(name)): at for name, at in paths.items() if _holds_mail(at)}

    def folders(self) -> list[str]:
        """The names of the folders."""
        return list(self._paths)

    def messages(self, name: str) -> Iterator[Found]:
        """The messages of a folder, in the order in which they came."""
        path = self._paths[name]
        box = mailbox.Maildir(path, create=False)
        # Mail programs move messages from new to cur: who looks in this order misses none, but may meet one twice.
        entries = {
            entry.name.partition(":")[0]: entry
            for part in ("new", "cur")
            for entry in os.scandir(path / part)
            if not entry.name.startswith(".") and entry.is_file()
        }
        for unique, entry in sorted(entries.items()):
            try:
                status = entry.stat()
            except FileNotFoundError:
                continue  # it has another name now, or is gone: the next sync will see
            flags = entry.name.partition(":2,")[2]
            yield Found(
                stable_id=_legible(unique),
                flags=flags_text(_FLAGS[flag] for flag in flags if flag in _FLAGS),
                received_at=datetime.fromtimestamp(status.st_mtime, UTC),
                size=status.st_size,
                read=partial(_read, box, unique),
            )

    def close(self) -> None:
        """Nothing is left open."""


def _holds_mail(path: Path) -> bool:
    return all((path / part).is_dir() for part in ("cur", "new"))


def _legible(name: str) -> str:
    """A file's name as a database takes it: it needn't be UTF-8."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _read(box: "mailbox.Maildir", unique: str, size: int) -> bytes:
    # The mailbox finds the file also if it got other flags, and so another name, since we looked.
    with closing(box.get_file(unique)) as file:
        return file.read(size)
