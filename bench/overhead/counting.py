"""Counts what goes over the wire: round trips in the client, commands in Redis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from socket import AF_INET, socket
from typing import Any, Final

import redis

_END: Final = "overhead-counted"


@dataclass
class Wire:
    """Counts of this process's TCP sockets while it is `watched`.

    A round trip is a request, of one or more commands, and the reading of what comes back: a change from writing to
    reading on one connection. Commands that go out together are one round trip.
    """

    round_trips: int = 0
    transferred: int = 0
    """Bytes, both ways."""
    ports: set[int] = field(default_factory=set)
    """This process's ends of the connections it wrote to."""
    _wrote: set[int] = field(default_factory=set)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Counts inside the block, through Python's one socket class: what is not counted is not slowed."""
        wire, sendall, recv, recv_into = self, socket.sendall, socket.recv, socket.recv_into

        def counting_sendall(self: socket, data: Any, *flags: Any) -> None:
            wire._send(self, len(data))
            sendall(self, data, *flags)

        def counting_recv(self: socket, *arguments: Any) -> bytes:
            data = recv(self, *arguments)
            wire._receive(self, len(data))
            return data

        def counting_recv_into(self: socket, *arguments: Any) -> int:
            count = recv_into(self, *arguments)
            wire._receive(self, count)
            return count

        for name, method in (("sendall", counting_sendall), ("recv", counting_recv), ("recv_into", counting_recv_into)):
            setattr(socket, name, method)
        try:
            yield
        finally:
            for name in ("sendall", "recv", "recv_into"):
                delattr(socket, name)  # the methods of the class beneath show again

    def _send(self, connection: socket, count: int) -> None:
        if connection.family == AF_INET:
            self.transferred += count
            self.ports.add(connection.getsockname()[1])
            self._wrote.add(connection.fileno())

    def _receive(self, connection: socket, count: int) -> None:
        if connection.family == AF_INET:
            self.transferred += count
            if connection.fileno() in self._wrote:
                self._wrote.discard(connection.fileno())
                self.round_trips += 1


def count_commands(url: str, ports: set[int], act: Callable[[], object]) -> Counter[str]:
    """The commands Redis takes while `act` runs, by who sent them: this process, the worker or a script."""
    with redis.Redis.from_url(url) as client, client.monitor() as monitor:
        act()
        client.echo(_END)
        counts: Counter[str] = Counter()
        while _END not in (said := monitor.next_command())["command"]:
            if said["client_type"] == "lua":
                counts["script"] += 1
            else:
                counts["client" if int(said["client_port"]) in ports else "worker"] += 1
        return counts
