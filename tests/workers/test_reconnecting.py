"""A worker that has lost its broker comes back at once."""

import pytest
from celery import Celery
from celery.worker import WorkController

from askfirst import install
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
