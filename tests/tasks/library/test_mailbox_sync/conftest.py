"""A mail server, accounts on it, and short ways to ask for a sync and to compare its index with the server."""

import hashlib
import itertools
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from askfirst.tasks import Token, WorkContext
from askfirst.tasks.library.mailbox_sync import SyncReport, backoff, mailbox_sync
from tests.support.leaks import lasting_children
from tests.tasks.library.test_mailbox_sync.dovecot import PASSWORD, Dovecot, find_dovecot, quick_folder
from tests.tasks.library.test_mailbox_sync.messages import copies
from tests.tasks.library.test_mailbox_sync.proxy import ImapProxy

# Of each message: flags, INTERNALDATE, size and the SHA-256 of its text.
Mail = dict[int, tuple[str, str, int, str]]

LARGE = 2_000
SMALL = 200
_names = itertools.count()
_FETCHED = re.compile(
    rb'UID (\d+) FLAGS \((.*?)\) INTERNALDATE "(.*?)" RFC822.SIZE (\d+) BODY\[\] \{\d+\}$', re.DOTALL
)


class Account:
    """A user of the server."""

    def __init__(self, dovecot: Dovecot, user: str) -> None:
        self.dovecot = dovecot
        self.user = user

    def url(self, folder: str = "/INBOX", *, port: int = 0, host: str = "127.0.0.1") -> str:
        return f"imap://{self.user}@{host}:{port or self.dovecot.port}{folder}"

    def deliver(self, messages: Iterable[bytes], **how: str) -> None:
        self.dovecot.deliver(self.user, messages, **how)

    def flag(self, uids: str, how: str, folder: str = "INBOX") -> None:
        """Changes flags, such as `+FLAGS (\\Seen)`, as another mail program does."""
        with self.dovecot.session(self.user, folder) as imap:
            command, flags = how.split(" ", 1)
            assert imap.uid("STORE", uids, command, flags)[0] == "OK"

    def expunge(self, uids: str, folder: str = "INBOX") -> None:
        with self.dovecot.session(self.user, folder) as imap:
            imap.uid("STORE", uids, "+FLAGS", r"(\Deleted)")
            assert imap.expunge()[0] == "OK"

    def mail(self, folder: str = "INBOX") -> Mail:
        """What the server has, as read by other means than those that are tested."""
        found: Mail = {}
        with self.dovecot.session(self.user, folder) as imap:
            _, parts = imap.uid("FETCH", "1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])")
            for part in parts:
                if isinstance(part, tuple):
                    items = _FETCHED.search(part[0])
                    assert items, part[0]
                    flags = " ".join(sorted(set(items[2].decode().split()) - {r"\Recent"}))
                    received = parsedate_to_datetime(items[3].decode()).astimezone(UTC)
                    digest = hashlib.sha256(part[1]).hexdigest()
                    found[int(items[1])] = (flags, f"{received:%Y-%m-%d %H:%M:%S}", int(items[4]), digest)
        return found


class IndexFile:
    """An index, read as any other program would."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(query, values).fetchall()

    def mail(self, folder: str = "INBOX") -> Mail:
        query = "SELECT uid, flags, received_at, size, digest FROM mail WHERE folder = ?"
        return {uid: (flags, at, size, digest) for uid, flags, at, size, digest in self.rows(query, folder)}  # type: ignore[misc]  # rows of any types

    def uids(self, folder: str = "INBOX") -> list[int]:
        return sorted(self.mail(folder))


def interrupted_at(done: int) -> WorkContext:
    """A context that loses interest as soon as so many messages are in the index."""
    token = Token()
    return WorkContext(timeout=60, token=token, report=lambda p: p.done >= done and token.trip("enough"))


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """The server of the whole session."""
    if find_dovecot() is None:
        pytest.skip("needs dovecot, a real IMAP server: apt-get install dovecot-imapd")
    server = Dovecot()
    lasting_children.add(server.pid)
    server.deliver("template", copies(LARGE))
    yield server
    server.close()
    lasting_children.discard(server.pid)


@pytest.fixture
def new_account(dovecot: Dovecot) -> Callable[[int], Account]:
    """Makes an account with so many messages."""

    def make(messages: int) -> Account:
        account = Account(dovecot, f"user{next(_names)}")
        dovecot.copy("template", account.user, messages)
        return account

    return make


@pytest.fixture
def account(new_account: Callable[[int], Account]) -> Account:
    """An account with some hundred messages."""
    return new_account(SMALL)


@pytest.fixture
def proxy(dovecot: Dovecot) -> Iterator[ImapProxy]:
    with ImapProxy(dovecot.port) as proxy:
        yield proxy


@pytest.fixture
def index() -> Iterator[IndexFile]:
    folder = quick_folder()
    yield IndexFile(folder / "index.db")
    shutil.rmtree(folder)


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(PASSWORD + "\n")
    return path


@pytest.fixture
def sync(index: IndexFile, password_file: Path) -> Callable[..., SyncReport]:
    """Synchronises a source into the index."""

    def run(source: str, ctx: WorkContext | None = None, **options: object) -> SyncReport:
        return mailbox_sync(ctx or WorkContext(timeout=30), source, index.path, password_file, **options)

    return run


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backoff as ever, but in hundredths of seconds."""
    monkeypatch.setattr(backoff, "FIRST_DELAY", 0.02)
    monkeypatch.setattr(backoff, "LONGEST_DELAY", 0.1)
