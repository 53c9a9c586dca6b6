"""Where a mailbox is: its URL, read and checked."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit

from .errors import SourceError

_PORTS = {"imap": 143, "imaps": 993}
_EXPECTED = "expected source to be imaps://user@host/folder, imap://…, mbox:///path or maildir:///path"


@dataclass(frozen=True)
class ImapAddress:
    """An account of an IMAP server, or one folder of it."""

    tls: bool
    user: str
    host: str
    port: int
    folder: str | None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        text = f"{'imaps' if self.tls else 'imap'}://{quote(self.user)}@{host}:{self.port}"
        return text if self.folder is None else f"{text}/{quote(self.folder)}"


@dataclass(frozen=True)
class LocalAddress:
    """A mailbox in files of this machine."""

    scheme: str
    path: Path

    def __str__(self) -> str:
        return f"{self.scheme}://{quote(str(self.path))}"


def parse_source(source: str) -> ImapAddress | LocalAddress:
    """The address in a URL; raises SourceError, which never shows a password."""
    try:
        url = urlsplit(source)
        port = url.port
    except ValueError:
        raise SourceError(_EXPECTED) from None
    if url.password is not None:
        raise SourceError("expected source without a password, which everybody could see: use password_file")
    if url.query or url.fragment:
        raise SourceError(f"{_EXPECTED}, without ? and #")
    if url.scheme in _PORTS:
        return _imap(url, port)
    if url.scheme in ("mbox", "maildir"):
        path = Path(unquote(url.path))
        if url.netloc or not path.is_absolute() or path == Path("/"):
            raise SourceError(f"expected {url.scheme}: to have three slashes and an absolute path, got {source!r}")
        return LocalAddress(url.scheme, path)
    raise SourceError(_EXPECTED)


def _imap(url: SplitResult, port: int | None) -> ImapAddress:
    user = unquote(url.username or "")
    if not user or not user.isprintable() or not url.hostname:
        raise SourceError(f"expected {url.scheme}: to have a user and a host, such as {url.scheme}://user@host/INBOX")
    folder = unquote(url.path.removeprefix("/")) or None
    if folder is not None and folder.upper() == "INBOX":
        folder = "INBOX"  # the one name that is the same in any case
    return ImapAddress(
        tls=url.scheme == "imaps",
        user=user,
        host=url.hostname,
        port=port or _PORTS[url.scheme],
        folder=folder,
    )
