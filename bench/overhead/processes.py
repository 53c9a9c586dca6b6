"""The processes of a run: a Redis and a worker for each side, started and ended here by their ids."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import redis

from askfirst.interest.server import find_server

from .sides import UNSERVED

ROOT = Path(__file__).resolve().parents[2]
_PATIENCE = 30.0  # seconds for a process to come up or to end
_LONGEST = 120.0  # seconds for a client to take its measures


@dataclass(frozen=True)
class Fleet:
    """One side's Redis and worker."""

    name: str
    url: str
    redis_pid: int
    worker_pid: int

    def pids(self) -> dict[str, list[int]]:
        """The processes by what they are."""
        children = psutil.Process(self.worker_pid).children(recursive=True)
        return {"worker": [self.worker_pid], "pool": [child.pid for child in children], "redis": [self.redis_pid]}

    def cpu_seconds(self) -> float:
        """CPU time all of them have used."""
        return cpu_seconds([pid for group in self.pids().values() for pid in group])

    def memory(self) -> float:
        """MB of the worker and its pool, shared pages counted once (PSS)."""
        pids = self.pids()
        processes = [psutil.Process(pid) for pid in pids["worker"] + pids["pool"]]
        return float(sum(process.memory_full_info().pss for process in processes)) / 2**20


def cpu_seconds(pids: list[int]) -> float:
    """CPU time these processes have used."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return float(sum(spent.user + spent.system for spent in times))


@contextlib.contextmanager
def running_redis(folder: Path) -> Iterator[tuple[str, int]]:
    """A Redis of its own on a free port, without persistence: its URL and process id."""
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(find_server().path), "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    process = subprocess.Popen([*command, "--dir", str(folder), "--loglevel", "warning"], stdout=subprocess.DEVNULL)
    try:
        url = f"redis://127.0.0.1:{port}/0"
        with redis.Redis.from_url(url) as client:
            _until_it_answers(client)
        yield url, process.pid
    finally:
        _end(process)


def _until_it_answers(client: redis.Redis) -> None:
    give_up_at = time.monotonic() + _PATIENCE
    while True:
        try:
            client.ping()
        except redis.ConnectionError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.02)
        else:
            return


@contextlib.contextmanager
def running_worker(folder: Path, name: str, url: str, concurrency: int, events: bool) -> Iterator[int]:
    """A worker of that side: its process id. It may still be starting; what it says is shown if it fails."""
    arguments = [name, url, str(concurrency), "on" if events else "off"]
    said = folder / "worker.log"
    with said.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.overhead.worker", *arguments],
            cwd=ROOT,
            env=clean_environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process.pid
    finally:
        failed = process.poll() is not None
        _end(process)
        if failed:
            print(f"the {name} worker ended with {process.returncode}:\n{said.read_text()}", file=sys.stderr)


@contextlib.contextmanager
def running(url: str, *arguments: str) -> Iterator[int]:
    """`python -m ARGUMENTS` with that Redis, unheard: its process id."""
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=clean_environment() | {"ASKFIRST_REDIS_URL": url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process.pid
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


def run_client(text: str) -> dict[str, float]:
    """A client process with that order: its figures. Raises `RuntimeError` with what it said, if it fails."""
    command = [sys.executable, "-m", "bench.overhead.client", text]
    done = subprocess.run(
        command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, timeout=_LONGEST, check=False
    )
    if done.returncode:
        raise RuntimeError(f"a client failed:\n{done.stderr}")
    return {name: value for line in done.stdout.splitlines() for name, value in json.loads(line).items()}


@contextlib.contextmanager
def running_fleets(names: Sequence[str], concurrency: int, events: bool) -> Iterator[list[Fleet]]:
    """A Redis and a worker for each side."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="overhead-")))
        fleets = []
        for name in names:
            url, redis_pid = stack.enter_context(running_redis(folder / name))
            worker_pid = stack.enter_context(running_worker(folder / name, name, url, concurrency, events))
            fleets.append(Fleet(name, url, redis_pid, worker_pid))
        yield fleets


def idle_cpu(fleets: Sequence[Fleet], seconds: float) -> dict[str, float]:
    """Percent of one CPU that each side's worker, pool and Redis use while nobody asks for anything."""
    before = {fleet.name: fleet.cpu_seconds() for fleet in fleets}
    time.sleep(seconds)
    return {fleet.name: 100 * (fleet.cpu_seconds() - before[fleet.name]) / seconds for fleet in fleets}


@contextlib.contextmanager
def others(fleet: Fleet) -> Iterator[dict[str, float]]:
    """Filled after the block: percent of the machine's CPUs that neither the side nor its clients used."""
    figures: dict[str, float] = {}
    before, started = _busy_seconds() - _own_seconds(fleet), time.monotonic()
    yield figures
    elapsed = (time.monotonic() - started) * (psutil.cpu_count() or 1)
    figures["others"] = max(100 * (_busy_seconds() - _own_seconds(fleet) - before) / elapsed, 0.0)


def _busy_seconds() -> float:
    spent = psutil.cpu_times()
    return float(sum(spent) - spent.idle - spent.iowait)


def _own_seconds(fleet: Fleet) -> float:
    clients = resource.getrusage(resource.RUSAGE_CHILDREN)
    return fleet.cpu_seconds() + clients.ru_utime + clients.ru_stime


def throw_away_published(fleet: Fleet) -> None:
    """Empties the queue that nobody serves, with all that belongs to it."""
    with redis.Redis.from_url(fleet.url) as client:
        found = list(client.scan_iter(f"*{UNSERVED}*", count=1000))
        for start in range(0, len(found), 1000):
            client.unlink(*found[start : start + 1000])


def clean_environment() -> dict[str, str]:
    """The environment without anything that would configure one of the sides."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("ASKFIRST_", "CELERY_"))}
