"""The systems compared: how a client hands over a work with each, and how its worker runs. A module for each queue."""

from __future__ import annotations

import importlib
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final, Protocol

import redis

from ..load import RUN_TIME
from ..runs import ANSWERS

MARGIN: Final = 0.05
"""Seconds that an expiry tuned by hand leaves between the end of a run and the deadline."""

Answered = Callable[[int, float], None]
"""Told the work's number and when its answer arrived, from any thread."""


class Refused(Exception):
    """The queue does not take the work now."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"refused, retry after {retry_after:.3f} s")
        self.retry_after = retry_after


class Sender(Protocol):
    """A caller's side of a queue, used from one thread."""

    def send(self, number: int, seconds: float, within: float, importance: str) -> Any:
        """Hands over a work that is wanted for `within` seconds (may be infinite). Raises `Refused`."""

    def leave(self, handle: Any) -> None:
        """The caller does not wait any more."""

    def close(self) -> None:
        """Stops telling answers."""


class Queue(Protocol):
    """A module of this package."""

    def sender(self, url: str, system: System, answered: Answered) -> Sender:
        """The caller's side."""

    def work(self, url: str, system: System, slots: int) -> None:
        """Runs a worker with so many slots until the process is ended."""


@dataclass(frozen=True)
class System:
    """A queue and how it is used."""

    name: str
    title: str
    queue: str
    """Module of this package."""
    package: str
    expiry: str = ""
    """Empty, "deadline" or "tuned"."""

    @property
    def installed(self) -> bool:
        """Whether its package is."""
        return find_spec(self.package) is not None

    def expires(self, within: float) -> float | None:
        """Seconds after which the queue is told to drop a work that is wanted for `within` seconds; None: never."""
        if not self.expiry or math.isinf(within):
            return None
        return max(within - (RUN_TIME + MARGIN if self.expiry == "tuned" else 0.0), 0.001)

    def module(self) -> Queue:
        """Its queue's module, which imports the queue."""
        module: Any = importlib.import_module(f"{__name__}.{self.queue}")
        return module  # type: ignore[no-any-return]  # a module is its own protocol


ASKFIRST: Final = System("askfirst", "askfirst", "askfirst_works", "askfirst")
CELERY: Final = System("celery", "Celery", "celery_tasks", "celery")
CELERY_EXPIRES: Final = System("celery-expires", "Celery, expires", "celery_tasks", "celery", "deadline")

SYSTEMS: Final = (
    ASKFIRST,
    CELERY,
    CELERY_EXPIRES,
    System("celery-tuned", "Celery, expires tuned", "celery_tasks", "celery", "tuned"),
    System("dramatiq", "dramatiq, age_limit", "dramatiq_actors", "dramatiq", "deadline"),
    System("dramatiq-tuned", "dramatiq, age_limit tuned", "dramatiq_actors", "dramatiq", "tuned"),
    System("huey", "huey, expires", "huey_tasks", "huey", "deadline"),
    System("huey-tuned", "huey, expires tuned", "huey_tasks", "huey", "tuned"),
)


def system_named(name: str) -> System:
    """The system of that name."""
    return next(system for system in SYSTEMS if system.name == name)


class Answers:
    """Waits for the answers that works put into a list, on a thread of its own."""

    def __init__(self, url: str, answered: Answered) -> None:
        self._redis = redis.Redis.from_url(url)
        self._answered = answered
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread."""
        self._closing.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._closing.is_set():
            found: Any = self._redis.blpop([ANSWERS], timeout=0.5)
            if found:
                self._answered(int(found[1]), time.monotonic())
