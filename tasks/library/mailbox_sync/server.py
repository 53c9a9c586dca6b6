"""A mailbox on an IMAP server, only read: EXAMINE and BODY.PEEK change nothing there."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from . import responses
from .address import ImapAddress
from .connection import Connection, checked
from .errors import SourceError
from .mailboxes import LARGEST_HEADER, LARGEST_MESSAGE, Described, Fetched, FolderState, Refused, flags_text
from .names import plain, quoted, uid_set
from .options import SyncContext
from .responses import ResponseError, Value

# The slowest line on which a fetch isn't given up.
_BYTES_PER_SECOND = 32 * 1024
_FLAGS_PER_SECOND = 1_000


class ImapServer:
    """One connection to a server, and what a sync asks of it."""

    def __init__(self, ctx: SyncContext, address: ImapAddress, password: str) -> None:
        self._address = address
        self._connection = Connection(ctx, address, password)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self._connection.leave()
        else:
            self._connection.shutdown()

    def folders(self) -> list[str]:
        """The folder of the address, or all that hold messages."""
        if self._address.folder is not None:
            return [self._address.folder]
        with self._connection.asking():
            parts = checked(self._connection.list('""', "*"))
        names = []
        for response in responses.whole_responses(parts):
            flags, name = _listed(responses.read(response))
            if not {flag.lower() for flag in responses.texts(flags)} & {"\\noselect", "\\nonexistent"}:
                names.append(plain(responses.text(name)))
        return sorted(names)

    def look(self, name: str) -> FolderState | None:
        """The state of a folder; None if the server doesn't say what has to be known."""
        asked = ["MESSAGES", "UIDNEXT", "UIDVALIDITY"]
        if self._connection.numbers_changes:
            asked.append("HIGHESTMODSEQ")
        with self._connection.asking():
            parts = checked(self._connection.status(quoted(name), f"({' '.join(asked)})"))
        try:
            *_, response = responses.whole_responses(parts)
            items = responses.read_pairs(responses.read(response)[-1])
            found = {item: responses.number(items[item]) for item in asked}
        except (KeyError, ValueError):  # ResponseError is a ValueError
            return None
        return FolderState(
            uidvalidity=found["UIDVALIDITY"],
            uidnext=found["UIDNEXT"],
            messages=found["MESSAGES"],
            highestmodseq=found.get("HIGHESTMODSEQ") or None,
        )

    def open(self, name: str) -> "ImapFolder":
        """Opens a folder for reading."""
        return ImapFolder(self._connection, name)


class ImapFolder:
    """A folder that is open; the connection can have one."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        with connection.asking():
            messages = responses.number(checked(connection.select(quoted(name), readonly=True))[-1])
        uidvalidity = self._said("UIDVALIDITY")
        if uidvalidity is None:
            raise Refused("the server has no lasting UIDs for it")
        self.state = FolderState(
            uidvalidity=uidvalidity,
            uidnext=self._said("UIDNEXT") or 0,
            messages=messages,
            highestmodseq=self._said("HIGHESTMODSEQ") if connection.numbers_changes else None,
        )

    def uids(self, first: int = 1) -> list[int]:
        """The UIDs from the first one on, ascending."""
        with self._connection.asking():
            lines = checked(self._connection.uid("SEARCH", "UID", f"{first}:*"))
        found = {int(word) for line in lines if line for word in line.split() if word.isdigit()}
        # The star is the last message, whatever its UID.
        return sorted(uid for uid in found if uid >= first)

    def flags(self, first: int, last: int, since: int | None) -> dict[int, str]:
        """The flags in a range of UIDs, only of those that changed after `since` where that is given."""
        found: dict[int, str] = {}

        def keep(items: dict[str, Value]) -> None:
            found[responses.number(items["UID"])] = flags_text(responses.texts(items["FLAGS"]))

        modifiers = [] if since is None else [f"(CHANGEDSINCE {since})"]
        more_seconds = min(last - first, self.state.messages) / _FLAGS_PER_SECOND
        self._fetch(f"{first}:{last}", "(UID FLAGS)", *modifiers, keep=keep, more_seconds=more_seconds)
        return found

    def describe(self, uids: Sequence[int]) -> list[Described]:
        """What is known of messages without their text."""
        found: dict[int, Described] = {}

        def keep(items: dict[str, Value]) -> None:
            uid = responses.number(items["UID"])
            found[uid] = Described(
                uid=uid,
                flags=flags_text(responses.texts(items["FLAGS"])),
                received_at=responses.moment(items["INTERNALDATE"]),
                size=responses.number(items["RFC822.SIZE"]),
            )

        self._fetch(uid_set(uids), "(UID FLAGS INTERNALDATE RFC822.SIZE)", keep=keep)
        return [found[uid] for uid in uids if uid in found]

    def fetch(self, messages: Sequence[Described], arrived: list[Fetched]) -> None:
        """The messages with their text, of very large ones the header; what came whole counts, however it ends."""
        asked = {message.uid: message for message in messages}
        whole = [message.uid for message in messages if message.size <= LARGEST_MESSAGE]
        large = [message.uid for message in messages if message.size > LARGEST_MESSAGE]

        def keep(items: dict[str, Value]) -> None:
            uid = responses.number(items["UID"])
            content = next(value for name, value in items.items() if name.startswith("BODY["))
            if uid in asked:
                arrived.append(Fetched(asked.pop(uid), content if isinstance(content, bytes) else b"", uid in whole))

        if whole:
            more_seconds = sum(asked[uid].size for uid in whole) / _BYTES_PER_SECOND
            self._fetch(uid_set(whole), "(UID BODY.PEEK[])", keep=keep, more_seconds=more_seconds)
        if large:
            self._fetch(uid_set(large), f"(UID BODY.PEEK[HEADER]<0.{LARGEST_HEADER}>)", keep=keep)

    def _fetch(
        self, uids: str, *items: str, keep: Callable[[dict[str, Value]], None], more_seconds: float = 0.0
    ) -> None:
        """Asks for items of messages, and has each answer kept that came whole, also if others don't any more."""
        parts: list[Any] = []
        try:
            with self._connection.asking(more_seconds):
                parts = checked(self._connection.uid("FETCH", uids, *items))
        except BaseException:
            parts = self._connection.response("FETCH")[1]
            raise
        finally:
            for response in responses.whole_responses(parts):
                try:
                    keep(responses.read_pairs(responses.read(response)[-1]))
                except (KeyError, StopIteration, ResponseError):
                    continue  # told unasked, about other items; or not as it should be: then the message is missing

    def _said(self, name: str) -> int | None:
        """The number in a code that came with the folder, if it did."""
        value = self._connection.response(name)[1][-1]
        return int(value) if value and value.isdigit() else None


def _listed(values: Sequence[Value]) -> tuple[Value, Value]:
    """The flags and the name of a folder, from the values of a LIST; what follows them is an extension's."""
    if len(values) < 3:
        raise ResponseError(f"expected flags, a separator and a name, got {values!r:.100}")
    return values[0], values[2]


def read_password(path: Path | None) -> str:
    """The password in the first line of a file; raises SourceError."""
    if path is None:
        raise SourceError("expected password_file: a server wants to know who asks")
    try:
        with path.open(encoding="utf-8") as file:
            password = file.readline().rstrip("\r\n")
    except (OSError, UnicodeError) as error:
        raise SourceError(f"the password file can't be read: {error}") from error
    if not password or not password.isprintable():
        raise SourceError(f"expected the first line of {path} to be the password")
    return password
