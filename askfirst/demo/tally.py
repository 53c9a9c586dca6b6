"""What came of the load, from the logs of the callers and of the works."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .load import LATE, LEFT, ON_TIME, REFUSED
from .logs import entries


@dataclass(frozen=True, slots=True)
class Tally:
    """One fleet's figures. Times in seconds."""

    callers: int
    on_time: int
    refused: int
    late: int
    left: int
    died: int
    runs: int
    used: float
    """What the works held slots for, all together."""
    useful: float
    """The part of it that a caller got an answer from, on time."""
    recovered_after: float | None
    """From the last arrival to the first answer that a fresh caller got on time; None if there was none."""
    dropped: Mapping[str, int]
    """Works that were dropped before they started, by reason."""
    stopped: Mapping[str, int]
    """Works that were stopped while they ran, by reason."""

    @property
    def wasted(self) -> float:
        """What the works held slots for that nobody got an answer from."""
        return self.used - self.useful


def tally(
    calls: Iterable[Path], runs: Path, duration: float, *, dropped: Mapping[str, int], stopped: Mapping[str, int]
) -> Tally:
    """Adds up the logs; `dropped` and `stopped` are taken as they are."""
    probes: set[str] = set()
    met: dict[str, str | None] = {}
    recovered_after = None
    for log in calls:
        for entry in entries(log):
            id = entry["id"]
            met[id] = entry.get("met")
            if entry.get("probe"):
                probes.add(id)
            elif id in probes and entry["met"] == ON_TIME:
                recovered_after = entry["at"] - duration
    seconds = [(entry["id"], entry["seconds"]) for entry in entries(runs)]
    counts = Counter(what for id, what in met.items() if id not in probes)
    return Tally(
        callers=counts.total(),
        on_time=counts[ON_TIME],
        refused=counts[REFUSED],
        late=counts[LATE],
        left=counts[LEFT],
        died=counts[None],
        runs=len(seconds),
        used=sum(held for _, held in seconds),
        useful=sum(held for id, held in seconds if met.get(id) == ON_TIME),
        recovered_after=recovered_after,
        dropped=dropped,
        stopped=stopped,
    )
