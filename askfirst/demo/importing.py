"""The first part: a real file into a SQL table, with progress, and a look whether all of it arrived."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from .. import UnknownWork, WorkWaiter, submit_work
from . import show
from .errors import DemoError
from .flights import Flights
from .stage import Stage
from .totals import totals_of_file, totals_of_table

_START_PATIENCE = 30.0  # seconds until the worker has made its work types known
_TIMEOUT = 90.0  # seconds
_POLL = 0.1
_LOG = "import.log"


def import_flights(console: Console, stage: Stage, flights: Flights) -> bool:
    """Imports the file with a worker of its own; whether the table agrees with the file."""
    database = stage.folder / "flights.sqlite"
    with stage.worker(_LOG, "askfirst", "worker", "--import", "askfirst.tasks.library.csv_import") as worker:
        with _submit(stage, worker, flights, database) as waiter:
            report = _follow(console, waiter)
        console.print(f"{report['rows']:,} rows in {report['seconds']:.1f} s.", highlight=False)
    return compare_totals(console, flights, database)


def _submit(stage: Stage, worker: subprocess.Popen[str], flights: Flights, database: Path) -> WorkWaiter:
    """Submits the import by name, as soon as a worker knows it."""
    give_up_at = time.monotonic() + _START_PATIENCE
    while True:
        try:
            return submit_work(
                "csv.import",
                source=str(flights.path),
                table="flights",
                database=f"sqlite:///{database}",
                timeout=_TIMEOUT,
            )
        except UnknownWork:
            stage.require_alive(worker, "the worker", _LOG)
            if time.monotonic() > give_up_at:
                raise DemoError(f"the worker did not start within {_START_PATIENCE:g} s") from None
            time.sleep(_POLL)


def _follow(console: Console, waiter: WorkWaiter) -> dict[str, Any]:
    """Shows the progress until the import has ended; its report."""
    with show.bar(console, "Importing", 1.0) as update:
        for progress in waiter.progress():
            update(progress.done / (progress.total or 1), progress.note or "")
    report: dict[str, Any] = waiter.result()
    return report


def compare_totals(console: Console, flights: Flights, database: Path) -> bool:
    """Shows the totals of the file beside those of the table; whether they are the same."""
    in_file, in_table = totals_of_file(flights.path), totals_of_table(database)
    agreed = {name: in_file[name] == in_table[name] for name in in_file}
    agreed["rows"] &= in_file["rows"] == flights.rows
    table = show.table("", "in the file", "in the table", "")
    for name, same in agreed.items():
        table.add_row(name, f"{in_file[name]:,}", f"{in_table[name]:,}", show.mark(console, same))
    console.print(table)
    return all(agreed.values())
