"""Calendars given by a plain set of days, for tests of what goes by calendars."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time

from askfirst.schedules.calendars.calendar import Hours, check_horizon


@dataclass
class PlainCalendar:
    """The days, known from `first` to `last`; with hours each is open from 9 to 17, UTC, unless `special` says else."""

    name: str
    days: frozenset[date]
    first: date = date.min
    last: date = date.max
    timed: bool = False
    source: str = "own"
    special: dict[date, Hours] = field(default_factory=dict)

    def __contains__(self, day: date) -> bool:
        check_horizon(self, day)
        return day in self.days

    def hours(self, day: date) -> Hours | None:
        if day not in self:
            return None
        usual = Hours(datetime.combine(day, time(9), UTC), datetime.combine(day, time(17), UTC))
        return self.special.get(day, usual)


def calendar(name: str, days: Iterable[str], **more: object) -> dict[str, PlainCalendar]:
    """A calendar of ISO dates, as planning takes it."""
    return {name: PlainCalendar(name, frozenset(map(date.fromisoformat, days)), **more)}  # type: ignore[arg-type]  # as given
