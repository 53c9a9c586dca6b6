"""Tells Flower of tasks in bulk: Celery's worker publishes at every turn of its loop, three times for a short work.

A message to Flower costs the worker as much as the question whether a work is wanted, and slots wait for both.
"""

from __future__ import annotations

from typing import Any, Final

from celery import bootsteps
from kombu.common import ignore_errors

_PERIOD: Final = 0.1  # seconds that an event may be late
_AT_ONCE: Final = 240  # events that make a message however late; some 100 KB


class TellInBulk(bootsteps.StartStopStep):  # type: ignore[misc]  # celery is untyped
    """Lets the events of tasks gather for a moment. Without an event loop to wake it, Celery sends each at once."""

    requires = ("celery.worker.consumer.events:Events",)

    def start(self, consumer: Any) -> None:
        """The broker is there, and a new dispatcher."""
        if consumer.hub is not None:
            consumer.event_dispatcher.buffer_limit = _AT_ONCE
            consumer.event_dispatcher.on_send_buffered = _Later(consumer.hub, consumer.event_dispatcher)

    def stop(self, consumer: Any) -> None:
        """What is left goes before the connection does."""
        if consumer.event_dispatcher is not None:
            ignore_errors(consumer, consumer.event_dispatcher.flush)


class _Later:
    def __init__(self, hub: Any, dispatcher: Any) -> None:
        self._hub = hub
        self._dispatcher = dispatcher
        self._is_due = False

    def __call__(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._hub.call_later(_PERIOD, self._flush)

    def _flush(self) -> None:
        self._is_due = False
        self._dispatcher.flush()
