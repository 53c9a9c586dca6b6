"""Fills a queue with works that are dead before a worker comes: `python -m bench.overload.backlog JSON`."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict, dataclass

from .load import RUN_TIME
from .queues import ASKFIRST, SYSTEMS, System

_AT_ONCE = 500
_AFTER = 0.5  # seconds from the last submission to the death of all


@dataclass(frozen=True)
class Order:
    """How many, for which system, and how fast they surely go in (works per second)."""

    system: str
    url: str
    works: int
    rate: float
    retention: float = 1.0
    """Seconds that askfirst keeps the record of an ended work, so that it is seen to go."""

    @property
    def seconds(self) -> float:
        """From the first submission until all are dead."""
        return self.works / self.rate + _AFTER

    def text(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))


def fill_askfirst(order: Order, dead_at: float) -> None:
    """All of them with the same deadline."""
    from askfirst import submit_many
    from askfirst.config import Settings
    from askfirst.waiters import configure

    from .queues.askfirst_works import overload_work

    configure(Settings(redis_url=order.url, retention=order.retention))
    for start in range(0, order.works, _AT_ONCE):
        payloads = [{"number": n, "seconds": RUN_TIME} for n in range(start, min(start + _AT_ONCE, order.works))]
        submit_many(overload_work, payloads, timeout=dead_at - time.monotonic())


def fill(order: Order, system: System, dead_at: float) -> None:
    """The same by single calls."""
    sender = system.module().sender(order.url, system, lambda number, at: None)
    for number in range(order.works):
        sender.send(number, RUN_TIME, dead_at - time.monotonic(), "normal")


def main() -> None:
    order = Order(**json.loads(sys.argv[1]))
    dead_at = time.monotonic() + order.seconds
    if order.system == ASKFIRST.name:
        fill_askfirst(order, dead_at)
    else:
        fill(order, next(system for system in SYSTEMS if system.name == order.system), dead_at)
    if time.monotonic() > dead_at:
        sys.exit(f"expected {order.rate:g} works/s to go in, it took longer than {order.seconds:g} s")
    os._exit(0)  # as a killed caller does: it withdraws nothing


if __name__ == "__main__":
    main()
