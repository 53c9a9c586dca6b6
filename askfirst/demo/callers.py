"""A process of callers, `python -m askfirst.demo.callers`: it reads a `Crowd` as a line of JSON, and a line to start.

What its callers meet with goes into a log line by line, so that it is known even of a process that is killed.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from celery.exceptions import TimeoutError as CeleryTimeoutError

from .. import WorkError, WorkRejected, submit_work
from .load import LATE, LEFT, ON_TIME, REFUSED, TIMEOUT, Crowd
from .logs import append
from .works import asking_work, plain, plain_work

_SECOND_THOUGHT = 0.05  # seconds until one who was refused at once comes again
_WARM_UP_PATIENCE = 40.0  # seconds: the workers may be starting still

#: One caller: asks for a work, tells its id, waits for so many seconds; what it met with.
Ask = Callable[[float, Callable[[str], None]], str]


def ask_plainly(runs: str) -> Ask:
    """A caller of plain Celery: who leaves just stops waiting."""

    def ask(patience: float, asked: Callable[[str], None]) -> str:
        give_up_at = time.monotonic() + patience
        result = plain_work.delay(runs)
        asked(result.id)
        try:
            result.get(timeout=max(give_up_at - time.monotonic(), 0))
        except CeleryTimeoutError:
            return LEFT if patience < TIMEOUT else LATE
        return ON_TIME

    return ask


def ask_first(runs: str) -> Ask:
    """A caller of askfirst: who leaves withdraws."""

    def ask(patience: float, asked: Callable[[str], None]) -> str:
        give_up_at = time.monotonic() + patience if patience < TIMEOUT else math.inf
        try:
            with submit_work(asking_work, log=runs, timeout=TIMEOUT) as waiter:
                asked(waiter.id)
                waiter.result(max(give_up_at - time.monotonic(), 0))
        except WorkRejected:
            return REFUSED
        except WorkError:
            return LATE
        except TimeoutError:
            return LEFT
        return ON_TIME

    return ask


def main() -> None:
    """Does what the input says."""
    crowd = Crowd.from_json(sys.stdin.readline())
    if crowd.fleet == "plain":
        plain.conf.update(broker_url=crowd.broker_url, result_backend=crowd.broker_url)
    how = ask_plainly if crowd.fleet == "plain" else ask_first
    _warm_up(how(os.devnull))
    Path(crowd.calls).touch()
    if sys.stdin.readline():
        _Callers(how(crowd.runs), crowd.calls).come(crowd)


def _warm_up(ask: Ask) -> None:
    """Returns when everything is imported, connected and answering."""
    give_up_at = time.monotonic() + _WARM_UP_PATIENCE
    while ask(TIMEOUT, lambda id: None) != ON_TIME:
        if time.monotonic() > give_up_at:
            sys.exit(f"no worker has answered within {_WARM_UP_PATIENCE:g} s")


class _Callers:
    def __init__(self, ask: Ask, log: str) -> None:
        self._ask = ask
        self._log = log
        self._started_at = time.monotonic()

    def come(self, crowd: Crowd) -> None:
        """Each at its time, whatever became of those before it; then the probing ones."""
        calls = []
        with ThreadPoolExecutor(max_workers=len(crowd.arrivals) or 1) as pool:
            for arrival in crowd.arrivals:
                self._sleep_until(arrival.at)
                calls.append(pool.submit(self._call, arrival.patience))
        for call in calls:
            call.result()  # raises what went wrong in a way that no caller can expect
        if crowd.probe_until <= crowd.probe_from:
            return
        self._sleep_until(crowd.probe_from)
        while (met := self._call(TIMEOUT, probe=True)) != ON_TIME and self._elapsed() < crowd.probe_until:
            time.sleep(_SECOND_THOUGHT if met == REFUSED else 0)

    def _call(self, patience: float, probe: bool = False) -> str:
        ids: list[str] = []

        def asked(id: str) -> None:
            ids.append(id)
            append(self._log, id=id, probe=probe)

        met = self._ask(patience, asked)
        if not ids:
            asked(f"never submitted {time.monotonic_ns()}")
        append(self._log, id=ids[0], met=met, at=self._elapsed())
        return met

    def _elapsed(self) -> float:
        return time.monotonic() - self._started_at

    def _sleep_until(self, at: float) -> None:
        time.sleep(max(at - self._elapsed(), 0))


if __name__ == "__main__":
    main()
