"""Celery's prefork pool on an event loop that turns only when told to."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery
from celery.concurrency.prefork import TaskPool
from kombu.asynchronous import Hub, get_event_loop, set_event_loop
from kombu.asynchronous.semaphore import LaxBoundedSemaphore

from .eventually import eventually

PROCESSES = 2


class Pool:
    """The pool, its loop, and the semaphore that its worker would ask for a slot."""

    def __init__(self, hub: Any) -> None:
        app = Celery("pool", broker="memory://", set_as_current=False)
        self.hub = hub
        self.semaphore = LaxBoundedSemaphore(PROCESSES)
        self.celerys = TaskPool(
            PROCESSES, initargs=(app, "w1@here"), threads=False, putlocks=False, semaphore=self.semaphore
        )
        self.celerys.start()

    def listen(self) -> None:
        """Connects it with its loop, as a worker does when its consumer starts."""
        self.celerys.register_with_event_loop(self.hub)
        eventually(lambda: self.turn() and len(self.processes._all_inqueues) == PROCESSES, what="the processes are up")

    @property
    def processes(self) -> Any:
        """billiard's pool below Celery's."""
        return self.celerys._pool

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self.processes._pool]

    def apply(self, function: Any, *arguments: Any, **options: Any) -> Any:
        """Takes a slot, as a worker does, and hands over a job."""
        assert self.semaphore.acquire(lambda: None)
        return self.celerys.apply_async(function, arguments, **options)

    def turn(self) -> bool:
        """Once round the loop."""
        self.hub.call_soon(lambda: None)  # or it would wait for something to happen
        next(self.hub.loop)
        return True


@contextmanager
def pool_on_a_loop() -> Iterator[Pool]:
    """Two processes, on a loop that is this thread's."""
    before = get_event_loop()
    hub = Hub()
    set_event_loop(hub)
    pool = Pool(hub)
    try:
        yield pool
    finally:
        for pid in pool.pids:
            os.kill(pid, signal.SIGKILL)  # or Celery would wait for each in turn
        pool.celerys.terminate()
        hub.close()
        set_event_loop(before)
