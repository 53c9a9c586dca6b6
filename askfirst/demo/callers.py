"""One process of callers, run as `python -m askfirst.demo.callers`.

Its input is a line that says what to do (a `Crowd` as JSON) and, when it has answered `ready`, a line that starts it.
What its callers meet with goes into a log, so that it is known even of a process that is killed.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from celery.exceptions import TimeoutError as CeleryTimeoutError

from .. import WorkError, submit_work
from ..config import Settings
from ..waiters import configure
from .arrivals import Arrival, arrivals
from .works import TIMEOUT, asking_work, plain, plain_work

#: What a caller does: asks for a work, tells its id, waits for `patience` seconds; what it met with.
Ask = Callable[[float, Callable[[str], None]], str]


@dataclass(frozen=True)
class Crowd:
    """What one process of callers is to do. Times in seconds."""

    fleet: str
    settings: dict[str, object]
    broker_url: str
    calls_log: str
    runs_log: str
    seed: int
    rate: float
    duration: float
    leaving: float
    leave_after: float

    def arrivals(self) -> list[Arrival]:
        """When its callers come."""
        return list(arrivals(self.seed, self.rate, self.duration, TIMEOUT, self.leaving, self.leave_after))


def ask_plainly(runs_log: str) -> Ask:
    """A caller of plain Celery: whoever leaves just stops waiting."""

    def ask(patience: float, asked: Callable[[str], None]) -> str:
        give_up_at = time.monotonic() + patience
        result = plain_work.delay(runs_log)
        asked(result.id)
        try:
            result.get(timeout=max(give_up_at - time.monotonic(), 0))
        except CeleryTimeoutError:
            return "late" if patience == TIMEOUT else "left"
        return "answered"

    return ask


def ask_first(runs_log: str) -> Ask:
    """A caller of askfirst: whoever leaves withdraws."""

    def ask(patience: float, asked: Callable[[str], None]) -> str:
        give_up_at = time.monotonic() + patience
        with submit_work(asking_work, log=runs_log, timeout=TIMEOUT) as waiter:
            asked(waiter.id)
            try:
                waiter.result(max(give_up_at - time.monotonic(), 0))
            except WorkError:
                return "late"
            except TimeoutError:
                return "left"
        return "answered"

    return ask


def ask_of(crowd: Crowd) -> Ask:
    """How callers of the crowd's fleet ask."""
    if crowd.fleet == "plain":
        plain.conf.update(broker_url=crowd.broker_url, result_backend=crowd.broker_url)
        return ask_plainly(crowd.runs_log)
    configure(Settings.model_validate(crowd.settings))
    return ask_first(crowd.runs_log)


def run_crowd(ask: Ask, plan: list[Arrival], log: TextIO) -> None:
    """Lets the callers come when they do, whatever became of those before them."""
    started_at = time.monotonic()

    def call(patience: float) -> None:
        begun_at = time.monotonic()
        ids: list[str] = []

        def asked(id: str) -> None:
            ids.append(id)
            log.write(json.dumps({"id": id}) + "\n")

        met = ask(patience, asked)
        log.write(json.dumps({"id": ids[0], "met": met, "seconds": time.monotonic() - begun_at}) + "\n")

    with ThreadPoolExecutor(max_workers=len(plan) or 1) as pool:
        for arrival in plan:
            time.sleep(max(started_at + arrival.at - time.monotonic(), 0))
            pool.submit(call, arrival.patience)


def main() -> None:
    """Does what the input says."""
    crowd = Crowd(**json.loads(sys.stdin.readline()))
    ask = ask_of(crowd)
    ask(30.0, lambda id: None)  # connected, imported, warm
    print("ready", flush=True)
    if not sys.stdin.readline():
        return
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with Path(crowd.calls_log).open("a", buffering=1) as log:
        run_crowd(ask, crowd.arrivals(), log)


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
