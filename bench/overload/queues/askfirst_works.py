"""askfirst with its defaults: nothing but the Redis is set."""

from __future__ import annotations

import math
import time
from concurrent.futures import Future
from typing import Any

from celery import signals

import askfirst
from askfirst import WorkContext, WorkRejected
from askfirst import work as declare
from askfirst.config import Settings
from askfirst.waiters import configure

from ..load import DEADLINE
from ..runs import hold_slot, note_ready
from . import Answered, Refused, Sender, System

_FOREVER = 3600.0  # seconds


@declare(name="overload.work", timeout=DEADLINE)
def overload_work(ctx: WorkContext, number: int, seconds: float) -> int:
    """Holds its slot, until nobody waits any more."""
    return hold_slot(number, seconds, ctx.sleep)


@declare(name="overload.three_at_once", timeout=DEADLINE, max_concurrent=3)
def three_at_once(number: int, seconds: float) -> int:
    """The same, three at once in the whole fleet."""
    return hold_slot(number, seconds)


@declare(name="overload.two_for_each", timeout=DEADLINE, max_concurrent=2, partition_by="tenant")
def two_for_each(number: int, seconds: float, tenant: str) -> int:
    """The same, two at once for each tenant."""
    return hold_slot(number, seconds)


@declare(name="overload.never_reached", timeout=DEADLINE, max_concurrent=1_000_000)
def never_reached(number: int, seconds: float) -> int:
    """The same, with a limit that holds nothing back."""
    return hold_slot(number, seconds)


@declare(name="overload.unlimited", timeout=DEADLINE)
def unlimited(number: int, seconds: float) -> int:
    """What that one is compared with."""
    return hold_slot(number, seconds)


class _AskfirstSender:
    def __init__(self, url: str, answered: Answered) -> None:
        configure(Settings(redis_url=url))
        self._answered = answered

    def send(self, number: int, seconds: float, within: float, importance: str) -> Any:
        timeout = _FOREVER if math.isinf(within) else max(within, 0.001)

        def done(waiter: Future[Any]) -> None:
            if not waiter.cancelled() and waiter.exception() is None:
                self._answered(number, time.monotonic())

        try:
            waiter = askfirst.submit_work(
                overload_work, number=number, seconds=seconds, timeout=timeout, importance=importance
            )
        except WorkRejected as error:
            raise Refused(error.retry_after) from error
        waiter.add_done_callback(done)
        return waiter

    def leave(self, handle: Any) -> None:
        handle.cancel()

    def close(self) -> None:
        """Nothing: the process ends without withdrawing."""


def sender(url: str, system: System, answered: Answered) -> Sender:
    """`submit_work` and what its waiter says."""
    return _AskfirstSender(url, answered)


def work(url: str, system: System, slots: int) -> None:
    """A prefork worker."""
    app = askfirst.create_app(Settings(redis_url=url))
    signals.worker_ready.connect(lambda **_: note_ready(), weak=False)
    app.worker_main(["worker", "-P", "prefork", "-c", str(slots), "-l", "WARNING", "--without-mingle"])
