"""`askfirst.schedules`: what a program calls, for the process's own client."""

from __future__ import annotations

import functools
from datetime import datetime
from typing import Final, get_args

from ..interest.errors import InvalidPayload
from ..waiters.client import default_client
from .calendars.definition import CalendarDefinition
from .definition import Overlap, Schedule
from .entries import HistoryEntry, Status
from .errors import InvalidSchedule
from .managing import Manager, ScheduleStatus, this_actor, utc

#: Of the newest client alone: a manager holds its client, and an old one is to go.
_manager_of: Final = functools.lru_cache(maxsize=1)(Manager)


def manager() -> Manager:
    """That of the process's client, with what it has read already."""
    return _manager_of(default_client())


def put(schedule: Schedule) -> bool:
    """Makes or changes a schedule; whether that changed anything.

    A new one fires from now on. A change of when it fires holds from now on; what was due before is decided by the old
    definition. Raises `InvalidSchedule`, `InvalidPayload`, `UnknownWork`, `HorizonExceeded`, `LedgerUnavailable`; then
    nothing was changed.
    """
    return manager().put(schedule)


def get(id: str) -> ScheduleStatus | None:
    """A schedule as it stands; None if there is none. Raises `LedgerUnavailable`."""
    return manager().get(id)


def list_(*, tag: str | None = None, prefix: str = "", after: str = "", limit: int = 100) -> list[ScheduleStatus]:
    """Schedules in the order of their ids, those with the tag, the prefix, and after this id, at most `limit`.

    Raises `InvalidPayload` and `LedgerUnavailable`.
    """
    return manager().page(tag=tag, prefix=prefix, after=after, limit=_count("limit", limit))


def delete(id: str, *, actor: str | None = None) -> bool:
    """Deletes a schedule with its history; whether there was one.

    What it queued and has not started never runs; runs go on. Raises `LedgerUnavailable`.
    """
    return manager().delete(id, actor or this_actor())


def pause(id: str, reason: str = "", *, actor: str | None = None) -> bool:
    """Pauses a schedule; whether it was not paused. `actor` is by default the user at this host.

    What it queued and has not started never runs; runs go on. Raises `UnknownSchedule` and `LedgerUnavailable`.
    """
    return manager().pause(id, reason or "by hand", actor or this_actor())


def resume(id: str) -> bool:
    """Lets a paused schedule go on, without the instants of the pause; whether it was paused.

    Raises `UnknownSchedule` and `LedgerUnavailable`.
    """
    return manager().resume(id)


def trigger(id: str) -> HistoryEntry:
    """Fires a schedule now, as its overlap policy says, also while it is paused; what became of it.

    Raises `UnknownSchedule` and `LedgerUnavailable`.
    """
    return manager().trigger(id)


def backfill(id: str, after: datetime, until: datetime, *, overlap: Overlap = "buffer_all") -> list[HistoryEntry]:
    """Fires the instants of the past in (after, until] that have not run, or whose run has failed; what became of each.

    Those that wait, run or have completed are left alone. Moments without a zone are UTC. Raises `InvalidSchedule` for
    more than 250 of them, `HorizonExceeded`, `UnknownSchedule` and `LedgerUnavailable`.
    """
    if overlap not in get_args(Overlap):
        raise InvalidSchedule(f"expected overlap to be one of {', '.join(get_args(Overlap))}, got {overlap!r}")
    if utc(after) >= utc(until):
        raise InvalidSchedule(f"expected until to be later than after, got {until.isoformat()}")
    return manager().backfill(id, utc(after), utc(until), overlap)


def next_(id: str, count: int = 5) -> list[datetime]:
    """The next nominal instants of a schedule (UTC), whether it is paused or not.

    Raises `HorizonExceeded`, `InvalidPayload`, `UnknownSchedule` and `LedgerUnavailable`.
    """
    return manager().next(id, _count("count", count))


def upcoming(count: int = 10) -> list[tuple[str, datetime]]:
    """The schedules that fire next, each with its nominal instant (UTC). Raises `LedgerUnavailable`."""
    return manager().upcoming(_count("count", count))


def history(
    id: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    status: Status | str | None = None,
    limit: int = 100,
) -> list[HistoryEntry]:
    """What became of the instants of a schedule in [since, until], the newest first, at most `limit` entries.

    Raises `InvalidPayload`, `UnknownSchedule` and `LedgerUnavailable`.
    """
    try:
        wanted = None if status is None else Status(status)
    except ValueError:
        raise InvalidPayload(f"expected status to be one of {', '.join(Status)}, got {status!r}") from None
    return manager().history(
        id,
        since=None if since is None else utc(since),
        until=None if until is None else utc(until),
        status=wanted,
        limit=_count("limit", limit),
    )


def put_calendar(*definitions: CalendarDefinition) -> bool:
    """Makes or changes calendars, all or none; whether that changed anything. It holds at once.

    Raises `InvalidSchedule` and `LedgerUnavailable`; then nothing was changed.
    """
    return manager().put_calendars(definitions)


def delete_calendar(name: str) -> bool:
    """Removes a calendar; whether there was one. Schedules that name it do not fire any more, and say so.

    Raises `InvalidSchedule` if another calendar is made of it, and `LedgerUnavailable`.
    """
    return manager().delete_calendar(name)


def list_calendars() -> list[CalendarDefinition]:
    """The calendars that are defined, by name; markets are there by their codes besides. Raises `LedgerUnavailable`."""
    return manager().calendars()


def _count(name: str, value: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidPayload(f"expected {name} to be 1 or more, got {value!r}")
    return value
