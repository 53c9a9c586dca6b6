"""Opens connections to Redis."""

from __future__ import annotations

import encodings.idna  # noqa: F401  # every look-up needs it: imported here, and not by a thread that others fork beside
import time
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection as Connection
from redis.connection import parse_url
from redis.retry import Retry

from ..config.urls import redacted
from .errors import LedgerUnavailable
from .forking import no_fork_meanwhile
from .safety import check_server


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
