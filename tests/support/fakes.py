"""Servers that are no Redis, or a strange one: what a client must survive."""

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class FakeServer:
    """Listens on the loopback and hands each connection to `talk`, in a thread of its own, until closed."""

    def __init__(self, talk: Callable[[socket.socket], None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._talk = talk
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            hang_up(connection)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            self._talk(connection)
        except OSError:
            return


def hang_up(connection: socket.socket) -> None:
    """Ends a connection, also while another thread reads from it."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side was faster
    finally:
        connection.close()


def silent() -> FakeServer:
    """Accepts every connection and never says a word."""

    def talk(connection: socket.socket) -> None:
        while connection.recv(65536):
            pass

    return FakeServer(talk)


def redis_that_says(info: dict[str, str]) -> FakeServer:
    """Answers INFO with this, and OK to everything else."""
    text = "".join(f"{name}:{value}\r\n" for name, value in info.items())

    def talk(connection: socket.socket) -> None:
        commands = connection.makefile("rb")
        while header := commands.readline():
            words = []
            for _ in range(int(header[1:])):
                length = int(commands.readline()[1:])
                words.append(commands.read(length + 2)[:-2])
            is_info = words[0].upper() == b"INFO"
            connection.sendall(f"${len(text)}\r\n{text}\r\n".encode() if is_info else b"+OK\r\n")

    return FakeServer(talk)
