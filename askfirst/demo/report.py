"""What the second part has shown: a table, a chart, and two sentences."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from rich.console import Console
from rich.table import Table

from ..config import Settings
from . import show
from .load import TIMEOUT, WORK, Load
from .overload import PULSE
from .tally import Tally


def introduce(console: Console, load: Load) -> None:
    """Says what is going to happen."""
    show.paragraph(
        console,
        f"{load.slots} slots, works of {WORK * 1000:.0f} ms, callers that wait {TIMEOUT:g} s. For {load.duration:g} s"
        f" callers come at {load.overload:g}x of what the slots can do, from {load.crowds} processes."
        f" {load.leaving:.0%} of them leave after {load.leave_after:g} s, and one process is killed half-way. First"
        " they come to plain Celery, where who leaves just stops waiting; then the same come to askfirst, which is"
        f" set to miss a dead process after {PULSE['pulse_timeout']:g} s (by default {Settings().pulse_timeout:g} s).",
    )


def report(console: Console, load: Load, plain: Tally, asking: Tally) -> None:
    """Shows the figures side by side."""
    console.print(_table(load, plain, asking))
    bars = {"plain Celery": plain, "askfirst": asking}
    on_time = {name: tally.on_time for name, tally in bars.items()}
    show.chart(console, "Answers on time", on_time | {"the slots can do": load.capacity}, ".0f")
    show.chart(console, "Worker seconds wasted", {name: tally.wasted for name, tally in bars.items()}, ".1f")
    show.chart(console, "Dropped by askfirst before the start, by reason", asking.dropped, ".0f")
    _conclude(console, plain, asking)


def _table(load: Load, plain: Tally, asking: Tally) -> Table:
    table = show.table("", "plain Celery", "askfirst")

    def row(name: str, told: Callable[[Tally], str]) -> None:
        table.add_row(name, told(plain), told(asking))

    row("callers", lambda tally: f"{tally.callers}")
    row("answered on time", lambda tally: f"{tally.on_time}")
    row(f"  of what the slots can do in {load.span:g} s", lambda tally: f"{tally.on_time / load.capacity:.0%}")
    row("refused at once", lambda tally: f"{tally.refused}")
    row("not answered on time", lambda tally: f"{tally.late}")
    row("left early", lambda tally: f"{tally.left}")
    row("died while they waited", lambda tally: f"{tally.died}")
    table.add_section()
    row("works run", lambda tally: f"{tally.runs}")
    row("worker seconds used", lambda tally: f"{tally.used:.1f}")
    row("  wasted: nobody got the answer", lambda tally: f"{tally.wasted:.1f}")
    row("fresh caller answered on time again", lambda tally: _recovery(load, tally))
    table.add_section()
    row("works dropped before their start", lambda tally: f"{sum(tally.dropped.values())}")
    for reason in asking.dropped:
        row(f"  {reason}", partial(_dropped_for, reason))
    row("works stopped while they ran", lambda tally: f"{sum(tally.stopped.values())}")
    return table


def _dropped_for(reason: str, tally: Tally) -> str:
    return f"{tally.dropped.get(reason, 0)}"


def _recovery(load: Load, tally: Tally) -> str:
    if tally.recovered_after is None:
        return f"not within {load.recovery:g} s"
    return f"after {tally.recovered_after:.1f} s"


def _conclude(console: Console, plain: Tally, asking: Tally) -> None:
    ratio = f", {asking.on_time / plain.on_time:.1f}x as many" if plain.on_time else ""
    show.paragraph(
        console,
        f"Plain Celery spent {plain.wasted:.1f} of {plain.used:.1f} worker seconds on answers that nobody got: first"
        " come, first served means that whoever is served has waited for too long already. askfirst spent"
        f" {asking.wasted:.1f} of {asking.used:.1f}; it refused {asking.refused} callers at once, dropped"
        f" {sum(asking.dropped.values())} works without starting them, and answered {asking.on_time} callers on"
        f" time{ratio}.",
    )
