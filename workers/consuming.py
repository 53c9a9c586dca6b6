"""Celery's consumer, which leaves nothing behind when its broker or the worker goes, and comes back with the broker.

Celery waits two seconds longer after each vain attempt, up to half a minute, and ends its worker after a hundred: after
an outage of ten seconds the fleet would stand idle for as long again.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from celery.worker import consumer

from .runtime import runtime_of

_PAUSE: Final = 0.5  # seconds between two attempts


class Consumer(consumer.Consumer):  # type: ignore[misc]  # celery is untyped
    """Tries again twice a second, for as long as it takes; as Celery does where a number of attempts is configured."""

    def ensure_connected(self, conn: Any) -> Any:
        """Connects, however long it takes."""
        if not self.app.conf.broker_connection_max_retries:
            patient = partial(conn.ensure_connection, interval_start=_PAUSE, interval_step=0.0, interval_max=_PAUSE)
            conn.ensure_connection = patient
        return super().ensure_connected(conn)

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Lets go of the connection, and of the messages that it had brought: their works are rung for again.

        kombu would try to put them back on the connection that is gone, and then write them to a file in /tmp, payloads
        and all. In an app that was there before they can be others' than the ledger's, and it may. And whoever rejects
        one of them later would end the worker: a channel without its connection has nothing to reject it by.
        """
        own = runtime_of(self.app).own
        for channel in getattr(self.connection.transport, "channels", ()):
            channel.do_restore = channel.do_restore and not own
            channel.basic_reject = _do_nothing
        super().on_connection_error_after_connected(exc)

    def cancel_active_requests(self) -> None:
        """A cold shutdown: all that runs is told to stop at once.

        Celery tells nobody of it before, ends only those runs that pool processes are known to have, stumbles over runs
        in threads, and waits for the rest.
        """
        runtime = runtime_of(self.app)
        runtime.shut_down(at_once=True)
        if runtime.killable:
            super().cancel_active_requests()


def _do_nothing(*_: Any, **__: Any) -> None:
    pass
