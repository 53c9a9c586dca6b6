"""The work that the schedules of the demo start, and what came of their instants."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from .. import WorkContext, work
from .logs import append

NAME = "demo.instant"
"""The name of the work type."""


@work(name=NAME, timeout=30)
def note_instant(ctx: WorkContext, schedule: str, log: Path) -> None:
    """Writes down which instant it runs for, and when that is."""
    nominal = ctx.nominal_time
    append(log, schedule=schedule, nominal=nominal and nominal.timestamp(), at=time.time(), attempt=ctx.attempt)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the instants of one schedule. Moments and durations in seconds."""

    instants: int
    """All of them, by the clock alone."""
    expected: int
    """Those that were to run."""
    told: Counter[str]
    """Instants by what the history says."""
    runs: int
    lost: int
    """Instants that were to run and didn't."""
    doubled: int
    """Runs of an instant that had run already."""
    uncalled: int
    """Runs of an instant that there is not, or that was not to run."""
    latest: float
    """From an instant to its run, at most, of those that a scheduler was there for."""
    latest_after_outage: float

    @property
    def kept(self) -> bool:
        """Whether each instant that was to run did so exactly once, nothing else did, and the history says so."""
        told_so = self.told["fired"] == self.expected and self.told.total() == self.instants
        return told_so and not (self.lost or self.doubled or self.uncalled)


def outcome(
    instants: int,
    wanted: Collection[datetime],
    runs: Iterable[dict[str, Any]],
    told: Counter[str],
    outage: tuple[float, float],
) -> Outcome:
    """Adds up the runs; `wanted` are the instants that were to run, in an `outage` no scheduler was there."""
    expected = {instant.timestamp() for instant in wanted}
    found = [(run["nominal"], run["at"]) for run in runs]
    counts = Counter(nominal for nominal, _ in found)
    late = {True: 0.0, False: 0.0}
    for nominal, at in found:
        missed = nominal is not None and outage[0] <= nominal <= outage[1]
        late[missed] = max(late[missed], at - (nominal or at))
    return Outcome(
        instants=instants,
        expected=len(expected),
        told=told,
        runs=len(found),
        lost=len(expected - set(counts)),
        doubled=sum(count - 1 for nominal, count in counts.items() if nominal in expected),
        uncalled=sum(count for nominal, count in counts.items() if nominal not in expected),
        latest=late[False],
        latest_after_outage=late[True],
    )
