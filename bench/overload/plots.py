"""The plots of the docs, drawn from the results as they lie in `overload.json`."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .queues import SYSTEMS

#: By queue a colour; a dashed line for an expiry at the deadline, a dotted one where there is none.
_COLOURS = {
    "askfirst_works": "#1b7f3b",
    "celery_tasks": "#c0392b",
    "dramatiq_actors": "#2d6cdf",
    "huey_tasks": "#b8860b",
}
_STYLES = {"": ":", "deadline": "--", "tuned": "-"}

Draw = Callable[[Any, Mapping[str, Any]], None]


def draw(folder: Path, scenarios: Mapping[str, Any]) -> list[Path]:
    """Writes `overload-*.svg` for what was measured; none without matplotlib."""
    if find_spec("matplotlib") is None:
        return []
    plots: dict[str, tuple[str, Draw]] = {
        "overload-goodput": ("fixed", _goodput),
        "overload-waste": ("fixed", _waste),
        "overload-latency": ("fixed", _latency),
        "overload-recovery": ("recovery", _recovery),
    }
    return [
        _plot(folder / f"{name}.svg", drawing, scenarios[scenario]["figures"])
        for name, (scenario, drawing) in plots.items()
        if scenario in scenarios
    ]


def _plot(file: Path, drawing: Draw, figures: Mapping[str, Any]) -> Path:
    import matplotlib as mpl

    mpl.use("svg")
    # The same figures make the same file.
    mpl.rcParams.update({"svg.hashsalt": "askfirst", "svg.fonttype": "none", "font.size": 10})
    from matplotlib import pyplot

    chart, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    drawing(axes, figures)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    chart.savefig(file, metadata={"Date": None, "Creator": None})
    pyplot.close(chart)
    return file


def _lines(axes: Any, figures: Mapping[str, Any], figure: str) -> None:
    """A line for each system: the median over the rounds against the offered load, with its range."""
    for system in SYSTEMS:
        loads = figures["loads"].get(system.name)
        if not loads:
            continue
        factors = [float(factor) for factor in loads]
        rounds = [[one[figure] for one in found] for found in loads.values()]
        colour, ours = _COLOURS[system.queue], system.queue == "askfirst_works"
        axes.plot(
            factors,
            [statistics.median(values) for values in rounds],
            _STYLES["tuned" if ours else system.expiry],
            color=colour,
            linewidth=2.5 if ours else 1.3,
            marker="o",
            markersize=4,
            label=system.title,
            zorder=3 if ours else 2,
        )
        axes.fill_between(factors, *_ranges(rounds), color=colour, alpha=0.12, linewidth=0)
    axes.set_xlabel("offered load, times the capacity of four slots")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def _ranges(rounds: Sequence[Sequence[float]]) -> tuple[list[float], list[float]]:
    return [min(values) for values in rounds], [max(values) for values in rounds]


def _goodput(axes: Any, figures: Mapping[str, Any]) -> None:
    _lines(axes, figures, "ratio")
    axes.set_title("Answers in time ÷ what the system runs when saturated", loc="left")
    axes.set_ylim(0, 1.05)


def _waste(axes: Any, figures: Mapping[str, Any]) -> None:
    _lines(axes, figures, "waste")
    axes.set_title("Share of the slots' time spent on work whose answer nobody took", loc="left")
    axes.set_ylim(0, 1.05)


def _latency(axes: Any, figures: Mapping[str, Any]) -> None:
    _lines(axes, figures, "latency_p50")
    axes.set_title("Time to the answer, median (deadline: 1 s)", loc="left")
    axes.set_ylabel("ms, logarithmic")
    axes.set_yscale("log")
    axes.axhline(1000, color="black", linewidth=0.8)


def _recovery(axes: Any, figures: Mapping[str, Any]) -> None:
    for system in SYSTEMS:
        rounds = figures["rounds"].get(system.name)
        if rounds:
            seconds = [statistics.median(values) for values in zip(*(one["seconds"] for one in rounds), strict=True)]
            colour, ours = _COLOURS[system.queue], system.queue == "askfirst_works"
            style = _STYLES["tuned" if ours else system.expiry]
            axes.plot(range(1, len(seconds) + 1), seconds, style, color=colour, label=system.title, marker="o")
    axes.set_title("After a minute at 10x with callers that ask four times: answered in time at 0.8x", loc="left")
    axes.set_xlabel("seconds after the overload")
    axes.set_ylabel("of the callers that came in that second")
    axes.set_ylim(0, 1.05)
    axes.legend(loc="lower right", frameon=False)
