"""One connection to Redis, shared by the threads of a process and never by two processes."""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import hiredis
import redis
from redis.connection import AbstractConnection as Connection
from redis.exceptions import NoScriptError, RedisError, ResponseError

from .errors import LedgerUnavailable
from .opening import open_connection
from .safety import explain, is_read_only
from .script import Argument, Call

_TURNS: Final = 5  # connect timeouts that a thread waits for the others; each of them may use up one

Command = tuple[Argument, ...]


class Line:
    """Sends commands and scripts, one batch at a time, and gives up in time.

    Every script may be sent twice without harm, so a batch whose connection broke is sent once more: a lost reply and
    a lost command look the same from here. `before_connect` sees that there is a server, where that is ours to do.
    """

    def __init__(self, url: str, connect_timeout: float, before_connect: Callable[[], None] | None = None) -> None:
        self.url = url
        self._connect_timeout = connect_timeout
        self._before_connect = before_connect
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        _lines.add(self)

    def call(self, call: Call, within: float = math.inf) -> Any:
        """One script, its reply, at most `within` seconds from now. Raises `LedgerUnavailable`."""
        return self.batch([call], within=within)[0]

    def command(self, *command: Argument, timeout: float | None = None) -> Any:
        """One plain command, its reply; `timeout` (seconds) is for one that blocks. Raises `LedgerUnavailable`."""
        return self.batch([command], timeout)[0]

    def batch(
        self, items: Sequence[Call | Command], timeout: float | None = None, within: float = math.inf
    ) -> list[Any]:
        """All of them in one round trip, their replies in order. Raises `LedgerUnavailable`, also if one is refused.

        `timeout` seconds are for the exchange itself, `within` is for all of it, waiting for other threads included.
        """
        if not items:
            return []
        latest = time.monotonic() + within
        with self._held(within):
            patience = self._connect_timeout if timeout is None else timeout
            give_up_at = min(time.monotonic() + patience, latest)
            replies = self._exchange_twice([_command(item) for item in items], give_up_at)
            self._teach(items, replies, give_up_at)
            if any(isinstance(reply, RedisError) and is_read_only(reply) for reply in replies):
                self._drop()  # it has been the primary, and keeps its connections: new ones go to the one of now
        return self._accepted(replies)

    def stream(self, batches: Iterable[Sequence[Call]], timeout: float) -> list[Any]:
        """Batch after batch, each with `timeout` seconds: while Redis works on one, the next is made.

        The first goes alone, so that the scripts are known. Nothing is sent twice: raises `LedgerUnavailable` with the
        fate of the batch before the last unknown.
        """
        rest = iter(batches)
        replies = self.batch(next(rest, ()), timeout)
        outstanding = 0
        with self._held(timeout):
            connection = self._connect(time.monotonic() + timeout)
            for batch in rest:
                connection.send_packed_command(packed([call.command for call in batch]), False)
                replies += self._read(connection, outstanding, timeout)
                outstanding = len(batch)
            replies += self._read(connection, outstanding, timeout)
        return replies

    def repeat(self, call: Call, handle: Callable[[Any], bool]) -> None:
        """The same script again and again, as long as `handle` says so when given a reply; after its no one more comes.

        The next call is under way while `handle` looks at a reply. Nothing but the first is sent twice: raises
        `LedgerUnavailable` with the fate of the last two unknown.
        """
        if not handle(self.batch([call])[0]):
            return
        with self._held(math.inf):
            connection = self._connect(time.monotonic() + self._connect_timeout)
            command = packed([call.command])
            more = True
            connection.send_packed_command(command, check_health=False)
            while more:
                [reply] = self._read(connection, 1, self._connect_timeout)
                connection.send_packed_command(command, check_health=False)
                more = handle(reply)
            handle(*self._read(connection, 1, self._connect_timeout))

    def prepare(self) -> None:
        """Sees that there is a server to connect to, where that is ours to do. Raises `LedgerUnavailable`."""
        if self._before_connect is not None:
            self._before_connect()

    def close(self) -> None:
        """Ends the connection; the next call opens another."""
        with self._lock:
            self._drop()

    @contextlib.contextmanager
    def _held(self, patience: float) -> Iterator[None]:
        """The connection for one thread, when its turn comes. What goes wrong on it ends it, and is explained."""
        if not self._lock.acquire(timeout=min(patience, _TURNS * self._connect_timeout)):
            raise LedgerUnavailable(explain(self.url, TimeoutError("it does not answer")))
        try:
            yield
        except BaseException as error:
            # Also when interrupted: the next caller must not read this one's reply as its own.
            self._drop()
            if isinstance(error, LedgerUnavailable) or not isinstance(error, RedisError | OSError | UnicodeDecodeError):
                raise
            raise LedgerUnavailable(explain(self.url, error)) from error
        finally:
            self._lock.release()

    def _read(self, connection: Connection, count: int, timeout: float) -> list[Any]:
        give_up_at = time.monotonic() + timeout
        return self._accepted([read_reply(connection, give_up_at) for _ in range(count)])

    def _accepted(self, replies: list[Any]) -> list[Any]:
        for reply in replies:
            if isinstance(reply, RedisError):
                raise LedgerUnavailable(explain(self.url, reply)) from reply
        return replies

    def _exchange_twice(self, commands: list[Command], give_up_at: float) -> list[Any]:
        fresh = self._connection is None
        try:
            return self._exchange(commands, give_up_at)
        except (redis.AuthenticationError, LedgerUnavailable):
            raise
        except (redis.ConnectionError, OSError):
            self._drop()
            if fresh or time.monotonic() >= give_up_at:
                raise
            return self._exchange(commands, give_up_at)

    def _exchange(self, commands: list[Command], give_up_at: float) -> list[Any]:
        connection = self._connect(give_up_at)
        connection.send_packed_command(packed(commands), check_health=False)
        return [read_reply(connection, give_up_at) for _ in commands]

    def _teach(self, items: Sequence[Call | Command], replies: list[Any], give_up_at: float) -> None:
        """Sends the scripts that the server did not know, with their text."""
        unknown = [n for n, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        commands = [item.command_with_text for n in unknown if isinstance(item := items[n], Call)]
        for n, reply in zip(unknown, self._exchange(commands, give_up_at) if commands else (), strict=True):
            replies[n] = reply

    def _connect(self, give_up_at: float) -> Connection:
        if self._connection is None:
            self.prepare()
            self._connection = open_connection(self.url, self._connect_timeout, give_up_at)
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()

    def _forget(self) -> None:
        """In a forked child: the connection is the parent's, and the lock may be held by a thread that isn't here."""
        self._lock = threading.Lock()
        self._drop()


def packed(commands: Sequence[Command]) -> list[bytes]:
    """The commands as they go out, by hiredis itself: redis-py has a look at each argument before."""
    # Its stub says a tuple of one, and means any.
    return [b"".join([hiredis.pack_command(command) for command in commands])]  # type: ignore[arg-type]  # see above


def read_reply(connection: Connection, give_up_at: float) -> Any:
    """The next reply; one that refuses the command is returned, not raised."""
    try:
        return connection.read_response(timeout=max(give_up_at - time.monotonic(), 0.001))
    except ResponseError as refusal:
        return refusal


def _command(item: Call | Command) -> Command:
    return item.command if isinstance(item, Call) else item


_lines: weakref.WeakSet[Line] = weakref.WeakSet()


def _forget_all() -> None:
    for line in list(_lines):
        line._forget()


os.register_at_fork(after_in_child=_forget_all)
