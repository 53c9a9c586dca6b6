"""Publishing messages to a broker that is not the ledger's Redis."""

from __future__ import annotations

import json
import logging
import os
import threading
import weakref
from collections.abc import Sequence
from typing import Any

from kombu import Connection, Producer, Queue
from kombu.exceptions import OperationalError

from ..interest.opening import no_fork_meanwhile
from ..interest.url import redacted

_log = logging.getLogger(__name__)


class Doorbell:
    """Publishes messages through kombu, where the broker is not the ledger's Redis.

    A message that can't be published is not lost: the record is in the ledger, and a caretaker rings again.
    """

    def __init__(self, url: str, connect_timeout: float) -> None:
        self._url = url
        self._connect_timeout = connect_timeout
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        _doorbells.add(self)

    def __call__(self, queue: str, letters: Sequence[str]) -> None:
        """Publishes them to the queue, in order, or leaves them to a caretaker."""
        with self._lock:
            # Twice, the second time on a fresh connection: an idle one may have been cut without a word.
            if not self._published(queue, letters) and not self._published(queue, letters):
                _log.warning("the broker at %s is away: its work is rung again later", redacted(self._url))

    def _published(self, queue: str, letters: Sequence[str]) -> bool:
        if self._connection is None:
            options = {"max_retries": 0, "interval_start": 0, "interval_step": 0, "interval_max": 0}
            with no_fork_meanwhile():  # kombu imports the broker's transport, and below looks up its host
                self._connection = Connection(
                    self._url, connect_timeout=self._connect_timeout, transport_options=options
                )
        try:
            with no_fork_meanwhile():
                producer = Producer(self._connection.default_channel)
            for text in letters:
                _publish(producer, queue, json.loads(text))
        except (OperationalError, OSError, *self._connection.connection_errors, *self._connection.channel_errors):
            self._connection.release()
            self._connection = None
            return False
        return True

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
