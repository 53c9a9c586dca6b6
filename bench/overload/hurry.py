"""Callers in a great hurry: `python -m bench.overload.hurry JSON`. Many tiny works with deadlines just missed."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from askfirst import submit_many, submit_work
from askfirst.config import Settings
from askfirst.waiters import configure

from .queues.askfirst_works import overload_work

_AT_ONCE: Final = 20
_SHORTEST, _LONGEST = 0.02, 0.5  # seconds
_PATIENCE: Final = 40.0


@dataclass(frozen=True)
class Order:
    """How many works, how many a second, and the file that gets their deadlines."""

    url: str
    works: int
    rate: float
    deadlines: str

    def text(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))


def hurry(order: Order) -> list[tuple[int, float]]:
    """By number: the last moment that can be the work's deadline, by the host's monotonic clock."""
    chance = random.Random(1)
    deadlines = []
    start = time.monotonic()
    for first in range(0, order.works, _AT_ONCE):
        time.sleep(max(start + first / order.rate - time.monotonic(), 0))
        timeout = chance.uniform(_SHORTEST, _LONGEST)
        submit_many(overload_work, [{"number": first + n, "seconds": 0.0} for n in range(_AT_ONCE)], timeout=timeout)
        # The ledger counts from when it takes them in, which is before this.
        deadlines += [(first + n, time.monotonic() + timeout) for n in range(_AT_ONCE)]
    return deadlines


def main() -> None:
    order = Order(**json.loads(sys.argv[1]))
    configure(Settings(redis_url=order.url))
    submit_work(overload_work, number=-1, seconds=0.0, timeout=_PATIENCE).result()
    deadlines = hurry(order)
    time.sleep(_LONGEST + 0.5)
    Path(order.deadlines).write_text("".join(f"{number} {at:.6f}\n" for number, at in deadlines))
    os._exit(0)


if __name__ == "__main__":
    main()
