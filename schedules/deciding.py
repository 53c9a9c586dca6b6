"""From what is due to what becomes of it: plans the instants since the cursor and judges them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .calendars.calendar import Calendar
from .definition import Schedule
from .entries import as_moment, as_ms
from .errors import HorizonExceeded, InvalidSchedule
from .misfire import judge
from .planning import LOOK_AHEAD, Planned, fire_at, next_instant, next_planned, plan
from .store import Decision, Due

_AT_ONCE: Final = 1000  # instants of one schedule in one step: some ten milliseconds
_FIRED_AT_ONCE: Final = 100  # where all of them may fire: each takes Redis some twenty microseconds
_WIDE: Final = 60.0  # seconds of jitter within which many instants are on time
_SKIPPED: Final = 600_000  # ms after which instants that don't fire are noted, though none that fires follows yet
_RETRY: Final = 60_000  # ms until a calendar that knows too little is asked again


def decide(
    schedule: Schedule, calendars: Mapping[str, Calendar], due: Due, now: int, lane: str, *, early: bool = False
) -> Decision:
    """What becomes of the next instants that are due at `now` (ms), and when there is more to decide.

    With `early` those are due too whose jitter is not over: the definition that they are of is about to go.
    """
    most = _FIRED_AT_ONCE if schedule.misfire == "all" or schedule.jitter > _WIDE else _AT_ONCE
    found: list[Planned] = []
    reached, next_due, alarm, complete = now, None, "", True
    try:
        for planned in plan(schedule, calendars, as_moment(due.cursor), as_moment(now) + LOOK_AHEAD):
            fires = as_ms(planned.instant) if early else due_at(schedule, planned)
            if fires <= now and len(found) < most:
                found.append(planned)
                continue
            complete = fires > now
            # In the order of their instants: those after it wait for it too, which is never longer than the jitter.
            if as_ms(planned.instant) <= now:
                reached = as_ms(found[-1].instant) if found else due.cursor
            skips = complete and planned.skipped
            next_due = next_decision(schedule, calendars, max(now, due.cursor)) if skips else max(fires, now)
            break
    except (HorizonExceeded, InvalidSchedule) as error:
        reached = as_ms(found[-1].instant) if found else due.cursor
        next_due, alarm = now + _RETRY, str(error)
    judged = judge(schedule, found, now, carry=due.carry, paused_until=due.paused_until, complete=complete)
    return Decision(due, lane, max(reached, due.cursor), next_due, judged.carry, alarm, schedule.overlap, judged.fates)


def due_at(schedule: Schedule, planned: Planned) -> int:
    """When (ms) the instant is decided: with its jitter, if it fires."""
    return as_ms(planned.instant if planned.skipped else fire_at(schedule, planned.instant))


def next_decision(schedule: Schedule, calendars: Mapping[str, Calendar], after: int) -> int | None:
    """When (ms) there is something to decide after `after`; None if never. Raises like `plan`.

    Instants that don't fire wait to be decided together, so that a closed weekend of seconds is not one of ticks; but
    not longer than until the schedule ends.
    """
    first = next_planned(schedule, calendars, as_moment(after))
    if first is None or not first.skipped:
        return None if first is None else due_at(schedule, first)
    fires = next_instant(schedule, calendars, as_moment(after))
    noted = after + _SKIPPED
    if schedule.ends_at is not None:
        noted = min(noted, max(as_ms(schedule.ends_at), as_ms(first.instant)))
    return noted if fires is None else min(as_ms(fire_at(schedule, fires)), noted)
