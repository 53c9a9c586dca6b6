"""A worker that has lost its broker comes back at once, and its pool does not stumble over what died meanwhile."""

import os
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from celery import Celery
from celery.concurrency.asynpool import AsynPool
from celery.worker import WorkController
from kombu.asynchronous import Hub

from askfirst import install
from askfirst.workers.reconnecting import track_living_only
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


class Process:
    """A pool process, as far as its end is concerned: the other end of a pipe."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        self._popen = SimpleNamespace(sentinel=self._read)

    def close(self) -> None:
        os.close(self._read)
        os.close(self._write)


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    yield hub
    hub.close()


@pytest.fixture
def process() -> Iterator[Process]:
    process = Process()
    yield process
    process.close()


def test_a_process_whose_end_was_seen_is_passed_over(hub: Hub, process: Process) -> None:
    pool = SimpleNamespace(_pool=AsynPool.__new__(AsynPool))
    track_living_only(pool)
    pool._pool._track_child_process(process, hub)
    assert len(hub.readers) == 1
    pool._pool._untrack_child_process(process, hub)
    pool._pool._track_child_process(process, hub)  # the connection was lost before its place was filled
    assert not hub.readers


def test_celery_stumbles_without_it(hub: Hub, process: Process) -> None:
    """Once this fails it can go, and so can what it is about."""
    celerys = AsynPool.__new__(AsynPool)
    celerys._track_child_process(process, hub)
    celerys._untrack_child_process(process, hub)
    with pytest.raises(ValueError, match="file descriptor is None"):
        celerys._track_child_process(process, hub)


def test_a_pool_of_threads_is_left_as_it_is() -> None:
    threads = SimpleNamespace()
    track_living_only(SimpleNamespace(_pool=threads))
    assert vars(threads) == {}
