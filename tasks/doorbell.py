"""Publishing messages to a broker that is not the ledger's Redis."""

from __future__ import annotations

import json
import logging
import math
import os
import threading
import time
import weakref
from collections.abc import Sequence
from typing import Any, Final

from kombu import Connection, Producer, Queue
from kombu.exceptions import OperationalError

from ..interest.forking import no_fork_meanwhile
from ..interest.url import redacted

_log = logging.getLogger(__name__)
_ONCE: Final[dict[str, float]] = {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0}
_REDIS_TIMEOUTS: Final = ("socket_timeout", "socket_connect_timeout")  # of kombu's transport for it


class Doorbell:
    """Publishes messages through kombu, where the broker is not the ledger's Redis.

    A message that can't be published is not lost: the record is in the ledger, and a caretaker rings again.
    """

    def __init__(self, url: str, connect_timeout: float) -> None:
        """`connect_timeout`: seconds that connecting may take, and each answer of the broker as well."""
        self._url = url
        self._connect_timeout = connect_timeout
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._failed_at = -math.inf
        _doorbells.add(self)

    def __call__(self, queue: str, letters: Sequence[str]) -> None:
        """Publishes them to the queue, in order, or leaves them to a caretaker."""
        came_at = time.monotonic()
        with self._lock:
            if came_at < self._failed_at:
                return  # others found that the broker is away while this one waited for its turn
            # On an old connection twice, the second time on a fresh one: it may have been cut without a word.
            old = self._connection is not None
            if not self._published(queue, letters) and not (old and self._published(queue, letters)):
                self._failed_at = time.monotonic()
                _log.warning("the broker at %s is away: its work is rung again later", redacted(self._url))

    def _published(self, queue: str, letters: Sequence[str]) -> bool:
        if self._connection is None:
            options = _ONCE | dict.fromkeys(_REDIS_TIMEOUTS, self._connect_timeout)
            with no_fork_meanwhile():  # kombu imports the broker's transport, and below looks up its host
                self._connection = Connection(
                    self._url, connect_timeout=self._connect_timeout, transport_options=options
                )
        try:
            with no_fork_meanwhile():
                producer = Producer(self._channel(self._connection))
            for text in letters:
                _publish(producer, queue, json.loads(text))
        except (OperationalError, OSError, *self._connection.connection_errors, *self._connection.channel_errors):
            self._connection.collect()  # without a farewell, whose answer would be waited for, too
            self._connection = None
            return False
        return True

    def _channel(self, connection: Connection) -> Any:
        connection.ensure_connection(**_ONCE)
        # Once it is connected py-amqp would wait for ever for a broker that has died without a word.
        sock = getattr(connection.connection, "sock", None)
        if sock is not None:
            sock.settimeout(self._connect_timeout)
        return connection.default_channel

    def _forget(self) -> None:
        """In a forked child: the connection is the parent's, and the lock may be held by a thread that isn't here."""
        self._lock = threading.Lock()
        self._connection = None


def _publish(producer: Producer, queue: str, message: dict[str, Any]) -> None:
    producer.publish(
        message["body"],
        routing_key=queue,
        headers=message["headers"],
        content_type=message["content-type"],
        content_encoding=message["content-encoding"],
        correlation_id=message["properties"]["correlation_id"],
        delivery_mode=2,
        priority=message["properties"]["priority"],
        expiration=int(message["properties"]["expiration"]) / 1000,
        declare=[Queue(queue, routing_key=queue)],
        retry=False,
    )


_doorbells: weakref.WeakSet[Doorbell] = weakref.WeakSet()


def _forget_all() -> None:
    for doorbell in list(_doorbells):
        doorbell._forget()


os.register_at_fork(after_in_child=_forget_all)
