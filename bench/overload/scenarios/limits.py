"""How far a limit's slots are used while work is held, and what a limit costs that is never reached."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..bench import Bar, Bench, Section, Table, median, spread
from ..figures import Figures, inside, percentile
from ..limited import Burst, Order, Told
from ..processes import Place, run_module, running_place, running_worker
from ..queues import ASKFIRST
from ..runs import Run, read_runs

_PATIENCE: Final = 240.0  # seconds for all bursts of a phase
_PAIRS: Final = 8  # of two bursts with a limit and two without
_EDGE: Final = 0.5  # seconds at either end of a burst that don't count: the backlog builds up, or is over


@dataclass(frozen=True)
class Allowance:
    """A limited type under backlog."""

    title: str
    name: str
    slots: int
    at_once: int
    seconds: float
    partitions: int = 0


_ALLOWED: Final = (
    Allowance("3 of 4 slots, 500 ms", "overload.three_at_once", 4, 3, 0.5),
    Allowance("3 of 4 slots, 100 ms", "overload.three_at_once", 4, 3, 0.1),
    Allowance("3 of 4 slots, 50 ms", "overload.three_at_once", 4, 3, 0.05),
    Allowance("2 for each of 4 partitions, of 10 slots, 100 ms", "overload.two_for_each", 10, 2, 0.1, partitions=4),
)


def limits(bench: Bench) -> Section:
    """The share of the allowed run time that is used, and the throughput with and without a limit."""
    title = "Limits"
    bench.begin(title, bench.rounds * (len(_ALLOWED) + 1))
    used: dict[str, list[Figures]] = {each.title: [] for each in _ALLOWED}
    cost: list[Figures] = []
    for _ in range(bench.rounds):
        for each in _ALLOWED:
            used[each.title].append(_use(each, 4.0 if bench.quick else 10.0))
            bench.step()
        cost.append(_cost(100 if bench.quick else 300))
        bench.step()
    shown = (("used", 3), ("claimed", 3), ("gap_p50", 1), ("gap_p99", 1), ("most", 0))
    rows = [[name, *(spread(rounds, figure, digits) for figure, digits in shown)] for name, rounds in used.items()]
    head = ("", "run ÷ allowed", "claimed ÷ allowed", "end to next start, ms: median", "p99", "most at once ÷ allowed")
    costs = [[spread(cost, name, digits) for name, digits in (("without", 0), ("with", 0), ("ratio", 3))]]
    bars = [Bar(f"{name}: run ÷ allowed", median(rounds, "used"), least=0.97) for name, rounds in used.items()]
    refilled = max(median(rounds, "gap_p99") for rounds in used.values())
    bars.append(Bar("a freed slot is refilled: p99, the slowest of these", refilled, most=50, unit=" ms"))
    bars.append(Bar("throughput with a limit that is never reached ÷ without", median(cost, "ratio"), least=0.9))
    tables = [Table("Under backlog", head, rows), Table("Empty works/s", ("without", "with a limit", "ratio"), costs)]
    return Section(title, tables, {"used": used, "cost": cost}, bars)


def _use(allowed: Allowance, length: float) -> Figures:
    at_once = allowed.at_once * max(allowed.partitions, 1)
    works = round((length + 2 * _EDGE) / allowed.seconds) * at_once
    burst = Burst(allowed.name, works, allowed.seconds, allowed.partitions)
    with running_place(ASKFIRST) as place, running_worker(place, allowed.slots):
        [told] = _bursts(place, [burst])
        runs = [run for run in read_runs(place.runs) if run.number >= 0]
    start, end = told.began + _EDGE, told.ended - _EDGE - allowed.seconds
    claims = [Run(0, begun, over) for begun, over in told.claims]
    groups: dict[int, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.number % allowed.partitions if allowed.partitions else 0, []).append(run)
    gaps = [gap for group in groups.values() for gap in _gaps(group, allowed.at_once, start, end)]
    return {
        "used": sum(inside(run, start, end) for run in runs) / (end - start) / at_once,
        "claimed": sum(inside(run, start, end) for run in claims) / (end - start) / at_once,
        "gap_p50": 1000 * statistics.median(gaps),
        "gap_p99": 1000 * percentile(gaps, 0.99),
        "most": max(_most_at_once(group) for group in groups.values()) / allowed.at_once,
    }


def _cost(works: int) -> Figures:
    """Throughput of empty works on the same fleet, in turn: medians of the bursts, and of the ratios of neighbours."""
    without, limited = "overload.unlimited", "overload.never_reached"
    order = (without, limited, limited, without) * _PAIRS
    with running_place(ASKFIRST) as place, running_worker(place):
        told = _bursts(place, [Burst(name, works, 0.0) for name in order])
    rates = [(name, works / (each.ended - each.began)) for name, each in zip(order, told, strict=True)]
    pairs = [dict(pair) for pair in zip(rates[::2], rates[1::2], strict=True)]
    return {
        "without": statistics.median(pair[without] for pair in pairs),
        "with": statistics.median(pair[limited] for pair in pairs),
        "ratio": statistics.median(pair[limited] / pair[without] for pair in pairs),
    }


def _bursts(place: Place, bursts: Sequence[Burst]) -> list[Told]:
    said = run_module("limited", Order(place.url, bursts).text(), patience=_PATIENCE)
    return [Told(**json.loads(line)) for line in said.splitlines()]


def _gaps(runs: Sequence[Run], at_once: int, start: float, end: float) -> list[float]:
    """Seconds from each end to the start that takes its place: number k ends, number k + limit starts."""
    starts = sorted(run.started for run in runs)[at_once:]
    ends = sorted(run.ended for run in runs if run.ended is not None)
    return [begun - over for over, begun in zip(ends, starts, strict=False) if start < over < end]


def _most_at_once(runs: Sequence[Run]) -> int:
    events = sorted([(run.started, 1) for run in runs] + [(run.ended or 0.0, -1) for run in runs])
    most = now = 0
    for _, change in events:
        now += change
        most = max(most, now)
    return most
