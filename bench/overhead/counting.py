"""Counts what goes over the wire: round trips in the client, commands in Redis."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import redis

_END: Final = "overhead-counted"


@dataclass
class Wire:
    """Counts of this process's TCP sockets, from `install` on.

    A round trip is a request, of one or more commands, and the reading of what comes back: a change from writing to
    reading on one connection. Commands that go out together are one round trip.
    """

    round_trips: int = 0
    sent: int = 0
    received: int = 0
    ports: set[int] = field(default_factory=set)
    _wrote: set[int] = field(default_factory=set)

    def install(self) -> None:
        """Counts every TCP socket made from now on, through Python's one socket class."""
        wire, sendall, recv, recv_into = self, socket.socket.sendall, socket.socket.recv, socket.socket.recv_into

        def counting_sendall(self: Any, data: Any, *flags: Any) -> None:
            wire._send(self, len(data))
            sendall(self, data, *flags)

        def counting_recv(self: Any, *arguments: Any) -> bytes:
            data = recv(self, *arguments)
            wire._receive(self, len(data))
            return data

        def counting_recv_into(self: Any, *arguments: Any) -> int:
            count = recv_into(self, *arguments)
            wire._receive(self, count)
            return count

        socket.socket.sendall = counting_sendall  # type: ignore[method-assign]
        socket.socket.recv = counting_recv  # type: ignore[method-assign]
        socket.socket.recv_into = counting_recv_into  # type: ignore[method-assign]

    def reset(self) -> None:
        """Begins anew."""
        self.round_trips = self.sent = self.received = 0

    def _send(self, sock: socket.socket, count: int) -> None:
        if sock.family == socket.AF_INET:
            self.sent += count
            self.ports.add(sock.getsockname()[1])
            self._wrote.add(sock.fileno())

    def _receive(self, sock: socket.socket, count: int) -> None:
        if sock.family == socket.AF_INET:
            self.received += count
            if sock.fileno() in self._wrote:
                self._wrote.discard(sock.fileno())
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
