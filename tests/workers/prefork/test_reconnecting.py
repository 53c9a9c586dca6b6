"""The pool of a worker that connects anew does not stumble over a process that died meanwhile."""

import os
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from celery.concurrency.asynpool import AsynPool
from kombu.asynchronous import Hub

from askfirst.workers.prefork.reconnecting import track_living_only


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
