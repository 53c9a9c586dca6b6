"""Works that wait for a limit: `python -m bench.overload.limited JSON`.

It prints a JSON line for each burst: when it was handed over and when the last of it was answered, by the host's
monotonic clock, and from when to when each work was claimed, by the ledger's records.
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
from askfirst.waiters.client import default_client

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


@dataclass(frozen=True)
class Told:
    """What became of a burst."""

    began: float
    ended: float
    claims: Sequence[tuple[float, float]]


def main() -> None:
    order = json.loads(sys.argv[1])
    configure(Settings(redis_url=order["url"]))
    submit_work(overload_work, number=-1, seconds=0.0, timeout=_PATIENCE).result()
    number = 0
    for burst in (Burst(**each) for each in order["bursts"]):
        _run(burst, range(-1 - _WARM_UP, -1))
        told = _run(burst, range(number, number + burst.works))
        number += burst.works
        print(json.dumps(asdict(told)), flush=True)
    os._exit(0)


def _run(burst: Burst, numbers: range) -> Told:
    payloads = [{"number": number, "seconds": burst.seconds} for number in numbers]
    if burst.partitions:
        payloads = [{**each, "tenant": f"t{number % burst.partitions}"} for number, each in enumerate(payloads)]
    began = time.monotonic()
    waiters = submit_many(burst.name, payloads, timeout=_PATIENCE)
    for waiter in waiters:
        waiter.result()
    return Told(began, time.monotonic(), _claims([waiter.id for waiter in waiters]))


def _claims(ids: Sequence[str]) -> list[tuple[float, float]]:
    """The ledger is on this host: its clock is this one's, in another count."""
    ahead = time.time() - time.monotonic()
    found = default_client().ledger.statuses(ids)
    return [
        (status.started_at.timestamp() - ahead, status.finished_at.timestamp() - ahead)
        for status in found
        if status is not None and status.started_at is not None and status.finished_at is not None
    ]


if __name__ == "__main__":
    main()
