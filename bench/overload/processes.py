"""The processes of a phase: a Redis, a worker and the callers, each started and ended here by its id."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..overhead.processes import ROOT, Fleet, clean_environment, others, running_redis
from .generator import Order
from .load import SLOTS, Call, Load
from .queues import System
from .runs import LOG, URL, Run, read_runs

_PATIENCE = 60.0  # seconds that callers may take beyond their load: to come up, and to write what they met with
_ENDING = 10.0


@dataclass(frozen=True)
class Place:
    """Where one phase happens."""

    system: System
    url: str
    redis_pid: int
    folder: Path

    @property
    def runs(self) -> Path:
        """The log of the works."""
        return self.folder / "runs"


@dataclass(frozen=True)
class Driven:
    """What happened under a load."""

    calls: Sequence[Call]
    runs: Sequence[Run]
    others: float
    """Percent of the machine that other programs used."""

    @property
    def start(self) -> float:
        """The first call, by the host's monotonic clock."""
        return self.calls[0].due


@contextlib.contextmanager
def running_place(system: System) -> Iterator[Place]:
    """A Redis of its own."""
    with tempfile.TemporaryDirectory(prefix="overload-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with running_redis(folder / "redis") as (url, redis_pid):
            yield Place(system, url, redis_pid, folder)


@contextlib.contextmanager
def running_worker(place: Place, slots: int = SLOTS) -> Iterator[Fleet]:
    """A worker of that system; it may still be starting. What it says is shown if it ends before its time."""
    said = place.folder / "worker.log"
    environment = clean_environment() | {LOG: str(place.runs), URL: place.url}
    command = [sys.executable, "-m", "bench.overload.worker", place.system.name, place.url, str(slots)]
    with said.open("wb") as log, _group(command, environment, log.fileno()) as worker:
        yield Fleet(place.system.name, place.url, place.redis_pid, worker.pid)
        if worker.poll() is not None:
            raise RuntimeError(f"the {place.system.name} worker ended with {worker.returncode}:\n{said.read_text()}")


@contextlib.contextmanager
def _group(command: Sequence[str], environment: dict[str, str], log: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process and its children, killed together: nothing of a phase is worth an orderly end."""
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(_ENDING)


def drive(place: Place, fleet: Fleet, load: Load | None, saturate: float = 0.0, heavy: bool = False) -> Driven:
    """Lets the callers come; returns when the last has left. Raises `RuntimeError` with what they said if they fail."""
    file = place.folder / "calls"
    order = Order(place.system.name, place.url, str(file), load, saturate, heavy)
    patience = (load.end if load else saturate) + _PATIENCE
    with others(fleet) as disturbance:
        run_module("generator", order.text(), patience=patience)
    calls = [Call(**json.loads(line)) for line in file.read_text().splitlines()]
    runs = [run for run in read_runs(place.runs) if run.number >= 0]
    return Driven(calls, runs, disturbance["others"])


def run_module(module: str, *arguments: str, patience: float) -> str:
    """Runs a module of this bench to its end: what it printed. Raises `RuntimeError` with what it said if it fails."""
    command = [sys.executable, "-m", f"bench.overload.{module}", *arguments]
    with tempfile.TemporaryFile() as said, _group(command, clean_environment(), said.fileno()) as process:
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{module} did not end within {patience:g} s") from None
        said.seek(0)
        text = said.read().decode(errors="replace")
    if process.returncode:
        raise RuntimeError(f"{module} failed:\n{text}")
    return text
