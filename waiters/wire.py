"""A connection that is written to and read from without ever waiting for Redis."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from redis.connection import AbstractConnection
from redis.exceptions import RedisError, TimeoutError

from ..interest.errors import LedgerUnavailable
from ..interest.line import Command
from ..interest.opening import open_connection
from ..interest.safety import explain
from ..interest.script import Script

_PARTIAL: Final = 0.005  # seconds to wait for the rest of a reply that came in part

Handler = Callable[[Any], None]


class Wire:
    """Commands go out in one write; each reply is handed to the handler of its command when it comes."""

    def __init__(self, url: str, connection: AbstractConnection) -> None:
        self._url = url
        self._connection = connection
        self._outgoing: list[tuple[Command, Handler | None]] = []
        self._expected: deque[Handler | None] = deque()

    @classmethod
    def open(cls, url: str, connect_timeout: float, scripts: Sequence[Script]) -> Wire:
        """Connects, checks the server and teaches it the scripts. May take `connect_timeout` seconds for each step.

        Raises `LedgerUnavailable`.
        """
        try:
            connection = open_connection(url, connect_timeout, math.inf)
            try:
                for script in scripts:
                    connection.send_command("SCRIPT LOAD", script.text)
                    connection.read_response()
            except BaseException:
                connection.disconnect()
                raise
        except LedgerUnavailable:
            raise
        except (RedisError, OSError) as error:
            raise LedgerUnavailable(explain(url, error)) from error
        return cls(url, connection)

    def fileno(self) -> int:
        """The socket, for polling. Raises `LedgerUnavailable`."""
        sock = self._connection._get_socket()
        if sock is None:
            raise LedgerUnavailable("the connection is closed")
        return sock.fileno()

    @property
    def idle(self) -> bool:
        """Whether no reply is outstanding."""
        return not self._expected

    def queue(self, command: Command, handler: Handler | None = None) -> None:
        """Adds a command to the next write."""
        self._outgoing.append((command, handler))

    def send(self) -> None:
        """Writes what is queued. Raises `LedgerUnavailable`."""
        outgoing, self._outgoing = self._outgoing, []
        try:
            packed = self._connection.pack_commands([command for command, _ in outgoing])
            self._connection.send_packed_command(packed, check_health=False)
        except (RedisError, OSError) as error:
            raise LedgerUnavailable(explain(self._url, error)) from error
        self._expected.extend(handler for _, handler in outgoing)

    def receive(self) -> None:
        """Hands out the replies that are here. Raises `LedgerUnavailable`, also if a command was refused."""
        try:
            if self.idle:
                raise ConnectionError("the server closed the connection")
            while self._expected and self._connection.can_read(0):
                reply = self._connection.read_response(timeout=_PARTIAL, disconnect_on_error=False)
                handler = self._expected.popleft()
                if handler is not None:
                    handler(reply)
        except TimeoutError:
            return  # the rest of the reply is on its way
        except LedgerUnavailable:
            raise
        except (RedisError, OSError) as error:
            raise LedgerUnavailable(explain(self._url, error)) from error

    def close(self) -> None:
        """Ends the connection."""
        self._connection.disconnect()
