"""Celery's prefork pool is made to hand a job to an idle process without another turn of its event loop."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from celery.concurrency.prefork import TaskPool
from kombu.asynchronous import Hub, get_event_loop, set_event_loop

from askfirst.workers.handing import hand_over_at_once
from tests.support.eventually import eventually


@pytest.fixture
def hub() -> Iterator[Any]:
    before = get_event_loop()
    hub = Hub()
    set_event_loop(hub)
    yield hub
    hub.close()
    set_event_loop(before)


@pytest.fixture
def pool(hub: Any) -> Iterator[Any]:
    """Two processes on a loop that turns only when told to."""
    app = Celery("pool", broker="memory://", set_as_current=False)
    pool = TaskPool(2, initargs=(app, "w1@here"), threads=False, putlocks=False)
    pool.start()
    hand_over_at_once(pool)
    pool.register_with_event_loop(hub)
    eventually(lambda: turn(hub) and len(pool._pool._all_inqueues) == 2, what="the processes are up")
    yield pool
    pool.terminate()


def turn(hub: Any) -> bool:
    hub.call_soon(lambda: None)  # or it would wait for something to happen
    next(hub.loop)
    return True


def test_a_job_is_with_an_idle_process_before_the_loop_turns(pool: Any, hub: Any) -> None:
    ended: list[Any] = []
    jobs = [pool.apply_async(len, ("ab",), callback=ended.append) for _ in range(3)]
    assert [job._write_to is not None for job in jobs] == [True, True, False]
    eventually(lambda: turn(hub) and len(ended) == 3, what="the third is run when a process is idle again")
    assert ended == [2, 2, 2]
