"""One live work behind thousands of dead ones, in a queue that a worker finds when it comes up."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Final

import redis

from ...overhead.processes import ROOT, clean_environment
from ..backlog import Order
from ..bench import Bar, Bench, Section, Table, median, spread
from ..figures import Figures
from ..processes import Place, run_module, running_place, running_worker
from ..queues import ASKFIRST, CELERY_EXPIRES, System
from ..runs import read_ready

_PATIENCE: Final = 120.0  # seconds for the answer; Celery takes half a minute for 20,000
_FILLING: Final = 240.0  # seconds for the dead to go in and to die
_DEAD: Final = 0.5  # seconds after the last deadline
_SETTLING: Final = 15.0  # seconds from the answer until memory is looked at again
_SLOW: Final = 500  # microseconds; what takes longer is in the slow log


def dead(bench: Bench) -> Section:
    """Seconds from the worker's being ready to the answer, and what the dead cost Redis."""
    few = 5_000 if bench.quick else 20_000
    plan = [(ASKFIRST, few, n) for n in range(bench.rounds)]
    plan += [] if bench.quick else [(ASKFIRST, 100_000, n) for n in range(bench.rounds)]
    plan += [(CELERY_EXPIRES, few, 0)]
    title = "One live work behind dead ones"
    bench.begin(title, len(plan))
    found: dict[tuple[str, int], list[Figures]] = {}
    for system, works, _ in plan:
        found.setdefault((system.title, works), []).append(_round(system, works))
        bench.step()
    rows = [[f"{name}, {works:,} dead", *_row(rounds)] for (name, works), rounds in found.items()]
    head = ("", "answered, s after ready", "Redis: longest command, ms", "commands > 5 ms", "MB empty", "with the dead",
            f"{_SETTLING:g} s after the answer")  # fmt: skip
    figures = {f"{name}, {works}": rounds for (name, works), rounds in found.items()}
    return Section(title, [Table("Dead backlog", head, rows)], {"rounds": figures}, _bars(found))


def _bars(found: dict[tuple[str, int], list[Figures]]) -> list[Bar]:
    bars = []
    for (name, works), rounds in found.items():
        if name == ASKFIRST.title:
            most = 1.0 if works <= 20_000 else 5.0
            bars.append(Bar(f"{works:,} dead: answered after ready", median(rounds, "answered"), most=most, unit=" s"))
            bars.append(Bar(f"{works:,} dead: longest command", median(rounds, "slowest"), most=5, unit=" ms"))
    return bars


def _row(rounds: Sequence[Figures]) -> list[str]:
    memory = [f"{statistics.median(figures[name] for figures in rounds):,.1f}" for name in ("empty", "loaded", "after")]
    return [spread(rounds, "answered"), spread(rounds, "slowest", 1), spread(rounds, "slow", 0), *memory]


def _round(system: System, works: int) -> Figures:
    with running_place(system) as place, redis.Redis.from_url(place.url, decode_responses=True) as server:
        server.config_set("slowlog-log-slower-than", _SLOW)
        server.config_set("slowlog-max-len", 100_000)
        empty = _memory(server)
        dead_at = float(run_module("backlog", Order(system.name, place.url, works).text(), patience=_FILLING))
        time.sleep(max(dead_at + _DEAD - time.monotonic(), 0))
        loaded = _memory(server)
        server.slowlog_reset()
        answered = _answered(place)
        time.sleep(_SETTLING)
        slow = [entry["duration"] / 1000 for entry in server.slowlog_get(100_000)]
        return {
            "answered": answered,
            "slowest": max(slow, default=_SLOW / 1000),
            "slow": float(sum(took > 5 for took in slow)),
            "empty": empty,
            "loaded": loaded,
            "after": _memory(server),
        }


def _answered(place: Place) -> float:
    """Submits the live work, starts the worker and waits: seconds from ready to the answer."""
    command = [sys.executable, "-m", "bench.overload.probe", place.system.name, place.url, str(_PATIENCE)]
    with subprocess.Popen(
        command, cwd=ROOT, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as probe:
        try:
            assert probe.stdout is not None
            asked = probe.stdout.readline()
            if not asked.startswith("asked"):
                raise RuntimeError(f"the probe failed:\n{asked}{probe.stdout.read()}")
            with running_worker(place):
                said = probe.stdout.readline()  # the probe itself gives up in time
            if not said.startswith("answered"):
                raise RuntimeError(f"the probe failed:\n{said}{probe.stdout.read()}")
        finally:
            probe.kill()
    return float(said.split()[1]) - read_ready(place.runs)


def _memory(server: redis.Redis) -> float:
    return float(server.info("memory")["used_memory"]) / 2**20
