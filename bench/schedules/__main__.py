"""`python -m bench.schedules`, in the root of the repository: what a scheduler costs over ten thousand schedules.

The schedules are spread evenly over their period, so that a known number fires each second. Measured are the CPU time
of the scheduler's own process, how late instants are decided, and how long `next` and `list` take meanwhile.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from askfirst import schedules
from askfirst.config import Settings
from askfirst.schedules import Every, Schedule
from askfirst.waiters import configure

from ..overhead.processes import ROOT, cpu_seconds, running, running_redis
from ..overhead.report import describe_run
from .works import nothing

_SAMPLED = 200  # schedules whose histories are read
_LOOKS = 20
_MINUTE = 60.0
HEAD = ["", "fires/s", "scheduler, % of one CPU", "late p50, ms", "late p99, ms", "`next`, ms", "`list` of 100, ms"]


def put_all(count: int, period: float) -> None:
    """So many schedules, or as many changed, spread over the period."""
    for number in range(count):
        millisecond = int(number * period * 1000 / count) % 1000
        offset = int(number * period / count)
        anchor = f"2026-01-01T{offset // 3600:02}:{offset // 60 % 60:02}:{offset % 60:02}.{millisecond:03}Z"
        schedules.put(Schedule(id=f"s{number:05}", work=nothing, triggers=Every(period, anchor=anchor)))


def measure(title: str, count: int, period: float, scheduler: int, seconds: float) -> list[str]:
    """A row of the table."""
    # By then it has read the definitions: each when it fires for the first time, those of the slow ones in between.
    time.sleep(5 + (period if period <= _MINUTE else 0))
    cpu, began_at = cpu_seconds([scheduler]), time.monotonic()
    time.sleep(seconds)
    share = (cpu_seconds([scheduler]) - cpu) / (time.monotonic() - began_at)
    late = sorted(lateness(count, seconds))
    p50, p99 = (f"{late[len(late) * n // 100]:.1f}" if late else "–" for n in (50, 99))
    looks: Sequence[Callable[[], Any]] = (lambda: schedules.next("s00007", 5), lambda: schedules.list(limit=100))
    times = [f"{took(look) * 1000:.1f}" for look in looks]
    return [title, f"{count / period:.1f}", f"{share * 100:.1f}", p50, p99, *times]


def lateness(count: int, seconds: float) -> list[float]:
    """How late (ms) the instants of some schedules were decided lately."""
    ids = [f"s{number:05}" for number in range(0, count, max(count // _SAMPLED, 1))]
    found = [entry for id in ids for entry in schedules.history(id, limit=3)]
    newest = max((entry.decided_at for entry in found), default=None)
    if newest is None:
        return []
    fresh = [entry for entry in found if (newest - entry.decided_at).total_seconds() < seconds]
    return [(entry.decided_at - entry.nominal_time).total_seconds() * 1000 for entry in fresh]


def took(look: Callable[[], Any]) -> float:
    """Seconds, the median of some."""
    times = []
    for _ in range(_LOOKS):
        began_at = time.perf_counter()
        look()
        times.append(time.perf_counter() - began_at)
    return statistics.median(times)


@click.command()
@click.option("--count", type=click.IntRange(min=100), default=10_000, show_default=True, help="Schedules.")
@click.option("--seconds", type=click.FloatRange(min=1), default=20.0, show_default=True, help="Of each measurement.")
@click.option("--output", type=click.Path(path_type=Path), help="Folder of the results.  [default: bench/results]")
def main(count: int, seconds: float, output: Path | None) -> None:
    """Measures a scheduler over many schedules: idle, and firing each of them once an hour and once a minute."""
    run = describe_run(rounds=1)
    rows = []
    with tempfile.TemporaryDirectory(prefix="schedules-") as name, running_redis(Path(name) / "redis") as (url, _):
        configure(Settings(redis_url=url))
        options = ("--pool-type", "threads", "--concurrency", "2", "--loglevel", "error")
        worker = ("askfirst", "worker", "--import", "bench.schedules.works", *options)
        with running(url, *worker), running(url, "askfirst", "schedule", "run") as pid:
            for title, period in (("once a day", 86400.0), ("once an hour", 3600.0), ("once a minute", _MINUTE)):
                put_all(count, period)
                rows.append(measure(title, count, period, pid, seconds))
        configure(Settings(redis_url=url))  # closes the client
    versions = ", ".join(f"{name} {number}" for name, number in run["versions"].items())
    lines = [
        f"# What a scheduler costs over {count:,} schedules",
        "",
        f"Measured {run['at']} by `python -m bench.schedules`; [how](../README.md). {run['cpus']} CPUs, load before: "
        f"{run['load_before']}; {versions}.",
        "",
        *("| " + " | ".join(row) + " |" for row in (HEAD, ["---", *["---:"] * (len(HEAD) - 1)], *rows)),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    (output or ROOT / "bench" / "results").joinpath("schedules.md").write_text(text)


if __name__ == "__main__":
    main()
