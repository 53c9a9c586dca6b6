"""Works that wait for a limit: `python -m bench.overload.limited JSON`.

It prints, for each burst, when it was handed over and when the last of it was answered, by the host's monotonic clock.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from askfirst import submit_many, submit_work
from askfirst.config import Settings
from askfirst.waiters import configure

from .queues.askfirst_works import overload_work

_PATIENCE: Final = 120.0  # seconds that a burst may take
_WARM_UP: Final = 24  # works


@dataclass(frozen=True)
class Burst:
    """Works of one type handed over at once, spread evenly over partitions if there are any."""

    name: str
    works: int
    seconds: float
    partitions: int = 0


@dataclass(frozen=True)
class Order:
    """Bursts, one after the other."""

    url: str
    bursts: Sequence[Burst]

    def text(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))


def main() -> None:
    order = json.loads(sys.argv[1])
    configure(Settings(redis_url=order["url"]))
    submit_work(overload_work, number=-1, seconds=0.0, timeout=_PATIENCE).result()
    number = 0
    for burst in (Burst(**each) for each in order["bursts"]):
        _run(burst, range(-1 - _WARM_UP, -1))
        began, ended = _run(burst, range(number, number + burst.works))
        number += burst.works
        print(f"{began:.6f} {ended:.6f}", flush=True)
    os._exit(0)


def _run(burst: Burst, numbers: range) -> tuple[float, float]:
    payloads = [{"number": number, "seconds": burst.seconds} for number in numbers]
    if burst.partitions:
        payloads = [{**each, "tenant": f"t{number % burst.partitions}"} for number, each in enumerate(payloads)]
    began = time.monotonic()
    for waiter in submit_many(burst.name, payloads, timeout=_PATIENCE):
        waiter.result()
    return began, time.monotonic()


if __name__ == "__main__":
    main()
