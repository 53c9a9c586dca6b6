"""Goodput, waste, late starts, latency and refusals at several times the capacity, for each system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ..bench import WARM_UP, Bar, Bench, Section, Table, median, spread
from ..figures import Figures, Window, overloaded
from ..load import Load, Stream
from ..queues import ASKFIRST, CELERY, CELERY_EXPIRES, System

FACTORS: Final = (0.8, 2.0, 5.0, 10.0)
ADMISSION: Final = 3.0
"""Where the share of admitted work that is on time is looked at."""
LEAVING: Final = 0.3

Results = dict[str, dict[str, list[Figures]]]
"""By system and factor: the figures of each round."""


@dataclass(frozen=True)
class Kind:
    """Fixed run times and patient callers, or neither."""

    title: str
    heavy: bool
    leaving: float
    seconds: float
    """Of a phase, that count."""
    goodput: float
    """At least, by the saturated throughput of Celery."""


FIXED: Final = Kind("Run times of 100 ms", False, 0.0, 6.0, 0.98)
HEAVY: Final = Kind("Heavy-tailed run times, 30 % of the callers leave early", True, LEAVING, 10.0, 0.93)


def fixed(bench: Bench) -> Section:
    """Every work takes as long, every caller waits until its deadline."""
    return _compare(bench, FIXED)


def heavy(bench: Bench) -> Section:
    """Lognormal run times; three callers of ten leave."""
    return _compare(bench, HEAVY)


def _factors(bench: Bench, kind: Kind, system: System) -> tuple[float, ...]:
    best = system.expiry == "tuned"
    if system is ASKFIRST:
        few = (10.0,) if bench.quick and kind.heavy else (2.0, 10.0) if bench.quick else FACTORS
        return few if kind.heavy else tuple(sorted({*few, ADMISSION}))
    if kind.heavy:
        return (10.0,) if best and not bench.quick else ()
    if bench.quick:
        return (10.0,) if best or system in (CELERY, CELERY_EXPIRES) else ()
    # Below the capacity an expiry makes no difference; without tuning there is nothing left beyond it.
    return FACTORS[1:] if best else (FACTORS[0], 2.0, 10.0) if system is CELERY else (2.0, 10.0)


def _compare(bench: Bench, kind: Kind) -> Section:
    plan = [(system, factor) for system in bench.systems for factor in _factors(bench, kind, system)]
    bench.begin(kind.title, len(plan) * bench.rounds)
    window = Window(WARM_UP, WARM_UP + (kind.seconds / 2 if bench.quick else kind.seconds))
    results: Results = {}
    for number in range(bench.rounds):
        celery = bench.saturation(CELERY, number)
        # Who begins changes from round to round.
        for system, factor in plan if number % 2 == 0 else plan[::-1]:
            own = bench.saturation(system, number)
            stream = Stream(factor, 0, window.end)
            driven = bench.phase(system, Load((stream,), kind.heavy, kind.leaving, seed=number + 1))
            figures = overloaded(driven, window)
            figures["ratio"] = figures["goodput"] / own["throughput"]
            figures["useful_ratio"] = figures["useful"] / own["busy"]
            figures["celery_ratio"] = figures["goodput"] / celery["throughput"]
            figures["celery_useful_ratio"] = figures["useful"] / celery["busy"]
            results.setdefault(system.name, {}).setdefault(f"{factor:g}", []).append(figures)
    saturation = {
        system.queue: [bench.saturation(system, number) for number in range(bench.rounds)] for system in bench.systems
    }
    tables = [_saturation(bench, saturation), _goodput(bench, results), _more(bench, results), _refusals(results)]
    return Section(
        kind.title, tables, {"saturation": saturation, "loads": results}, _bars(results[ASKFIRST.name], kind)
    )


def _saturation(bench: Bench, saturation: dict[str, list[Figures]]) -> Table:
    rows = [
        [queue.partition("_")[0], spread(rounds, "throughput", 1), spread(rounds, "busy")]
        for queue, rounds in saturation.items()
    ]
    return Table("Saturated: a backlog without deadlines", ("", "works/s", "slots busy, of 4"), rows)


def _goodput(bench: Bench, results: Results) -> Table:
    rows = []
    for system in bench.systems:
        for factor, rounds in results.get(system.name, {}).items():
            rows.append(
                [
                    f"{system.title} at {factor}x",
                    spread(rounds, "goodput", 1),
                    spread(rounds, "ratio"),
                    spread(rounds, "useful_ratio"),
                    spread(rounds, "served"),
                    spread(rounds, "waste", 3),
                ]
            )
    head = ("", "on time/s", "÷ own saturated", "in slot time", "÷ offered", "waste")
    return Table("Goodput and waste", head, rows)


def _more(bench: Bench, results: Results) -> Table:
    rows = [
        [
            f"{system.title} at {factor}x",
            f"{_sum(rounds, 'late_starts'):,.0f} of {_sum(rounds, 'starts'):,.0f}",
            spread(rounds, "latency_p50", 0),
            spread(rounds, "latency_p99", 0),
            spread(rounds, "lag_p99", 1),
            spread(rounds, "others", 0),
        ]
        for system in bench.systems
        for factor, rounds in results.get(system.name, {}).items()
    ]
    head = ("", "late starts", "answers: p50, ms", "p99, ms", "callers' lag: p99, ms", "other programs, %")
    return Table("Starts, answers, and what disturbed", head, rows)


def _refusals(results: Results) -> Table:
    rows = [
        [
            f"{factor}x",
            spread(rounds, "rejects", 1),
            spread(rounds, "reject_p99", 1),
            spread(rounds, "reject_from_due_p99", 1),
            spread(rounds, "alone", 3),
            spread(rounds, "slack_p50", 0),
            spread(rounds, "together", 3),
            spread(rounds, "admitted", 3),
            spread(rounds, "celery_ratio"),
            spread(rounds, "celery_useful_ratio"),
        ]
        for factor, rounds in results[ASKFIRST.name].items()
    ]
    head = (
        "askfirst at",
        "refused/s",
        "p99, ms",
        "p99 from intended, ms",
        "would have made it alone",
        "by, ms",
        "together",
        "admitted on time",
        "÷ Celery saturated",
        "in slot time",
    )
    return Table("Refusals", head, rows)


def _sum(rounds: Sequence[Figures], name: str) -> float:
    return sum(figures[name] for figures in rounds)


def _bars(ours: dict[str, list[Figures]], kind: Kind) -> list[Bar]:
    bars = []
    for factor, rounds in ours.items():
        if factor == "0.8":
            bars.append(Bar("0.8x: on time ÷ offered", median(rounds, "served"), least=0.99))
            bars.append(Bar("0.8x: refused/s", median(rounds, "rejects"), most=0))
        elif factor != f"{ADMISSION:g}":
            text = f"{factor}x: on time ÷ Celery saturated"
            bars.append(Bar(text, median(rounds, "celery_ratio"), least=kind.goodput))
        elif not kind.heavy:
            bars.append(Bar(f"{factor}x: admitted on time", median(rounds, "admitted"), least=0.97))
    most: Sequence[Figures] = ours["10"]
    bars.append(Bar("10x: waste", median(most, "waste"), most=0.02))
    every = [figures for rounds in ours.values() for figures in rounds]
    bars.append(Bar("starts after the deadline", _sum(every, "late_starts"), most=0))
    bars.append(Bar("10x: refusals, p99", median(most, "reject_p99"), most=10, unit=" ms"))
    bars.append(Bar("10x: refused that would have made it", median(most, "alone"), most=0.05))
    return bars
