"""A proxy before an IMAP server, which knows what a message is: it counts them, and breaks off in the middle of one."""

import re
import socket
import threading
from collections import Counter
from collections.abc import Callable
from enum import Enum
from types import TracebackType
from typing import Self

from tests.support.fakes import FakeServer, hang_up

_LITERAL = re.compile(rb"\{(\d+)\}\r\n$")
_UID = re.compile(rb"UID (\d+)")


class Fate(Enum):
    """What becomes of a message on its way to the client."""

    PASS = "pass"
    CUT = "the connection ends in the middle of it"
    SILENCE = "half of it comes, and then nothing more"


class ImapProxy:
    """Passes on what is said, unless told otherwise."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._target = host, port
        self.connections = 0
        # How often the text of each message was passed on whole, by its UID.
        self.delivered: Counter[int] = Counter()
        # What becomes of the text of a message, by its number among all and its UID.
        self.fate: Callable[[int, int], Fate] = lambda number, uid: Fate.PASS
        # What the server says to a command, instead of being asked; None: it is asked. A tag is put before it, unless
        # it is said to nobody, as a BYE is.
        self.answer: Callable[[str], str | None] = lambda command: None
        # What the server says first, instead of its own greeting, by the number of the connection; then it hangs up.
        self.greeting: Callable[[int], str | None] = lambda number: None
        # What becomes of a line that the server says.
        self.rewrite: Callable[[bytes], bytes] = lambda line: line
        self._seen = 0
        self._server = FakeServer(self._talk)

    @property
    def port(self) -> int:
        return self._server.port

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, traceback)

    def _talk(self, client: socket.socket) -> None:
        self.connections += 1
        greeting = self.greeting(self.connections)
        if greeting is not None:
            client.sendall(greeting.encode() + b"\r\n")
            hang_up(client)
            return
        server = socket.create_connection(self._target)
        for end in (client, server):
            # Each message is sent by itself: Nagle's algorithm would have it wait for the ACK of the one before.
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=self._pass_back, args=(server, client), daemon=True)
        back.start()
        try:
            self._pass_on(client, server)
        finally:
            hang_up(server)
            back.join(5)

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        with client.makefile("rb") as lines:
            for line in lines:
                tag, _, command = line.decode().rstrip().partition(" ")
                answer = self.answer(command)
                if answer is None:
                    server.sendall(line)
                else:
                    said = answer if answer.startswith("*") else f"{tag} {answer}"
                    client.sendall(f"{said}\r\n".encode())

    def _pass_back(self, server: socket.socket, client: socket.socket) -> None:
        try:
            with server.makefile("rb") as answers:
                while line := answers.readline():
                    literal = _LITERAL.search(line)
                    if literal is None:
                        client.sendall(self.rewrite(line))
                    elif not self._pass_message(client, line, answers.read(int(literal[1])) + answers.readline()):
                        break
        except OSError:
            pass  # the client has left
        finally:
            hang_up(client)

    def _pass_message(self, client: socket.socket, line: bytes, message: bytes) -> bool:
        found = _UID.search(line)
        assert found is not None, f"expected a UID, got {line!r}"
        uid = int(found[1])
        self._seen += 1
        fate = self.fate(self._seen, uid)
        if fate is Fate.PASS:
            client.sendall(line + message)
            self.delivered[uid] += 1
            return True
        client.sendall(line + message[: len(message) // 2])
        if fate is Fate.SILENCE:
            client.recv(1)  # until the client gives up
        return False
