"""What became of an instant: as the scripts keep it (`Entry`), and as people read it (`HistoryEntry`)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def as_ms(moment: datetime) -> int:
    """A moment in whole ms of Unix time, as Redis keeps it."""
    return (moment - _EPOCH) // _MS


def as_moment(ms: int) -> datetime:
    """The moment of that Unix time in ms."""
    return _EPOCH + ms * _MS


class Status(StrEnum):
    """Where an instant is on its way, or where it ended: fired, skipped or missed."""

    BUFFERED = "buffered"
    """It waits for the end of an earlier run."""
    CLAIMED = "claimed"
    """It is to run and its work is being submitted."""
    FIRED = "fired"
    """Its work is in the ledger; `state` says how that ended, None while it has not."""
    SKIPPED = "skipped"
    """It was not to run: a calendar, the overlap policy, a pause."""
    MISSED = "missed"
    """It should have run, and nobody was there, or there was no room for it."""


class Cause(StrEnum):
    """Why an instant is there at all."""

    PLANNED = "planned"
    """By the schedule's triggers."""
    TRIGGERED = "triggered"
    """Somebody fired it by hand."""
    BACKFILLED = "backfilled"
    """Somebody had the past run again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the scripts know of an instant, or of a row of them with the same fate; times in ms."""

    instant: str
    """Its name in Redis: the nominal time, with a letter behind it where it is no single planned one."""
    nominal: int
    status: str
    cause: str
    run: int
    """Which work of this instant it is, from 1, since a backfill may repeat it; 0 where none was to run."""
    decided_at: int
    why: str = ""
    last: int = 0
    """Of a row: its last instant."""
    count: int = 1
    overlap: str = ""
    nonce: str = ""
    claimed_at: int = 0
    published_at: int = 0
    work: str = ""
    state: str = ""
    reason: str = ""
    failure: str = ""
    started_at: int = 0
    finished_at: int = 0
    late: bool = False
    over: bool = False


def read_entry(text: str) -> Entry:
    """The entry from its JSON."""
    return Entry(**json.loads(text))


class HistoryEntry(BaseModel):
    """What became of one nominal instant, or of `count` of them in a row, the last at `until`. Times in UTC."""

    model_config = ConfigDict(frozen=True)
    schedule: str
    nominal_time: datetime
    until: datetime
    count: int
    cause: Cause
    status: Status
    why: str | None
    work: str | None
    """The id of its work in the ledger."""
    state: str | None
    """How the run ended: COMPLETED, FAILED, CANCELLED, EXPIRED, or LOST if the ledger does not know any more."""
    reason: str | None
    failure: str | None
    decided_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    duration: float | None
    """Seconds that the run took."""
    late: bool
    """It started, or has waited, longer than the schedule's `late_after`."""
    over_time: bool
    """It ran longer than the schedule's `over_after`."""


def as_history(schedule: str, entry: Entry) -> HistoryEntry:
    """The entry as people read it."""
    ran = entry.started_at and entry.finished_at
    return HistoryEntry(
        schedule=schedule,
        nominal_time=as_moment(entry.nominal),
        until=as_moment(entry.last or entry.nominal),
        count=entry.count,
        cause=Cause(entry.cause),
        status=Status(entry.status),
        why=entry.why or None,
        work=entry.work or None,
        state=entry.state or None,
        reason=entry.reason or None,
        failure=entry.failure or None,
        decided_at=as_moment(entry.decided_at),
        started_at=as_moment(entry.started_at) if entry.started_at else None,
        finished_at=as_moment(entry.finished_at) if entry.finished_at else None,
        duration=(entry.finished_at - entry.started_at) / 1000 if ran else None,
        late=entry.late,
        over_time=entry.over,
    )
