"""The first part: a real file into a SQL table, with progress, and a look whether all of it arrived."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from .. import UnknownWork, WorkWaiter, submit_work
from ..config import Settings
from ..waiters import configure
from . import show
from .errors import DemoError
from .flights import Flights
from .stage import Stage
from .totals import totals_of_file, totals_of_table

_START_PATIENCE = 30.0  # seconds until a worker has published its work types
_TIMEOUT = 90.0
_POLL = 0.1
_LOG = "import.log"


def import_flights(console: Console, stage: Stage, flights: Flights) -> bool:
    """Imports the file through a fleet of its own; whether the table agrees with the file."""
    database = stage.folder / "flights.sqlite"
    configure(Settings(redis_url=stage.redis.url))
    command = ("askfirst", "worker", "--import", "askfirst.tasks.library.csv_import")
    with stage.worker(_LOG, *command) as worker:
        report = _import(console, stage, worker, flights, database)
    console.print(f"{report['rows']:,} rows in {report['seconds']:.1f} s.", highlight=False)
    return _agree(console, flights, database)
