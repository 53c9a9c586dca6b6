"""What a work costs in Redis while others are pending: `python -m bench.overload.costs JSON`.

It submits works to a lane that no worker serves, which stay; asks about and finishes some of them itself, as a worker
would; and prints the server's own time for each call.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import askfirst
from askfirst.config import Settings
from askfirst.interest.ledger import Ending, Ledger
from askfirst.interest.states import State, Verdict
from askfirst.waiters import configure
from askfirst.waiters.client import default_client

LANE = "scale"
NAME = "overload.scale"
_TIMEOUT = 7200.0  # seconds, beyond any run
_SAMPLES = 10  # of so many calls each
_CALLS = 100
_AT_ONCE = 1000


@askfirst.work(name=NAME, timeout=_TIMEOUT, lane=LANE)
def scale(number: int) -> int:
    """Never run."""
    return number


@dataclass(frozen=True)
class Order:
    """Works to submit, and whether to measure then."""

    url: str
    works: int
    measure: bool

    def text(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))


def load(works: int) -> None:
    """Submits so many, which nobody needs to wait for."""
    for start in range(0, works, _AT_ONCE):
        count = min(_AT_ONCE, works - start)
        askfirst.submit_many(scale, [{"number": n} for n in range(count)], detached=True)


def measure(ledger: Ledger) -> dict[str, float]:
    """Microseconds of the server for each call: medians of samples."""
    took: dict[str, list[float]] = {"submit": [], "ask": [], "finish": []}
    for _ in range(_SAMPLES):
        ids: list[str] = []
        took["submit"].append(_server_time(ledger, partial(_submit, ids)))
        took["ask"].append(_server_time(ledger, partial(_ask, ledger, ids)))
        took["finish"].append(_server_time(ledger, partial(_finish, ledger, ids)))
    return {name: statistics.median(samples) for name, samples in took.items()}


def _submit(ids: list[str]) -> None:
    ids += [askfirst.submit_work(scale, number=n, detached=True).id for n in range(_CALLS)]


def _ask(ledger: Ledger, ids: list[str]) -> None:
    for id in ids:
        answer = ledger.ask(id, worker="bench", nonce="bench", message_deadline=0)
        if answer is None or answer.verdict is not Verdict.RUN:
            raise AssertionError(f"expected {id} to be run, got {answer}")


def _finish(ledger: Ledger, ids: list[str]) -> None:
    for id in ids:
        ledger.finish(Ending(id, "1:bench", State.COMPLETED, NAME, "", 60.0, result="1"))


def _server_time(ledger: Ledger, act: Callable[[], None]) -> float:
    """Of the scripts meanwhile, per call. The caller's pulse is among them: one in thousands."""
    before = _scripts(ledger)
    act()
    after = _scripts(ledger)
    return (after["usec"] - before["usec"]) / (after["calls"] - before["calls"])


def _scripts(ledger: Ledger) -> dict[str, float]:
    text: Any = ledger.line.command("INFO", "commandstats")
    [line] = [line for line in str(text).splitlines() if line.startswith("cmdstat_evalsha:")]
    pairs = (pair.split("=") for pair in line.partition(":")[2].split(","))
    return {name: float(value) for name, value in pairs}


def main() -> None:
    order = Order(**json.loads(sys.argv[1]))
    configure(Settings(redis_url=order.url))
    load(order.works)
    if order.measure:
        print(json.dumps(measure(default_client().ledger)), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
