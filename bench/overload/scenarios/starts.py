"""Whether a work is ever started after its deadline: a hundred thousand tiny ones with very short deadlines."""

from __future__ import annotations

from typing import Final

from ..bench import Bar, Bench, Section, Table
from ..hurry import Order
from ..processes import run_module, running_place, running_worker
from ..queues import ASKFIRST
from ..runs import read_runs

_WORKS: Final = 100_000
_QUICK_WORKS: Final = 10_000
_RATE: Final = 2500.0  # works/s: several times what the worker can do


def starts(bench: Bench) -> Section:
    """How many started late; a start is what the work itself notes first."""
    works = _QUICK_WORKS if bench.quick else _WORKS
    title = f"{works:,} works with deadlines of 20 to 500 ms"
    bench.begin(title, 1)
    with running_place(ASKFIRST) as place, running_worker(place):
        file = place.folder / "deadlines"
        run_module("hurry", Order(place.url, works, _RATE, str(file)).text(), patience=4 * works / _RATE + 60)
        deadlines = dict(line.split() for line in file.read_text().splitlines())
        runs = [run for run in read_runs(place.runs) if run.number >= 0]
    bench.step()
    after = [run.started - float(deadlines[str(run.number)]) for run in runs]
    late = sum(lateness > 0 for lateness in after)
    closest = max(after, default=0.0)
    rows = [["works", f"{works:,}"], ["started", f"{len(runs):,}"], ["after the deadline", f"{late}"],
            ["the last one, ms from its deadline", f"{1000 * closest:+.1f}"]]  # fmt: skip
    figures = {"works": works, "started": len(runs), "late": late, "closest": closest}
    bars = [Bar(f"starts after the deadline, of {works:,} works", late, most=0)]
    return Section(title, [Table("Starts", ("", ""), rows)], figures, bars)
