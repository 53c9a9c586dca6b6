"""A TCP proxy before a Redis: cuts connections, refuses them, or swallows what passes."""

import socket
import threading
from types import TracebackType
from typing import Self

from .fakes import FakeServer, hang_up


class Proxy:
    """Passes bytes on, until told otherwise; one `Proxy` for as many connections as come."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._refusing = False
        self._deaf: set[socket.socket] = set()
        self._server = FakeServer(self._connect)

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def connections(self) -> int:
        """How many are open now."""
        with self._lock:
            return len(self._pairs)

    def cut(self) -> None:
        """Ends all connections; new ones are welcome."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                hang_up(end)

    def refuse(self) -> None:
        """Ends all connections, and every new one at once."""
        self._refusing = True
        self.cut()

    def accept(self) -> None:
        self._refusing = False

    def lead_to(self, port: int) -> None:
        """New connections go there; those of now stay."""
        self._target = port

    def swallow(self) -> None:
        """What comes on the connections of now gets lost without a word, as behind a dead router; new ones work."""
        with self._lock:
            self._deaf.update(end for pair in self._pairs for end in pair)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cut()
        self._server.__exit__(kind, error, traceback)

    def _connect(self, client: socket.socket) -> None:
        if self._refusing:
            hang_up(client)
            return
        target = socket.create_connection(("127.0.0.1", self._target))
        with self._lock:
            self._pairs.append((client, target))
        back = threading.Thread(target=self._pump, args=(target, client), daemon=True)
        back.start()
        self._pump(client, target)
        back.join(5)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while chunk := source.recv(65536):
                if source not in self._deaf:
                    sink.sendall(chunk)
        except OSError:
            pass  # cut
        with self._lock:
            self._pairs = [pair for pair in self._pairs if source not in pair]
        for end in (source, sink):
            hang_up(end)
