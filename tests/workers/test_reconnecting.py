"""A worker that has lost its broker comes back at once, and does not stumble over what came from it."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.exceptions import CPendingDeprecationWarning
from celery.worker import WorkController
from kombu import Queue

from askfirst import install
from askfirst.config import Settings
from askfirst.workers import create_app
from tests.support.door import InPlace
from tests.support.servers import free_port


class Enough(Exception):
    """Of a test that has seen how a worker tries."""


@pytest.mark.parametrize("configured", [None, 7], ids=["by default", "as configured"])
def test_a_worker_tries_to_connect_twice_a_second_unless_told_otherwise(
    configured: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Celery(broker=f"redis://127.0.0.1:{free_port()}/0", set_as_current=False)
    app.conf.broker_connection_retry_on_startup = True
    if configured:
        app.conf.broker_connection_max_retries = configured
    install(app)
    worker = WorkController(app=app, hostname="tries@here", pool_cls=InPlace, use_eventloop=False)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 5:
            raise Enough

    monkeypatch.setattr("kombu.utils.functional.sleep", sleep)
    with pytest.raises(Enough):
        worker.consumer.connect()
    # Celery's own two seconds kombu sleeps one by one.
    assert pauses[:2] == ([1.0, 1.0] if configured else [0.5, 0.5])


@pytest.fixture
def consumer(settings: Settings, ledger: Any) -> Iterator[Any]:
    """Celery's consumer in a worker, connected."""
    with create_app(settings) as app:
        worker = WorkController(app=app, hostname="loses@here", pool_cls=InPlace, use_eventloop=False)
        worker.consumer.connection = worker.consumer.connect()
        yield worker.consumer


def test_a_message_whose_connection_was_lost_can_still_be_rejected(consumer: Any) -> None:
    queue = Queue("lost", routing_key="lost", auto_delete=True)(consumer.connection.default_channel)
    queue.declare()
    consumer.connection.Producer().publish({}, routing_key="lost")
    message = queue.get()
    with pytest.warns(CPendingDeprecationWarning):
        consumer.on_connection_error_after_connected(ConnectionError("lost"))
    assert message.channel.connection is None
    message.reject(requeue=True)
