"""`python -m bench.overhead`, in the root of the repository: see bench/README.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import redis
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from .client import Order
from .processes import ROOT, Fleet, idle_cpu, others, run_client, running_fleets, throw_away_published
from .report import describe_run, show, write
from .rows import LESSER, LESSER_ROUNDS, MAIN, Row, summarise
from .sides import SIDES

_IDLE = 3.0  # seconds


@dataclass(frozen=True)
class Setting:
    """One comparison under the same circumstances."""

    title: str
    rows: tuple[Row, ...]
    measures: tuple[str, ...]
    rounds: int
    works: int
    sequential: int
    concurrency: int = 2
    events: bool = False


def settings(rounds: int) -> list[Setting]:
    """The main comparison, and two lesser ones under other circumstances."""
    few, some = min(rounds, LESSER_ROUNDS), ("throughput", "latency")
    every = (*some, "counts", "publishing")
    return [
        Setting("2 pool processes, no task events", MAIN, every, rounds, works=1000, sequential=300),
        Setting("2 pool processes, task events on", LESSER, some, few, works=500, sequential=150, events=True),
        Setting("1 pool process, no task events", LESSER, some, few, works=500, sequential=150, concurrency=1),
    ]


class Bench:
    """Runs one setting after the other."""

    def __init__(self, outstanding: int, progress: Progress) -> None:
        self.redis_version = ""
        self._outstanding = outstanding
        self._progress = progress

    def run(self, setting: Setting) -> dict[str, list[dict[str, float]]]:
        """The figures of all rounds, by side."""
        bar = self._progress.add_task(setting.title, total=len(SIDES) * (1 + setting.rounds))
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in SIDES}
        with running_fleets(SIDES, setting.concurrency, setting.events) as fleets:
            with redis.Redis.from_url(fleets[0].url) as client:
                self.redis_version = client.info("server")["redis_version"]
            for fleet in fleets:
                run_client(self._order(setting, fleet, ()))  # until the worker answers
                self._progress.advance(bar)
            idle = idle_cpu(fleets, _IDLE)
            for number in range(setting.rounds):
                # The side that is not measured idles. Who begins changes from round to round.
                for fleet in fleets if number % 2 == 0 else fleets[::-1]:
                    rounds[fleet.name].append({"idle": idle[fleet.name], **self._round(setting, fleet)})
                    self._progress.advance(bar)
        return rounds

    def _round(self, setting: Setting, fleet: Fleet) -> dict[str, float]:
        with others(fleet) as disturbance:
            figures = run_client(self._order(setting, fleet, setting.measures))
        throw_away_published(fleet)
        cpu = sum(figures[f"cpu_{who}"] for who in ("client", "worker", "pool", "redis"))
        return {**figures, **disturbance, "cpu_all": cpu, "memory": fleet.memory()}

    def _order(self, setting: Setting, fleet: Fleet, measures: Sequence[str]) -> str:
        return Order(
            side=fleet.name,
            url=fleet.url,
            measures=tuple(measures),
            works=setting.works,
            outstanding=self._outstanding,
            sequential=setting.sequential,
            published=5000,
            counted=100,
            pids=fleet.pids(),
        ).text()


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="Rounds of each comparison.")
@click.option("--quick", is_flag=True, help="One round only; nothing is written without --output.")
@click.option(
    "--outstanding", type=click.IntRange(min=1), default=50, show_default=True, help="Works under way at once."
)
@click.option("--output", type=click.Path(path_type=Path), help="Folder of the results.  [default: bench/results]")
def main(rounds: int, quick: bool, outstanding: int, output: Path | None) -> None:
    """Compares askfirst with plain Celery: the same function, the same pool, in turn, in one run."""
    console = Console()
    chosen = settings(1 if quick else rounds)
    run = describe_run(chosen[0].rounds)
    results: dict[str, dict[str, Any]] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bench = Bench(outstanding, progress)
        for setting in chosen:
            figures = bench.run(setting)
            results[setting.title] = {"summary": summarise(setting.rows, figures), "rounds": figures}
    run["versions"]["redis-server"] = bench.redis_version
    for title, result in results.items():
        show(console, title, result["summary"])
    if output is not None or not quick:
        write(output or ROOT / "bench" / "results", run, results)


if __name__ == "__main__":
    main()
