"""`python -m bench.overload`, in the root of the repository: see bench/README.md."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..overhead.processes import ROOT
from .bench import Bench, Section
from .plots import draw
from .report import describe_run, show, write
from .scenarios.dead import dead
from .scenarios.importance import importance
from .scenarios.limits import limits
from .scenarios.overload import fixed, heavy
from .scenarios.recovery import recovery
from .scenarios.scale import scale
from .scenarios.starts import starts

SCENARIOS: dict[str, Callable[[Bench], Section]] = {
    "fixed": fixed,
    "heavy": heavy,
    "importance": importance,
    "recovery": recovery,
    "dead": dead,
    "starts": starts,
    "scale": scale,
    "limits": limits,
}


_WIDE = 150  # columns, in a file


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Rounds of each comparison.")
@click.option("--quick", is_flag=True, help="One round of short phases; nothing is written without --output.")
@click.option(
    "--scenario", "names", type=click.Choice(list(SCENARIOS)), multiple=True, help="Only this one; may be repeated."
)
@click.option(
    "--output", type=click.Path(path_type=Path), help="Folder of results and plots.  [default: bench/results and docs]"
)
def main(rounds: int, quick: bool, names: tuple[str, ...], output: Path | None) -> None:
    """Compares what askfirst, Celery and other queues make of more work than they can do."""
    signal.signal(signal.SIGTERM, _leave)  # so that all processes of a phase are ended then, too
    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    rounds = 1 if quick else rounds
    run = describe_run(rounds)
    sections: dict[str, Section] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bench = Bench(rounds, quick, progress)
        for name in names or SCENARIOS:
            sections[name] = SCENARIOS[name](bench)
    for section in sections.values():
        show(console, section)
    if output is not None or not quick:
        written = write(output or ROOT / "bench" / "results", run, sections)
        draw(output or ROOT / "docs", written)


def _leave(signum: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + signum)


if __name__ == "__main__":
    main()
