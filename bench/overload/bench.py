"""What all scenarios share: how long and how often, the progress, and one phase on a fresh fleet."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rich.progress import Progress, TaskID

from .figures import Figures, Window, saturated
from .load import Load
from .processes import Driven, drive, running_place, running_worker
from .queues import SYSTEMS, System

WARM_UP: Final = 2.0  # seconds of a phase that don't count


@dataclass(frozen=True)
class Bar:
    """What a figure should be."""

    text: str
    value: float
    least: float | None = None
    most: float | None = None
    unit: str = ""

    @property
    def reached(self) -> bool:
        above = self.least is None or self.value >= self.least
        return above and (self.most is None or self.value <= self.most)

    @property
    def target(self) -> str:
        """As shown."""
        return f"≥ {self.least:g}{self.unit}" if self.least is not None else f"≤ {self.most:g}{self.unit}"


@dataclass
class Section:
    """What a scenario found: tables as shown, every single figure, and what the figures should be."""

    title: str
    tables: list[Table] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    bars: list[Bar] = field(default_factory=list)


@dataclass(frozen=True)
class Table:
    """Rows of cells, the first column being what the row is about."""

    title: str
    head: tuple[str, ...]
    rows: Sequence[Sequence[str]]


class Bench:
    """Runs phases, each on a fleet of its own."""

    def __init__(self, rounds: int, quick: bool, progress: Progress) -> None:
        self.rounds = rounds
        self.quick = quick
        self._progress = progress
        self._bar: TaskID | None = None
        self._saturated: dict[tuple[str, int], Figures] = {}

    @property
    def systems(self) -> list[System]:
        """Those whose packages are installed."""
        return [system for system in SYSTEMS if system.installed]

    def begin(self, title: str, phases: int) -> None:
        """A bar for so many phases."""
        self._bar = self._progress.add_task(title, total=phases)

    def step(self) -> None:
        """One phase is over."""
        assert self._bar is not None
        self._progress.advance(self._bar)

    def phase(self, system: System, load: Load) -> Driven:
        """The load on a fresh fleet."""
        with running_place(system) as place, running_worker(place) as fleet:
            driven = drive(place, fleet, load)
        self.step()
        return driven

    def saturation(self, system: System, number: int) -> Figures:
        """What a system runs if there is always work: measured once in each round."""
        known = self._saturated.get((system.queue, number))
        if known is None:
            window = Window(1.0, 4.0 if self.quick else 7.0)
            with running_place(system) as place, running_worker(place) as fleet:
                known = saturated(drive(place, fleet, None, window.end), window)
            self._saturated[system.queue, number] = known
        return known


Rounds = Sequence[Mapping[str, float]]


def median(rounds: Rounds, name: str) -> float:
    """Of a figure over the rounds."""
    return statistics.median(figures[name] for figures in rounds)


def spread(rounds: Rounds, name: str, digits: int = 2) -> str:
    """Median, and least to most where they differ."""
    values = [figures[name] for figures in rounds]
    middle, least, most = (f"{value:,.{digits}f}" for value in (statistics.median(values), min(values), max(values)))
    return middle if least == most else f"{middle} ({least}–{most})"
