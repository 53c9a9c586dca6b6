"""What was found: tables on the terminal, Markdown, and every single figure as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Grid

from .bench import Bar, Section, Table

_PACKAGES = ("askfirst", "celery", "kombu", "redis", "dramatiq", "huey")
_BARS = ("", "askfirst", "target", "")


def describe_run(rounds: int) -> dict[str, Any]:
    """When, on what and with what it was measured."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "rounds": rounds,
        "cpus": len(os.sched_getaffinity(0)),
        "load_before": round(os.getloadavg()[0], 1),
        "versions": {"python": platform.python_version(), **_versions()},
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # an optional one
    return found


def show(console: Console, section: Section) -> None:
    """The section on the terminal."""
    console.rule(section.title)
    for table in [*section.tables, _targets(section.bars)]:
        grid = Grid(title=table.title, title_justify="left")
        for head in table.head:
            grid.add_column(head, justify="left" if not head else "right")
        for row in table.rows:
            grid.add_row(*row)
        console.print(grid)


def write(folder: Path, run: Mapping[str, Any], sections: Mapping[str, Section]) -> dict[str, Any]:
    """Adds to `overload.json` and `overload.md` in the folder, where the rest stays; returns all that is there."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "overload.json"
    known = json.loads(file.read_text())["scenarios"] if file.exists() else {}
    for name, section in sections.items():
        known[name] = {"run": run, **_plain(section)}
    file.write_text(json.dumps({"scenarios": known}, indent=1, ensure_ascii=False) + "\n")
    (folder / "overload.md").write_text(_markdown(known))
    written: dict[str, Any] = json.loads(file.read_text())["scenarios"]
    return written


def _plain(section: Section) -> dict[str, Any]:
    tables = [*section.tables, _targets(section.bars)]
    shown = [{"title": table.title, "head": table.head, "rows": table.rows} for table in tables if table.rows]
    return {"title": section.title, "tables": shown, "figures": section.figures}


def _targets(bars: Sequence[Bar]) -> Table:
    rows = [[bar.text, f"{bar.value:,.3f}", bar.target, "reached" if bar.reached else "missed"] for bar in bars]
    return Table("Targets", _BARS, rows)


def _markdown(scenarios: Mapping[str, Any]) -> str:
    lines = ["# Overload: askfirst, Celery and other queues side by side", "", "Made by `make bench-overload`; "
             "[how](../README.md). Medians of the rounds, and least to most."]  # fmt: skip
    for scenario in scenarios.values():
        run = scenario["run"]
        versions = ", ".join(f"{name} {number}" for name, number in run["versions"].items())
        lines += ["", f"## {scenario['title']}", "", f"{run['at']}, {run['rounds']} rounds, {run['cpus']} CPUs, load "
                  f"before: {run['load_before']}; {versions}."]  # fmt: skip
        for table in scenario["tables"]:
            head = table["head"]
            lines += ["", f"### {table['title']}", "", _line(head), _line(["---", *["---:"] * (len(head) - 1)])]
            lines += [_line(row) for row in table["rows"]]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
