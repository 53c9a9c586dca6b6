"""Opens connections to Redis, and lets a fork of the process wait while one is being opened.

To look up a host takes locks of the C library, and may take that of an import. A child forked meanwhile would inherit
them locked by a thread it doesn't have, and hang at its own first look-up.
"""

from __future__ import annotations

import contextlib
import encodings.idna  # noqa: F401  # every look-up needs it: imported here, and not by a thread that others fork beside
import os
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection as Connection
from redis.connection import parse_url
from redis.retry import Retry

from ..config.urls import redacted
from .errors import LedgerUnavailable
from .safety import check_server

_PATIENCE: Final = 5.0  # seconds; those locks are held for moments, and never while waiting for the network


def open_connection(url: str, connect_timeout: float, give_up_at: float) -> Connection:
    """A connection to a server that is fit for a ledger: no hidden retries, RESP2, text replies.

    Each step takes `connect_timeout` seconds at most, and none goes beyond `give_up_at` (monotonic clock). Raises
    `LedgerUnavailable`, and what redis-py raises.
    """
    patience = min(connect_timeout, max(give_up_at - time.monotonic(), 0.01))
    connection = _made(url, patience)
    try:
        with no_fork_meanwhile():
            connection.connect()
        check_server(connection, url, min(connect_timeout, max(give_up_at - time.monotonic(), 0.01)))
    except BaseException:
        connection.disconnect()
        raise
    return connection


def _made(url: str, patience: float) -> Connection:
    usual: dict[str, Any] = {"socket_timeout": patience, "socket_connect_timeout": patience, "client_name": "askfirst"}
    # The options of a URL win over what is usual, and not over what a ledger needs.
    needed = {"protocol": 2, "decode_responses": True, "retry": Retry(NoBackoff(), 0), "driver_info": None}
    try:
        pool = redis.ConnectionPool(**usual | parse_url(url) | needed)
        connection = pool.make_connection()
    except (TypeError, ValueError, redis.RedisError) as error:
        text = f"expected redis_url to be one that redis-py takes, got {redacted(url)}: {error}"
        raise LedgerUnavailable(text) from None
    assert isinstance(connection, Connection)  # the other kind caches, and isn't asked for
    return connection


@contextlib.contextmanager
def no_fork_meanwhile() -> Iterator[None]:
    """What a fork by another thread waits for, some seconds at most, and which waits for a fork.

    Not to be nested.
    """
    me = threading.get_ident()
    with _gate:
        _busy.add(me)
    try:
        yield
    finally:
        with _left:
            _busy.discard(me)
            _left.notify_all()


_gate = threading.RLock()  # held by a thread that forks: nobody begins before there are two processes
_left = threading.Condition()
_busy: set[int] = set()  # threads that must not be forked beside


def _before_fork() -> None:
    _gate.acquire()
    with _left:
        _left.wait_for(lambda: not _busy - {threading.get_ident()}, _PATIENCE)


def _after_fork_in_parent() -> None:
    _gate.release()


def _after_fork_in_child() -> None:
    global _gate, _left
    _gate, _left = threading.RLock(), threading.Condition()
    _busy.clear()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
