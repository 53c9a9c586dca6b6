"""The whole fleet at one moment, and what happened between two: what `top` and `metrics` show."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from askfirst.interest.activity import TypeActivity, WorkerActivity
    from askfirst.interest.ledger import Ledger
    from askfirst.interest.limits import LimitInUse
    from askfirst.interest.load import LaneLoad


@dataclass(frozen=True, slots=True)
class Figures:
    """All lanes at one moment, by this process's monotonic clock."""

    at: float
    lanes: Sequence[LaneLoad]
    types: Sequence[TypeActivity]
    limits: Sequence[LimitInUse]
    workers: Sequence[WorkerActivity]


@dataclass(frozen=True, slots=True)
class LaneRates:
    """What happened in a lane between two looks; shares are None where nothing did."""

    goodput: float
    """Works completed per second."""
    useful_share: float | None
    """Of the works that ended or were rejected: those that were completed."""
    wasted_share: float | None
    """Of the run time that ended: that of runs whose answer nobody took."""
    rejected: float
    """Submissions rejected per second."""


def look(ledger: Ledger) -> Figures:
    """The fleet as it is now; nothing is written. Raises `LedgerUnavailable`."""
    from askfirst.interest.activity import activity_of
    from askfirst.interest.load import load_of

    names = ledger.lanes()
    at = time.monotonic()
    lanes = [load_of(ledger, lane) for lane in names]
    activities = [activity_of(ledger, lane) for lane in names]
    return Figures(
        at=at,
        lanes=lanes,
        types=[each for activity in activities for each in activity.types],
        limits=[each for activity in activities for each in activity.limits],
        workers=[each for activity in activities for each in activity.workers],
    )


def rates_between(before: Figures, now: Figures) -> dict[str, LaneRates]:
    """What happened in each lane from one look to the next."""
    earlier = {load.lane: load for load in before.lanes}
    seconds = max(now.at - before.at, 0.001)
    return {load.lane: _rates(earlier[load.lane], load, seconds) for load in now.lanes if load.lane in earlier}


def _rates(before: LaneLoad, now: LaneLoad, seconds: float) -> LaneRates:
    # A ledger that has lost its data begins anew: then nothing is known to have happened.
    completed = max(now.ended.get("COMPLETED", 0) - before.ended.get("COMPLETED", 0), 0)
    ended = max(sum(now.ended.values()) - sum(before.ended.values()), 0)
    rejected = max(sum(now.rejected.values()) - sum(before.rejected.values()), 0)
    useful = max(now.useful - before.useful, 0.0)
    wasted = max(now.wasted - before.wasted, 0.0)
    return LaneRates(
        goodput=completed / seconds,
        useful_share=_share(completed, ended + rejected),
        wasted_share=_share(wasted, useful + wasted),
        rejected=rejected / seconds,
    )


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
