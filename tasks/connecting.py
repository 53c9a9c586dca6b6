"""From settings to a ledger and a broker: what callers and workers have in common."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence

from kombu import Connection, Producer, Queue
from kombu.exceptions import OperationalError

from ..config import Settings
from ..interest.embedded import embedded_redis
from ..interest.ledger import Ledger, Policy
from ..interest.line import Line
from ..interest.url import broker_url_for, redis_url_for_client


def redis_url(settings: Settings) -> str:
    """The URL of the ledger's Redis; starts the embedded one if none is configured. Raises `LedgerUnavailable`."""
    if settings.redis_url is not None:
        return redis_url_for_client(settings.redis_url)
    return embedded_redis(settings.data_dir).url


def broker_url(settings: Settings) -> str:
    """The URL of Celery's broker: the ledger's Redis unless configured otherwise."""
    return settings.broker_url or broker_url_for(redis_url(settings))


def open_ledger(settings: Settings, *, broker: str | None = None) -> Ledger:
    """A ledger with a connection of its own, made at its first use.

    `broker` is the broker's URL where an existing Celery app brings its own.
    """
    url = redis_url(settings)
    broker = broker or settings.broker_url
    apart = broker is not None and redis_url_for_client(broker) != url
    policy = Policy(settings.lease, settings.pulse_timeout, settings.max_deliveries)
    line = Line(url, settings.connect_timeout)
    return Ledger(line, settings.namespace, policy, Doorbell(broker, settings.connect_timeout) if apart else None)


class Doorbell:
    """Publishes messages through kombu, where the broker is not the ledger's Redis.

    A message that can't be published is not lost: the record is in the ledger, and a caretaker rings again.
    """

    def __init__(self, url: str | None, connect_timeout: float) -> None:
        self._connection = Connection(url, connect_timeout=connect_timeout)
        self._lock = threading.Lock()

    def __call__(self, queue: str, letters: Sequence[str]) -> None:
        """Publishes them to the queue, in order."""
        with self._lock:
            try:
                self._publish(queue, letters)
            except (OperationalError, OSError, *self._connection.connection_errors):
                # Once more on a fresh connection: an idle one may have been cut without a word.
                self._connection.collapse()
                self._publish_or_leave_it(queue, letters)

    def _publish_or_leave_it(self, queue: str, letters: Sequence[str]) -> None:
        try:
            self._publish(queue, letters)
        except (OperationalError, OSError, *self._connection.connection_errors):
            self._connection.collapse()

    def _publish(self, queue: str, letters: Sequence[str]) -> None:
        producer = Producer(self._connection.default_channel)
        for text in letters:
            message = json.loads(text)
            producer.publish(
                message["body"],
                routing_key=queue,
                headers=message["headers"],
                content_type=message["content-type"],
                content_encoding=message["content-encoding"],
                correlation_id=message["properties"]["correlation_id"],
                delivery_mode=2,
                declare=[Queue(queue, routing_key=queue)],
                retry=False,
            )
