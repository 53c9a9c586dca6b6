"""One conversation with an IMAP server: each command has a limit, and a wait for an answer ends when interest does.

imaplib leaves the transport to its subclasses ("overridable methods", says its source), and a transport of our own is
why this isn't IMAPClient, which brings its own: a timeout of the socket bounds each piece of an answer but not the
answer, and who waits in it for a silent server can't learn that nobody wants the sync any more. Besides, IMAPClient
(4.1) files what a server tells unasked by the number of a message under the message with that UID.
"""

import imaplib
import ipaddress
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .address import ImapAddress
from .errors import LoginRefused, SourceError
from .mailboxes import ConnectionLost, PutOff, Refused
from .options import SyncContext

COMMAND_SECONDS = 30.0
# Nothing can look up while a connection is made: it must take less than the grace of a work that is to stop.
_CONNECT_SECONDS = 4.0
_LOGOUT_SECONDS = 2.0

# How long a lost interest, or the end of a limit, goes unnoticed while the server is silent.
_SLICE = 0.1
_CHUNK = 64 * 1024
# The million bytes of imaplib's own readline are too few for the answer to a search in a large folder.
_LONGEST_LINE = 64 * 1024 * 1024
# More than any message that is asked for whole: what a server says of its size needn't be true.
_LONGEST_LITERAL = 64 * 1024 * 1024

# Codes of RFC 5530, and what large providers say, that ask for patience.
_ASKS_FOR_PATIENCE = frozenset({"INUSE", "LIMIT", "OVERQUOTA", "THROTTLED", "UNAVAILABLE"})
# With its end: imaplib shows what came with a BAD as a list, "[b'[LIMIT] …']".
_CODE = re.compile(r"\[([A-Z-]+)[\] ]")
# Exchange Online says it without a code.
_THROTTLED = "REQUEST IS THROTTLED"


class Connection(imaplib.IMAP4):
    """Connected, encrypted unless it is on this machine, and logged in.

    Raises SourceError, ConnectionLost, or what the context raises.
    """

    def __init__(self, ctx: SyncContext, address: ImapAddress, password: str) -> None:
        self._ctx = ctx
        self._address = address
        self._received = bytearray()
        try:
            with self.asking():
                super().__init__(address.host, address.port)
                self._require_privacy()
            with self.asking():
                self._log_in(password)
                # A server may offer more to those it knows.
                self.capabilities = self._offers()
        except BaseException as error:
            self.shutdown()
            if isinstance(error, Refused):
                raise SourceError(f"{address.host}: {error}") from error
            raise

    @contextmanager
    def asking(self, more_seconds: float = 0.0) -> Iterator[None]:
        """Gives what is asked in the block its time, or more; raises Refused, and as the constructor."""
        try:
            with self._ctx.limit(COMMAND_SECONDS + more_seconds) as self._limit:
                yield
        except ssl.SSLCertVerificationError as error:
            raise SourceError(f"{self._address.host}: its certificate isn't good: {error.verify_message}") from error
        except socket.gaierror as error:
            if error.errno == socket.EAI_NONAME:
                raise SourceError(f"{self._address.host}: there is no such host") from error
            raise ConnectionLost(f"{self._address.host}: {error.strerror}") from error
        except (self.abort, OSError) as error:
            raise _lost(str(error)) from error
        except self.error as error:
            raise _refusal(error.args[0]) from error

    def leave(self) -> None:
        """Says goodbye and hangs up."""
        try:
            with self._ctx.limit(_LOGOUT_SECONDS) as self._limit:
                self.logout()
        except (self.error, OSError) as error:
            self._ctx.log.debug("%s: no goodbye: %s", self._address.host, error)
        finally:
            self.shutdown()

    @property
    def numbers_changes(self) -> bool:
        """Whether it can tell what changed since when (CONDSTORE, RFC 7162)."""
        return "CONDSTORE" in self.capabilities

    # The transport. Whoever waits in it looks up ten times a second.

    def open(self, host: str = "", port: int = 143, timeout: float | None = None) -> None:
        """Connects."""
        self.host, self.port = host, port
        try:
            self.sock = socket.create_connection((host, port), self._at_most(_CONNECT_SECONDS))
        except UnicodeError as error:
            raise SourceError(f"{host}: no host can have that name") from error
        if self._address.tls:
            self._encrypt()

    def readline(self) -> bytes:
        """One line, with its end."""
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            if searched > _LONGEST_LINE:
                raise self.abort(f"a line has more than {_LONGEST_LINE:,} bytes")
            self._receive()
        return self._take(end + 1)

    def read(self, size: int) -> bytes:
        """Exactly so many bytes."""
        if size > _LONGEST_LITERAL:
            raise self.abort(f"a literal has more than {_LONGEST_LITERAL:,} bytes")
        while len(self._received) < size:
            self._receive()
        return self._take(size)

    def send(self, data: Any) -> None:
        """Sends all of it."""
        self.sock.settimeout(self._at_most(COMMAND_SECONDS))
        self.sock.sendall(data)

    def shutdown(self) -> None:
        """Hangs up."""
        if "sock" in vars(self):
            self.sock.close()

    def _receive(self) -> None:
        """Takes what has come, or waits for it; raises what the limit does when nothing is there to be taken."""
        if self._limit.remaining() <= 0:
            self._limit.check()
        patience = 0.0
        while not self._arrives(patience):
            try:
                self._limit.check()
            except BaseException:
                # What came before would have to be sent again: it is taken first, whoever still wants it.
                if self._limit.remaining() > 0 and self._arrives(0.0):
                    return
                raise
            patience = _SLICE

    def _arrives(self, patience: float) -> bool:
        """Whether something comes within so many seconds."""
        self.sock.settimeout(patience)
        try:
            chunk = self.sock.recv(_CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError, TimeoutError):
            return False
        if not chunk:
            raise self.abort("the server hung up")
        self._received += chunk
        return True

    def _at_most(self, seconds: float) -> float:
        return max(min(self._limit.remaining(), seconds), _SLICE)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def _encrypt(self) -> None:
        self.sock.settimeout(self._at_most(_CONNECT_SECONDS))
        self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)
        # What somebody in between said before the handshake is not the server's word.
        self._received.clear()

    # Getting in.

    def _require_privacy(self) -> None:
        """A password, and other people's mail, go through no network in clear."""
        if self._address.tls or _is_loopback(self.sock):
            return
        if "STARTTLS" not in self.capabilities or self.state != "NONAUTH":
            raise SourceError(f"{self.host}: it offers no encryption: use imaps://, or a server that has STARTTLS")
        checked(self.xatom("STARTTLS"))
        self._encrypt()
        self.capabilities = self._offers()

    def _offers(self) -> tuple[str, ...]:
        return tuple(checked(self.capability())[-1].decode("ascii", "replace").upper().split())

    def _log_in(self, password: str) -> None:
        if self.state != "NONAUTH":
            return  # the server knows us already
        user = self._address.user
        try:
            if "AUTH=PLAIN" in self.capabilities:
                self.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())
            elif "LOGINDISABLED" in self.capabilities:
                raise SourceError(f"{self.host}: it offers no login that we know")
            else:
                escaped = user.replace("\\", r"\\").replace('"', r"\"")
                self.login(f'"{escaped}"', password)
        except UnicodeEncodeError:
            raise LoginRefused(f"{self.host}: it takes no user or password with other characters than ASCII") from None
        except self.abort:
            raise
        except self.error as error:
            refusal = _refusal(error.args[0])
            if isinstance(refusal, Refused):
                # Without its cause: that may hold what was sent.
                raise LoginRefused(f"{self.host} refuses {user}: {refusal}") from None
            raise refusal from None


def _is_loopback(sock: socket.socket) -> bool:
    return ipaddress.ip_address(sock.getpeername()[0]).is_loopback


def checked(answer: tuple[str, list[Any]]) -> list[Any]:
    """The data of an answer that is OK. Raises Refused, PutOff if the server asks for patience."""
    kind, data = answer
    if kind != "OK":
        raise _refusal(data[-1])
    return data


def _refusal(answer: object) -> Refused | ConnectionLost:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)
    return _lost(text) if text.startswith("* BYE") or _asks_for_patience(text) else Refused(text)


def _lost(text: str) -> ConnectionLost:
    # A server that hangs up with a BYE says there why.
    return PutOff(text) if _asks_for_patience(text) else ConnectionLost(text)


def _asks_for_patience(text: str) -> bool:
    text = text.upper()
    code = _CODE.search(text)
    return _THROTTLED in text or (code is not None and code[1] in _ASKS_FOR_PATIENCE)
