"""The second part: the same load on plain Celery tasks and on askfirst works, one after the other."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from .. import works
from . import show
from .errors import DemoError
from .load import NAME, Crowd, Load
from .stage import Stage
from .tally import Tally, tally

#: Callers that wait for a second only are missed sooner than by default, which is 6 s after their last pulse.
PULSE = {"pulse_interval": 0.2, "pulse_timeout": 0.5}

_READY_PATIENCE = 45.0  # seconds until every process of callers has had an answer
_OVERTIME = 10.0  # seconds that they may take longer than planned
_POLL = 0.05
_MOST_WORKS = 100_000


def compare(console: Console, stage: Stage, load: Load, broker_url: str) -> tuple[Tally, Tally]:
    """The figures of plain Celery, then of askfirst."""
    slots = str(load.slots)
    plain = ("celery", "-A", "askfirst.demo.works:plain", "--broker", broker_url, "--result-backend", broker_url,
             "worker", "--concurrency", slots, "--pool", "prefork",
             "--without-mingle", "--without-gossip", "--loglevel", "warning")  # fmt: skip
    asking = ("askfirst", "worker", "--import", "askfirst.demo.works",
              "--concurrency", slots, "--pool-type", "prefork", "--loglevel", "warning")  # fmt: skip
    return (
        _Measurement(console, stage, load, "plain", broker_url).take("Plain Celery", plain),
        _Measurement(console, stage, load, "askfirst", broker_url).take("askfirst", asking),
    )


class _Measurement:
    """The load on one fleet."""

    def __init__(self, console: Console, stage: Stage, load: Load, fleet: str, broker_url: str) -> None:
        self._console = console
        self._stage = stage
        self._load = load
        self._worker_log = f"{fleet}-worker.log"
        self._callers_log = f"{fleet}-callers.log"
        self._runs = stage.folder / f"{fleet}-runs"
        self._crowds = [self._crowd(fleet, broker_url, number) for number in range(load.crowds + 1)]

    def take(self, what: str, worker_command: tuple[str, ...]) -> Tally:
        """Starts the fleet, lets the callers come, and looks what came of it."""
        with self._stage.worker(self._worker_log, *worker_command, **PULSE) as worker:
            callers = [self._stage.start(self._callers_log, "askfirst.demo.callers", **PULSE) for _ in self._crowds]
            try:
                self._prepare(worker, callers)
                self._let_come(what, callers)
            finally:
                self._stage.end(callers)
            dropped, stopped = _ended_without_result()
        calls = [Path(crowd.calls) for crowd in self._crowds]
        return tally(calls, self._runs, self._load.duration, dropped=dropped, stopped=stopped)

    def _crowd(self, fleet: str, broker_url: str, number: int) -> Crowd:
        load = self._load
        probing = number == load.crowds
        return Crowd(
            fleet=fleet,
            broker_url=broker_url,
            arrivals=[] if probing else load.arrivals(number),
            probe_from=load.duration,
            probe_until=load.duration + load.recovery if probing else 0.0,
            calls=str(self._stage.folder / f"{fleet}-calls-{number}"),
            runs=str(self._runs),
        )

    def _prepare(self, worker: subprocess.Popen[str], callers: list[subprocess.Popen[str]]) -> None:
        """Waits until every process of callers has had an answer."""
        for process, crowd in zip(callers, self._crowds, strict=True):
            _tell(process, crowd.to_json())
        give_up_at = time.monotonic() + _READY_PATIENCE
        while not all(Path(crowd.calls).exists() for crowd in self._crowds):
            self._stage.require_alive(worker, "the worker", self._worker_log)
            for process in callers:
                self._stage.require_alive(process, "a process of callers", self._callers_log)
            if time.monotonic() > give_up_at:
                raise DemoError(f"the fleet did not answer within {_READY_PATIENCE:g} s: is the machine very busy?")
            time.sleep(_POLL)

    def _let_come(self, what: str, callers: list[subprocess.Popen[str]]) -> None:
        """Starts them all, kills the first process half-way, and waits for the others."""
        load, started_at = self._load, time.monotonic()
        for process in callers:
            _tell(process, "go")

        def watch(until: float, since: float, update: show.Update) -> None:
            while any(process.poll() is None for process in callers):
                elapsed = time.monotonic() - started_at
                if elapsed > until:
                    return
                update(elapsed - since, "")
                time.sleep(_POLL)

        with show.bar(self._console, f"{what}: callers come", load.duration) as update:
            watch(load.kill_at, 0, update)
            callers[0].kill()
            watch(load.duration, 0, update)
        with show.bar(self._console, f"{what}: until a fresh caller is answered on time", load.recovery) as update:
            watch(load.duration + load.recovery + _OVERTIME, load.duration, update)
        if any(process.poll() is None for process in callers):
            raise DemoError("the callers did not end in time: is the machine very busy?")
        if any(process.returncode for process in callers[1:]):
            raise DemoError(f"a process of callers failed: {self._stage.why(self._callers_log)}")


def _tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it has ended by itself, which is found out soon
        process.stdin.write(line + "\n")
        process.stdin.flush()


def _ended_without_result() -> tuple[Mapping[str, int], Mapping[str, int]]:
    """How many works the fleet dropped before their start, and how many it stopped, by reason."""
    dropped: Counter[str] = Counter()
    stopped: Counter[str] = Counter()
    for status in works(name=NAME, limit=_MOST_WORKS):
        if status.state.ended and status.reason:
            (dropped if status.started_at is None else stopped)[status.reason] += 1
    return dict(dropped.most_common()), dict(stopped.most_common())
