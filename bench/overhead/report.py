"""The summary as a table on the terminal, as Markdown, and with every single figure as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .rows import LESSER_ROUNDS

_HEAD = ("", "Celery", "askfirst", "ratio", "target")


def describe_run(rounds: int) -> dict[str, Any]:
    """When, on what and with what it was measured."""
    packages = {name: version(name) for name in ("askfirst", "celery", "kombu", "redis")}
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "rounds": rounds,
        "cpus": len(os.sched_getaffinity(0)),
        "load_before": round(os.getloadavg()[0], 1),
        "versions": {"python": platform.python_version(), **packages},
    }


def show(console: Console, title: str, summary: Sequence[Mapping[str, Any]]) -> None:
    """The table on the terminal."""
    table = Table(title=title, title_justify="left")
    for head in _HEAD:
        table.add_column(head, justify="left" if not head else "right")
    for row in summary:
        colour = {True: "green", False: "red", None: ""}[row["reached"]]
        *cells, target = _cells(row)
        table.add_row(*cells, f"[{colour}]{target}[/]" if colour else target)
    console.print(table)


def write(folder: Path, run: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]]) -> None:
    """`overhead.json` and `overhead.md` into the folder. `results`: by title, a summary and its rounds."""
    folder.mkdir(parents=True, exist_ok=True)
    everything = {"run": run, "results": results}
    (folder / "overhead.json").write_text(json.dumps(everything, indent=1, ensure_ascii=False) + "\n")
    (folder / "overhead.md").write_text(_markdown(run, results))


def _markdown(run: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in run["versions"].items())
    lines = [
        "# What asking costs: askfirst and plain Celery side by side",
        "",
        f"Measured {run['at']} by `make bench`; [how](../README.md). {run['cpus']} CPUs, load before: "
        f"{run['load_before']}; {versions}.",
        f"Medians of {run['rounds']} rounds ({LESSER_ROUNDS} at most in the lesser comparisons), and least to most;"
        " ratio: askfirst / Celery.",
    ]
    for title, result in results.items():
        lines += ["", f"## {title}", "", _line(_HEAD), _line(["---", *["---:"] * (len(_HEAD) - 1)])]
        lines += [_line(_cells(row)) for row in result["summary"]]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(row: Mapping[str, Any]) -> list[str]:
    said = {True: "reached", False: "missed", None: ""}[row["reached"]]
    ratio = ""
    if row["ratio"] is not None:
        least, most = row["ratios"]
        ratio = f"{row['ratio']:.2f} ({least:.2f}–{most:.2f})"
    digits = row["digits"]
    return [
        row["label"],
        _spread(row["celery"], digits),
        _spread(row["askfirst"], digits),
        ratio,
        f"{row['target']} {said}".strip(),
    ]


def _spread(values: Mapping[str, float], digits: int) -> str:
    middle, least, most = (f"{values[name]:,.{digits}f}" for name in ("median", "min", "max"))
    return middle if least == most else f"{middle} ({least}–{most})"
