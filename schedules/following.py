"""From a run in the ledger to its outcome in the history; and the end of runs that are not wanted any more."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any, Final

from ..interest.ledger import Ledger
from ..interest.records import WorkStatus
from ..interest.script import Argument
from ..interest.states import Reason
from .definition import Schedule
from .definitions import Definitions
from .entries import as_ms
from .publishing import label
from .store import Claimed, Open, Store

_log = logging.getLogger("askfirst.schedules")
_SOONEST: Final = 200  # ms between two looks at a run
_LATEST: Final = 15_000  # ms, at most
_AWAITED: Final = 500  # ms where somebody waits for its end
_LONGEST_FAILURE: Final = 500  # characters of an error that the history keeps


class Follower:
    """Looks after open instants for one process."""

    def __init__(self, ledger: Ledger, store: Store, definitions: Definitions) -> None:
        self._ledger = ledger
        self._store = store
        self._definitions = definitions

    def follow(self, rows: Sequence[Open], now: int) -> list[Claimed]:
        """Looks at these: what is claimed now, by a peer's death or by the end of a run."""
        withdrawn = [row for row in rows if _is_withdrawn(row)]
        claims = [_again(row, now) for row in rows if row.entry.status == "claimed" and not _is_withdrawn(row)]
        followed = [row for row in rows if row.entry.status == "fired" or _is_withdrawn(row)]
        for row in withdrawn:
            self._ledger.cancel_unstarted(row.entry.work, Reason.WITHDRAWN)
        for row in followed:
            if row.overtaken_at >= row.entry.claimed_at > 0:
                self._ledger.cancel(row.entry.work, Reason.OVERTAKEN, kill=row.overtaken_how == "kill_other")
        statuses = self._ledger.statuses([row.entry.work for row in followed])
        schedules = self._definitions.of((row.id, row.revision) for row in followed)
        going_on: list[dict[str, Argument]] = []
        ended: list[dict[str, Argument]] = []
        for row, status in zip(followed, statuses, strict=True):
            note = _noted(row, status, schedules.get(row.id), now)
            (ended if "outcome" in note else going_on).append(note)
        self._store.follow(going_on)
        return claims + [claimed for found in self._store.ended(ended) for claimed in found or ()]


def _is_withdrawn(row: Open) -> bool:
    """Whether it is to be ended unless it runs: it was claimed before a pause or the end of its schedule."""
    return row.paused_at >= row.entry.claimed_at


def _again(row: Open, now: int) -> Claimed:
    return Claimed(row.id, row.entry, row.revision, now)


def _noted(row: Open, status: WorkStatus | None, schedule: Schedule | None, now: int) -> dict[str, Argument]:
    """A note on a run: with an `outcome` if it has ended, else when to look again."""
    note: dict[str, Argument] = {"id": row.id, "instant": row.entry.instant, "work": row.entry.work}
    late, over = _misses(row, status, schedule, now)
    if status is None or status.state.ended or row.deleted:
        outcome = _outcome(row, status) | {"late": late, "over": over}
        limit = schedule.max_failures if schedule else None
        return note | {"outcome": json.dumps(outcome), "max_failures": limit or 0}
    age = now - (row.entry.published_at or now)
    again = min(max(age // 8, _SOONEST), _AWAITED if row.waiting else _LATEST)
    return note | {"late": int(late), "over": int(over), "again": again}


def _outcome(row: Open, status: WorkStatus | None) -> dict[str, Any]:
    if _is_withdrawn(row) and (status is None or status.started_at is None):
        return {"status": "skipped", "why": "deleted" if row.deleted else "paused"}
    if status is None:
        # Its record went before anybody looked: no scheduler was there for as long as the ledger keeps it.
        return {"status": "fired", "state": "LOST"}
    found: dict[str, Any] = {"status": "fired"}
    if status.state.ended:
        found["state"] = status.state
    if status.reason:
        found["reason"] = status.reason
    if status.error:
        found["failure"] = f"{status.error.type}: {status.error.message}"[:_LONGEST_FAILURE]
    for field, moment in (("started_at", status.started_at), ("finished_at", status.finished_at)):
        if moment is not None:
            found[field] = as_ms(moment)
    return found


def _misses(row: Open, status: WorkStatus | None, schedule: Schedule | None, now: int) -> tuple[bool, bool]:
    """Whether the run began late, and whether it takes too long, by the marks of its schedule; said once in the log."""
    entry = row.entry
    late, over = entry.late, entry.over
    if schedule is None or status is None:
        return late, over
    started = as_ms(status.started_at) if status.started_at else None
    ended = as_ms(status.finished_at) if status.finished_at else now
    if not late and schedule.late_after is not None and entry.cause != "backfilled":
        late = (started if started is not None else ended) - entry.nominal > schedule.late_after * 1000
        if late:
            _log.warning("%s: late: not started within %g s", label(row.id, entry), schedule.late_after)
    if not over and schedule.over_after is not None and started is not None:
        over = ended - started > schedule.over_after * 1000
        if over:
            _log.warning("%s: over time: takes longer than %g s", label(row.id, entry), schedule.over_after)
    return late, over
