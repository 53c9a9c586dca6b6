"""Which days a schedule may fire on, and where an instant of another day goes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from .calendars.calendar import Calendar
from .definition import Schedule
from .errors import HorizonExceeded

#: An instant is moved by this many days at most.
MOST_DAYS_MOVED = 31

_DAY = timedelta(days=1)


class Days:
    """The days of one schedule, by its calendars; those that it may fire on are fit. False without calendars."""

    def __init__(self, schedule: Schedule, calendars: Mapping[str, Calendar]) -> None:
        self._wanted = [calendars[name] for name in schedule.calendars]
        self._unwanted = [calendars[name] for name in schedule.exclude]
        self._step = -_DAY if schedule.on_excluded == "previous" else _DAY
        self._last_judged: tuple[date, str] | None = None

    def __bool__(self) -> bool:
        return bool(self._wanted or self._unwanted)

    def why_not(self, day: date) -> str:
        """Why it doesn't fire on this day; "" if it does. Raises `HorizonExceeded`."""
        # Instants come in order: those of one day are judged once.
        if self._last_judged is None or self._last_judged[0] != day:
            self._last_judged = (day, self._judge(day))
        return self._last_judged[1]

    def target(self, day: date) -> date | None:
        """The fit day that instants of this day move to, itself if it is fit; None if there is none near enough.

        Raises `HorizonExceeded`.
        """
        for _ in range(MOST_DAYS_MOVED + 1):
            if not self._judge(day):
                return day
            day += self._step
        return None

    def begin_of_run(self, day: date) -> date | None:
        """The first of the unfit days up to this one: what moves to this day or a later one comes from there on.

        None without any. Days before all that is known don't count: otherwise no calendar could be used on its first
        day.
        """
        begin = day
        while (day - begin).days < MOST_DAYS_MOVED and self._is_unfit(begin - _DAY):
            begin -= _DAY
        return begin if begin < day or self._is_unfit(day) else None

    def next_stop(self, day: date, until: date) -> date:
        """The first day after this one that is fit or unknown, or `until` if that comes first."""
        day += _DAY
        while day < until and self._is_unfit(day):
            day += _DAY
        return day

    def any_fit(self, after: date, until: date) -> bool:
        """Whether a day after this one, up to and including that one, is known to be fit."""
        while after < until:
            after += _DAY
            try:
                if not self._judge(after):
                    return True
            except HorizonExceeded:
                return False
        return False

    def _is_unfit(self, day: date) -> bool:
        try:
            return bool(self._judge(day))
        except HorizonExceeded:
            return False

    def _judge(self, day: date) -> str:
        for calendar in self._wanted:
            if day not in calendar:
                return f"not in {calendar.name}"
        for calendar in self._unwanted:
            if day in calendar:
                return f"in {calendar.name}"
        return ""
