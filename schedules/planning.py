"""Which instants a schedule has: its triggers merged, days judged by its calendars, skipped or rolled.

All ranges are half-open: after `after`, up to and including `until`. Cutting a range in two changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

from .calendars.calendar import Calendar
from .days import MOST_DAYS_MOVED, Days
from .definition import Schedule
from .entries import as_ms
from .errors import HorizonExceeded, InvalidSchedule
from .triggers import Occurrence, Session, merged
from .zones import instant_of, local_of, start_of

_INSTANT = timedelta(milliseconds=1)
_DAY = timedelta(days=1)

#: `next_instant` looks no further: 29 February on a Monday is 40 years away at most.
LOOK_AHEAD = timedelta(days=366 * 41)


class Planned(NamedTuple):
    """One nominal instant (UTC, whole milliseconds); `skipped` says why it doesn't fire, "" if it does."""

    instant: datetime
    skipped: str = ""


def plan(
    schedule: Schedule, calendars: Mapping[str, Calendar], after: datetime, until: datetime
) -> Iterator[Planned]:
    """Every nominal instant in the range, fired or skipped, ascending, each once.

    Raises `HorizonExceeded` in the place where a calendar ends, after all that comes before it, and `InvalidSchedule`
    for a calendar that isn't there.
    """
    check_calendars(schedule, calendars)
    after, until = _within(schedule, after, until)
    if after >= until:
        return iter(())
    days = Days(schedule, calendars)
    if not days:
        return (Planned(found.instant) for found in _asked_for(schedule, calendars, after, until))
    if schedule.on_excluded == "skip":
        return _skipping(days, _asked_for(schedule, calendars, after, until))
    return _rolling(schedule, days, calendars, after, until)


def instants(
    schedule: Schedule, calendars: Mapping[str, Calendar], after: datetime, until: datetime
) -> Iterator[datetime]:
    """The nominal instants in the range that fire, ascending, each once. Raises like `plan`."""
    return (planned.instant for planned in plan(schedule, calendars, after, until) if not planned.skipped)


def next_planned(schedule: Schedule, calendars: Mapping[str, Calendar], after: datetime) -> Planned | None:
    """The first nominal instant after this one, fired or skipped; None if there is none. Raises like `plan`."""
    return next(plan(schedule, calendars, after, after + LOOK_AHEAD), None)


def next_instant(schedule: Schedule, calendars: Mapping[str, Calendar], after: datetime) -> datetime | None:
    """The first nominal instant after this one that fires; None if there is none. Raises like `plan`."""
    check_calendars(schedule, calendars)
    until = after + LOOK_AHEAD
    days = Days(schedule, calendars)
    while after < until:
        planned = next(plan(schedule, calendars, after, until), None)
        if planned is None or not planned.skipped:
            return planned and planned.instant
        after = planned.instant
        if schedule.on_excluded == "skip":
            # A trigger of every second would have to be followed through a whole closed weekend.
            stop = days.next_stop(local_of(after, schedule.zone).date(), until.date())
            after = max(after, start_of(stop, schedule.zone) - _INSTANT)
    return None


def fire_at(schedule: Schedule, nominal: datetime) -> datetime:
    """When the nominal instant is to fire: later by a part of the jitter that only id and instant decide."""
    jitter = round(schedule.jitter * 1000)
    digest = hashlib.sha256(f"{schedule.id}@{as_ms(nominal)}".encode()).digest()
    return nominal + int.from_bytes(digest[:8]) % (jitter + 1) * _INSTANT


def check_calendars(schedule: Schedule, calendars: Mapping[str, Calendar]) -> None:
    """Raises `InvalidSchedule` if it names a calendar that isn't there, or takes hours from one that has none."""
    named = [(f"{field}.{n}", name) for field in ("calendars", "exclude")
             for n, name in enumerate(getattr(schedule, field))]  # fmt: skip
    sessions = [(f"triggers.{n}.calendar", t.calendar) for n, t in enumerate(schedule.triggers)
                if isinstance(t, Session)]  # fmt: skip
    for field, name in named + sessions:
        if name not in calendars:
            raise InvalidSchedule(f"schedule {schedule.id!r}: {field}: there is no calendar {name!r}")
    for field, name in sessions:
        if not calendars[name].timed:
            raise InvalidSchedule(f"schedule {schedule.id!r}: {field}: calendar {name!r} has no opening hours")


def _within(schedule: Schedule, after: datetime, until: datetime) -> tuple[datetime, datetime]:
    starts, ends = schedule.starts_at, schedule.ends_at
    return (
        after if starts is None else max(after, starts - _INSTANT),
        until if ends is None else min(until, ends - _INSTANT),
    )


def _asked_for(
    schedule: Schedule, calendars: Mapping[str, Calendar], after: datetime, until: datetime
) -> Iterator[Occurrence]:
    return merged(schedule.triggers, schedule.zone, calendars, after, until)


def _skipping(days: Days, occurrences: Iterator[Occurrence]) -> Iterator[Planned]:
    for instant, local, _ in occurrences:
        yield Planned(instant, days.why_not(local.date()))


def _rolling(
    schedule: Schedule, days: Days, calendars: Mapping[str, Calendar], after: datetime, until: datetime
) -> Iterator[Planned]:
    """By the days that instants move to: these ascend, and what moves to one of them comes without others between."""
    for target, group in _by_target(days, _asked_for_rolling(schedule, days, calendars, after, until)):
        for planned in _moved(schedule, days, target, group):
            if after < planned.instant <= until:
                yield planned


def _asked_for_rolling(
    schedule: Schedule, days: Days, calendars: Mapping[str, Calendar], after: datetime, until: datetime
) -> Iterator[Occurrence]:
    """What is asked for in the range and around it, as far as it may move into it."""
    zone = schedule.zone
    if schedule.on_excluded == "next":
        run = days.begin_of_run(local_of(after, zone).date())
        begin = after if run is None else min(after, start_of(run, zone) - _INSTANT)
        yield from _asked_for(schedule, calendars, *_within(schedule, begin, until))
        return
    yield from _asked_for(schedule, calendars, after, until)
    last = local_of(until, zone).date()
    reach = until + (MOST_DAYS_MOVED + 1) * _DAY
    for occurrence in _asked_for(schedule, calendars, *_within(schedule, until, reach)):
        if days.any_fit(last, occurrence.local.date()):
            return
        yield occurrence


def _by_target(days: Days, occurrences: Iterator[Occurrence]) -> Iterator[tuple[date | None, list[Occurrence]]]:
    group: list[Occurrence] = []
    target: date | None = None
    for occurrence in occurrences:
        day = occurrence.local.date()
        try:
            next_target = days.target(day)
        except HorizonExceeded:
            yield target, group
            raise
        if group and (next_target != target or next_target is None):
            yield target, group
            group = []
        target = next_target
        group.append(occurrence)
    yield target, group


def _moved(schedule: Schedule, days: Days, target: date | None, group: list[Occurrence]) -> list[Planned]:
    fired: set[datetime] = set()
    skipped: dict[datetime, str] = {}
    for instant, local, _ in group:
        if target == local.date():
            fired.add(instant)
            continue
        why = days.why_not(local.date())
        if target is None:
            skipped[instant] = f"{why}, no other day within {MOST_DAYS_MOVED} days"
        else:
            skipped[instant] = f"{why}, moved to {target}"
            fired.add(instant_of(datetime.combine(target, local.time()), schedule.zone))
    plans = [Planned(instant) for instant in fired]
    return sorted(plans + [Planned(instant, why) for instant, why in skipped.items() if instant not in fired])
