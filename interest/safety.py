"""Refuses a Redis that would lose interests, and says what to change."""

from __future__ import annotations

import logging
import socket
from typing import Any

import redis

from ..config.urls import redacted
from .errors import LedgerUnavailable

_log = logging.getLogger(__name__)
_MINIMUM_VERSION = (6, 2)


def check_server(connection: Any, url: str, timeout: float) -> None:
    """Asks the server about itself. Raises `LedgerUnavailable` if it is too old, evicts keys or takes no writes."""
    connection.send_command("INFO")
    try:
        info = _parse(connection.read_response(timeout=timeout))
    except redis.exceptions.NoPermissionError:
        _log.warning("%s: INFO is not allowed to this user: version and eviction policy are not checked", redacted(url))
        return
    where = redacted(url)
    version = info.get("redis_version", "0")
    if tuple(int(part) for part in version.split(".")[:2]) < _MINIMUM_VERSION:
        raise LedgerUnavailable(f"expected Redis 6.2 or newer at {where}, got {version}: upgrade it")
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise LedgerUnavailable(
            f"expected maxmemory-policy to be noeviction at {where}, got {policy}, which may throw away interests: "
            "set `maxmemory-policy noeviction` in redis.conf or by CONFIG SET"
        )
    if info.get("role") == "slave" and info.get("slave_read_only", "1") == "1":
        raise LedgerUnavailable(f"expected a primary at {where}, got a read-only replica: give the primary's URL")


def explain(url: str, error: Exception) -> str:
    """One line for people: which server, what is wrong, what to do."""
    where = redacted(url)
    text = str(error) or type(error).__name__
    if isinstance(error, redis.exceptions.AuthenticationError | redis.exceptions.AuthenticationWrongNumberOfArgsError):
        return f"Redis at {where} refuses the login ({text}): put user and password into the URL, redis://USER:PASSWORD@HOST"
    if is_read_only(error):
        return f"Redis at {where} is read-only ({text}): give the primary's URL"
    if isinstance(error, redis.exceptions.OutOfMemoryError) or "-OOM " in text:
        return f"Redis at {where} is out of memory: raise maxmemory"
    if isinstance(error, redis.exceptions.NoPermissionError) or text.startswith("The user executing the script can't"):
        return f"Redis at {where} does not let this user do that ({text}): see its ACL"
    if isinstance(error, UnicodeDecodeError):
        return f"Redis at {where} holds what is no text ({text}): somebody else has written to the ledger's keys"
    if isinstance(error, redis.exceptions.TimeoutError | socket.timeout):
        return f"Redis at {where} does not answer: is it up and reachable?"
    if isinstance(error, redis.exceptions.ConnectionError | OSError):
        return f"cannot reach Redis at {where} ({text}): is it running, is redis_url right?"
    return f"Redis at {where} refused a command: {text}"


def is_read_only(error: Exception) -> bool:
    """Whether a server that takes no writes said so. Of a script, Redis 6.2 says it in the midst of a longer text."""
    return isinstance(error, redis.exceptions.ReadOnlyError) or "-READONLY " in str(error)


def _parse(info: str) -> dict[str, str]:
    pairs = (line.split(":", 1) for line in info.splitlines() if ":" in line)
    return {name: value.strip() for name, value in pairs}
