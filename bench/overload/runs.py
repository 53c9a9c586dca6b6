"""What every work does, whatever queue it comes from: it holds its slot, and says so in a log of its own fleet."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import redis

LOG: Final = "OVERLOAD_RUNS"
"""Names the log, in the environment of a worker: all its processes append to it."""
URL: Final = "OVERLOAD_REDIS"
ANSWERS: Final = "overload-answers"
"""The list into which a work of another queue than askfirst puts its answer: the cheapest way back that there is."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a work. Times in seconds of the host's monotonic clock; `ended` is None if it was cut off."""

    number: int
    started: float
    ended: float | None


class _Place:
    """The process's log and connection, opened when it first runs a work: never shared with a parent."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.log = os.open(os.environ[LOG], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.answers = redis.Redis.from_url(os.environ[URL])


_places: dict[int, _Place] = {}


def _place() -> _Place:
    pid = os.getpid()
    if pid not in _places:
        _places[pid] = _Place()
    return _places[pid]


def hold_slot(number: int, seconds: float, sleep: Callable[[float], object] = time.sleep) -> int:
    """The work."""
    log = _place().log
    # One write for each line: appending is atomic, and what is written stays if the process is killed.
    os.write(log, f"S {number} {time.monotonic():.6f}\n".encode())
    try:
        sleep(seconds)
    finally:
        os.write(log, f"E {number} {time.monotonic():.6f}\n".encode())
    return number


def hold_slot_and_answer(number: int, seconds: float) -> None:
    """The work with its answer, for queues whose own results nobody is to pay for here."""
    hold_slot(number, seconds)
    _place().answers.rpush(ANSWERS, number)


def note_ready() -> None:
    """Says when the worker takes works."""
    os.write(_place().log, f"R 0 {time.monotonic():.6f}\n".encode())


def read_ready(log: Path) -> float:
    """When the worker first took works."""
    return min(float(line.split()[2]) for line in log.read_text().splitlines() if line.startswith("R"))


def read_runs(log: Path) -> list[Run]:
    """The runs in the order of their starts."""
    runs: dict[int, list[Run]] = {}
    for line in log.read_text().splitlines() if log.exists() else ():
        kind, number, at = line.split()
        if kind == "R":
            continue
        of_work = runs.setdefault(int(number), [])
        if kind == "S":
            of_work.append(Run(int(number), float(at), None))
        else:
            of_work[-1] = Run(int(number), of_work[-1].started, float(at))
    return sorted((run for of_work in runs.values() for run in of_work), key=lambda run: run.started)
