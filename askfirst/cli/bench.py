"""`askfirst bench`: what a work costs on this Redis and this machine, measured with a worker of its own."""

from __future__ import annotations

import contextlib
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING, Final

import click

from . import tether
from .exits import CommandError, Exit
from .given import Given, json_option, pass_given
from .printing import as_json, console, table
from .told import until_told_to_stop

if TYPE_CHECKING:
    from askfirst.config import Settings

_ONE_BY_ONE: Final = 200  # round trips, each after the one before
_OUTSTANDING: Final = 50  # round trips at a time
_START: Final = 30.0  # seconds that the worker gets to start
_STOP: Final = 10.0  # seconds that it gets to end
_RETENTION: Final = 60.0  # seconds; whatever happens to us, nothing is left after a minute


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured: times in milliseconds, rates per second."""

    works: int
    slots: int
    ping_p50_ms: float
    submit_p50_ms: float
    submit_many_per_s: float
    round_trip_p50_ms: float
    round_trip_p99_ms: float
    round_trips_per_s: float


_LABELS: Final = {
    "ping_p50_ms": ("Redis answers", "ms"),
    "submit_p50_ms": ("submit_work", "ms"),
    "round_trip_p50_ms": ("one work at a time, median", "ms"),
    "round_trip_p99_ms": ("one work at a time, 99 of 100", "ms"),
    "submit_many_per_s": ("submit_many", "works/s"),
    "round_trips_per_s": (f"{_OUTSTANDING} works at a time", "works/s"),
}


@click.command()
@click.option("--works", type=click.IntRange(100, 100_000), default=1000, show_default=True, help="Works of each part.")
@click.option("--concurrency", type=click.IntRange(1, 64), default=2, show_default=True, help="Slots of the worker.")
@json_option
@pass_given
def bench(given: Given, works: int, concurrency: int, as_json_: bool) -> None:
    """Measure what a work costs here.

    Works that do nothing go through the configured Redis and a worker of the command's own: what they take is what
    askfirst and this machine add to every work. In a namespace of its own, which is emptied when it is over: a fleet on
    the same Redis is not touched, but its load is measured, too.
    """
    figures = None
    with until_told_to_stop(), _namespace(given) as settings:
        figures = _measure(settings, given, works, concurrency)
    if figures is None:
        raise KeyboardInterrupt
    if as_json_:
        click.echo(as_json(asdict(figures)))
    else:
        _show(figures)


def _show(figures: Figures) -> None:
    shown = table("measured", "")
    for name, (label, unit) in _LABELS.items():
        value = getattr(figures, name)
        shown.add_row(label, f"{value:.2f} {unit}" if unit == "ms" else f"{value:,.0f} {unit}")
    console().print(shown)


@contextlib.contextmanager
def _namespace(given: Given) -> Iterator[Settings]:
    """Settings for a namespace of our own, of which nothing is left afterwards."""
    from askfirst.waiters import configure
    from askfirst.waiters.client import default_client

    namespace = f"bench-{secrets.token_hex(4)}"
    settings = given.load().model_copy(update={"namespace": namespace, "retention": _RETENTION, "lanes": {}})
    configure(settings)
    client = default_client()
    try:
        yield settings
    finally:
        client.close()
        _empty(settings)


def _empty(settings: Settings) -> None:
    from askfirst.tasks.connecting import open_ledger
    from askfirst.workers import create_app

    with create_app(settings) as app, app.connection() as broker:
        for queue in app.conf.task_queues:
            queue(broker.default_channel).delete()
    line = open_ledger(settings).line
    cursor = "0"
    while True:
        cursor, found = line.command("SCAN", cursor, "MATCH", f"*{settings.namespace}*", "COUNT", "1000")
        if found:
            line.command("UNLINK", *found)
        if cursor == "0":
            break
    line.close()


def _measure(settings: Settings, given: Given, works: int, slots: int) -> Figures:
    from askfirst.waiters.client import default_client

    client = default_client()
    with _progress() as say:
        say("looking at Redis")
        ping = _timed(lambda: client.ledger.line.command("PING"), _ONE_BY_ONE)
        say(f"submitting {works:,} works")
        submitted = _submit_many(works)
        say("starting a worker")
        with _worker(settings, given, slots) as check:
            _wait_until_ready(check)
            say("one work at a time")
            submit, trip = _one_by_one()
            say(f"{_OUTSTANDING} works at a time")
            rate = _in_flight(works)
    return Figures(
        works=works,
        slots=slots,
        ping_p50_ms=statistics.median(ping),
        submit_p50_ms=statistics.median(submit),
        submit_many_per_s=submitted,
        round_trip_p50_ms=statistics.median(trip),
        round_trip_p99_ms=statistics.quantiles(trip, n=100)[98],
        round_trips_per_s=rate,
    )


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    out = console(stderr=True)
    if not out.is_terminal:
        yield lambda _: None
        return
    with out.status("") as status:
        yield status.update


def _timed(act: Callable[[], object], times: int) -> list[float]:
    """Milliseconds of each call."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        took.append((time.perf_counter() - began) * 1000)
    return took


def _submit_many(works: int) -> float:
    from askfirst import submit_many

    from .bench_works import nothing

    payloads = [{"number": number} for number in range(works)]
    began = time.perf_counter()
    waiters = submit_many(nothing, payloads)
    took = time.perf_counter() - began
    for waiter in waiters:
        waiter.cancel()
    return works / took


def _one_by_one() -> tuple[list[float], list[float]]:
    """Milliseconds of the submissions, and of the round trips."""
    from askfirst import submit_work

    from .bench_works import nothing

    submit, trip = [], []
    for number in range(_ONE_BY_ONE):
        began = time.perf_counter()
        waiter = submit_work(nothing, number=number)
        submit.append((time.perf_counter() - began) * 1000)
        waiter.result()
        trip.append((time.perf_counter() - began) * 1000)
    return submit, trip


def _in_flight(works: int) -> float:
    from askfirst import WorkWaiter, submit_work

    from .bench_works import nothing

    outstanding: deque[WorkWaiter] = deque()
    began = time.perf_counter()
    for number in range(works):
        if len(outstanding) == _OUTSTANDING:
            outstanding.popleft().result()
        outstanding.append(submit_work(nothing, number=number))
    for waiter in outstanding:
        waiter.result()
    return works / (time.perf_counter() - began)


@contextlib.contextmanager
def _worker(settings: Settings, given: Given, slots: int) -> Iterator[Callable[[], None]]:
    """A worker of our own while the block lasts; yields what raises if it has ended."""
    command = [sys.executable, "-m", "askfirst", "worker", "--import", "askfirst.cli.bench_works"]
    command += ["--lanes", "default", "--concurrency", str(slots), "--pool-type", "prefork"]
    environment = {**os.environ, **given.environment, "ASKFIRST_NAMESPACE": settings.namespace}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield lambda: _check(process, log)
        finally:
            process.terminate()
            try:
                process.wait(_STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _check(process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    if process.poll() is not None:
        log.seek(0)
        said = log.read().decode(errors="replace").strip()
        raise CommandError(f"the worker ended with exit code {process.returncode}:\n{said[-2000:]}", Exit.FAILED)


def _wait_until_ready(check: Callable[[], None]) -> None:
    from askfirst import submit_work

    from .bench_works import nothing

    with submit_work(nothing, number=0, timeout=_START) as waiter:
        while not waiter.done():
            check()
            with contextlib.suppress(TimeoutError):
                waiter.result(timeout=0.2)
        waiter.result()
