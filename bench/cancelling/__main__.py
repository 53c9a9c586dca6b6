"""`python -m bench.cancelling`, in the root of the repository: how soon a work stops that nobody wants any more.

On a busy fleet (every slot taken, a queue behind it) works are cancelled one after the other, as their callers would:
from `cancel()` of the waiter to the token in the run, by the clock that all processes of a host share. Then works that
ignore their token: from `cancel()` to the end of their process, grace period included.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from askfirst import State, WorkWaiter, submit_many, submit_work
from askfirst.config import Settings
from askfirst.waiters import configure
from askfirst.waiters.client import default_client

from ..overhead.processes import ROOT, clean_environment, running_redis
from ..overhead.report import describe_run
from .works import GRACE, ignore, listen, load

POOLS = ("prefork", "threads")
TOKEN = 0.1  # seconds from `cancel()` to the token, for 99 of 100 works
_PATIENCE = 30.0  # seconds until something that should happen has not


class Load:
    """Keeps a number of short works outstanding, so that the fleet works all the while."""

    def __init__(self, outstanding: int) -> None:
        self._waiters: list[WorkWaiter] = []
        self._outstanding = outstanding
        self.done = 0

    def keep_up(self) -> None:
        """Submits as many as have ended."""
        left = [waiter for waiter in self._waiters if not waiter.done()]
        self.done += len(self._waiters) - len(left)
        missing = self._outstanding - len(left)
        self._waiters = left + submit_many(load, [{"seconds": 0.02}] * missing)

    def end(self) -> None:
        for waiter in self._waiters:
            waiter.cancel()


def cancel_to_token(folder: Path, count: int, traffic: Load) -> list[float]:
    """Seconds from `cancel()` to the token, for each of `count` works."""
    took = []
    for number in range(count):
        waiter = submit_work(listen, folder=folder, number=number)
        _wait_for(folder / f"{number}.began", traffic)
        # At any time between two beats of the worker.
        _pass(random.uniform(0, 0.05), traffic)
        cancelled_at = time.monotonic()
        waiter.cancel()
        took.append(float(_wait_for(folder / f"{number}.stopped", traffic)) - cancelled_at)
    return took


def cancel_to_gone(folder: Path, count: int, traffic: Load) -> list[float]:
    """Seconds from `cancel()` to the end of the process, for each of `count` works that ignore it."""
    took = []
    for number in range(count):
        waiter = submit_work(ignore, folder=folder, number=number)
        pid = int(_wait_for(folder / f"{number}.pid", traffic))
        cancelled_at = time.monotonic()
        waiter.cancel()
        while _alive(pid):
            _pass(0.002, traffic)
            if time.monotonic() > cancelled_at + _PATIENCE:
                raise RuntimeError(f"process {pid} was not killed in {_PATIENCE:g} s")
        took.append(time.monotonic() - cancelled_at)
    return took


def _wait_for(file: Path, traffic: Load) -> str:
    give_up_at = time.monotonic() + _PATIENCE
    while not file.exists():
        _pass(0.002, traffic)
        if time.monotonic() > give_up_at:
            raise RuntimeError(f"expected {file.name} within {_PATIENCE:g} s")
    return file.read_text()


def _pass(seconds: float, traffic: Load) -> None:
    traffic.keep_up()
    time.sleep(seconds)


def _alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@contextlib.contextmanager
def running_fleet(url: str, folder: Path, pool: str, slots: int) -> Iterator[None]:
    """A worker of that pool, and this process as its caller."""
    settings = Settings(redis_url=url, namespace=pool)
    command = [*("-m", "askfirst", "worker", "--lanes", "default", "--loglevel", "warning", "--pool-type", pool)]
    command += ["--concurrency", str(slots), "--import", "bench.cancelling.works"]
    environment = clean_environment() | {"ASKFIRST_REDIS_URL": url, "ASKFIRST_NAMESPACE": pool}
    with (folder / f"{pool}.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    configure(settings)
    try:
        submit_work(load, seconds=0.01, timeout=_PATIENCE).result()
        yield
    finally:
        configure(settings)
        worker.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.wait(_PATIENCE)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait(_PATIENCE)


@dataclass(frozen=True)
class Row:
    """How long it took, in seconds, and the most that it may take."""

    title: str
    took: Sequence[float]
    target: tuple[str, float]

    def cells(self) -> list[str]:
        """As they stand in the table, in ms."""
        ordered = sorted(self.took)
        figures = {
            "p50": statistics.median(ordered),
            "p99": ordered[min(len(ordered) * 99 // 100, len(ordered) - 1)],
            "worst": ordered[-1],
        }
        which, most = self.target
        verdict = "reached" if figures[which] <= most else "missed"
        in_ms = [f"{seconds * 1000:,.1f}" for seconds in figures.values()]
        return [self.title, f"{len(ordered)}", *in_ms, f"{which} ≤ {most * 1000:,.0f} {verdict}"]


HEAD = ["", "works", "p50, ms", "p99, ms", "worst, ms", "target"]


def _markdown(rows: Sequence[Row], notes: Sequence[str], run: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in run["versions"].items())
    lines = [
        "# How soon a work stops that nobody wants any more",
        "",
        f"Measured {run['at']} by `python -m bench.cancelling`; [how](../README.md). {run['cpus']} CPUs, load before: "
        f"{run['load_before']}; {versions}.",
        "",
        "| " + " | ".join(HEAD) + " |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *("| " + " | ".join(row.cells()) + " |" for row in rows),
        "",
        *notes,
    ]
    return "\n".join(lines) + "\n"


@click.command()
@click.option("--cancels", type=click.IntRange(min=1), default=500, show_default=True, help="Works cancelled.")
@click.option("--kills", type=click.IntRange(min=0), default=20, show_default=True, help="Works that ignore it.")
@click.option("--pool", "pools", type=click.Choice(POOLS), multiple=True, default=POOLS, help="Pools to measure.")
@click.option("--slots", type=click.IntRange(min=2), default=4, show_default=True, help="Slots of the worker.")
@click.option("--outstanding", type=click.IntRange(min=0), default=8, show_default=True, help="Other works under way.")
@click.option("--output", type=click.Path(path_type=Path), help="Folder of the results.  [default: bench/results]")
def main(cancels: int, kills: int, pools: Sequence[str], slots: int, outstanding: int, output: Path | None) -> None:
    """Measures the time from `cancel()` to the token, and to the end of a process that ignores it."""
    run = describe_run(rounds=1)
    rows: list[Row] = []
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="cancelling-") as name, running_redis(Path(name) / "redis") as (url, _):
        for pool in pools:
            folder = Path(name) / pool
            (folder / "token").mkdir(parents=True)
            (folder / "gone").mkdir()
            with running_fleet(url, folder, pool, slots):
                traffic = Load(outstanding)
                took = cancel_to_token(folder / "token", cancels, traffic)
                rows.append(Row(f"{pool}: `cancel()` to token", took, ("p99", TOKEN)))
                if pool == "prefork" and kills:
                    took = cancel_to_gone(folder / "gone", kills, traffic)
                    title = f"{pool}: `cancel()` to the end of a process that ignores it, grace {GRACE:g} s"
                    rows.append(Row(title, took, ("worst", GRACE + 1)))
                traffic.end()
                ended = default_client().ledger.totals("default").get(State.COMPLETED, 0)
                notes.append(f"{pool}, {slots} slots: {ended:,} other works completed meanwhile.")
    text = _markdown(rows, notes, run)
    print(text)
    (output or ROOT / "bench" / "results").joinpath("cancelling.md").write_text(text)


if __name__ == "__main__":
    main()
