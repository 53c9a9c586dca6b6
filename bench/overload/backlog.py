"""Fills a queue with works that are dead before a worker comes: `python -m bench.overload.backlog JSON`.

It prints when the last of them dies, by the host's monotonic clock.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from .load import RUN_TIME
from .queues import ASKFIRST, system_named

_AT_ONCE = 500
_SLACK = 2.0  # times what the first of them took, so that none dies while others still come
_AFTER = 0.5  # seconds
_FIRST = 5.0  # seconds that the first ones have

Fill = Callable[[range, float], None]
"""Submits the works of these numbers, wanted for so many seconds."""


@dataclass(frozen=True)
class Order:
    """How many, and for which system."""

    system: str
    url: str
    works: int
    retention: float = 10.0
    """Seconds that askfirst keeps the record of an ended work, so that it is seen to go."""

    def text(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))


def askfirst_filler(order: Order) -> Fill:
    """In batches."""
    from askfirst import submit_many
    from askfirst.config import Settings
    from askfirst.waiters import configure

    from .queues.askfirst_works import overload_work

    configure(Settings(redis_url=order.url, retention=order.retention))

    def fill(numbers: range, within: float) -> None:
        submit_many(overload_work, [{"number": n, "seconds": RUN_TIME} for n in numbers], timeout=within)

    return fill


def filler(order: Order) -> Fill:
    """By single calls."""
    system = system_named(order.system)
    sender = system.module().sender(order.url, system, lambda number, at: None)

    def fill(numbers: range, within: float) -> None:
        for number in numbers:
            sender.send(number, RUN_TIME, within, "normal")

    return fill


def main() -> None:
    order = Order(**json.loads(sys.argv[1]))
    fill = (askfirst_filler if order.system == ASKFIRST.name else filler)(order)
    started_at = time.monotonic()
    fill(range(_AT_ONCE), _FIRST)
    now = time.monotonic()
    dead_at = now + max(_SLACK * (now - started_at) * order.works / _AT_ONCE + _AFTER, _FIRST)
    for start in range(_AT_ONCE, order.works, _AT_ONCE):
        left = dead_at - time.monotonic()
        if left <= 0:
            sys.exit("the first works died before the last had come: is the machine very busy?")
        fill(range(start, min(start + _AT_ONCE, order.works)), left)
    print(f"{dead_at:.6f}", flush=True)
    os._exit(0)  # as a killed caller does: it withdraws nothing


if __name__ == "__main__":
    main()
