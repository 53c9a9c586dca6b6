"""Calendars made of definitions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ..triggers import WEEKDAYS, Weekday
from ..zones import instant_of, zone_named
from .calendar import Calendar, Hours, check_horizon
from .definition import Dates, Day, Holidays, Market
from .sources import Known


@dataclass(frozen=True, slots=True)
class Listed:
    """Days known one by one, each with its hours if it has any; `source` is where they come from."""

    name: str
    source: str
    first: date
    last: date
    days: dict[date, Hours | None]
    timed: bool

    def __contains__(self, day: date) -> bool:
        check_horizon(self, day)
        return day in self.days

    def hours(self, day: date) -> Hours | None:
        check_horizon(self, day)
        return self.days.get(day)


@dataclass(frozen=True, slots=True)
class Weekly:
    """The same days of every week, for all time."""

    name: str
    weekdays: tuple[Weekday, ...]
    source: str = "own"
    first: date = date.min
    last: date = date.max
    timed: bool = False

    def __contains__(self, day: date) -> bool:
        return WEEKDAYS[day.weekday()] in self.weekdays

    def hours(self, day: date) -> Hours | None:
        return None


class _Composed:
    """Made of others: it knows what all of them know."""

    def __init__(self, name: str, parts: list[Calendar]) -> None:
        self.name = name
        self.first = max(part.first for part in parts)
        self.last = min(part.last for part in parts)
        self.source = " + ".join(dict.fromkeys(part.source for part in parts))


class AnyOf(_Composed):
    """Days that are in any of them."""

    def __init__(self, name: str, parts: list[Calendar]) -> None:
        super().__init__(name, parts)
        self._parts = parts
        self.timed = all(part.timed for part in parts)

    def __contains__(self, day: date) -> bool:
        check_horizon(self, day)
        return any(day in part for part in self._parts)

    def hours(self, day: date) -> Hours | None:
        check_horizon(self, day)
        return next((part.hours(day) for part in self._parts if day in part), None)


class Only(_Composed):
    """Days, with their hours, of one calendar that are in all of these and in none of those."""

    def __init__(self, name: str, of: Calendar, inside: list[Calendar], outside: list[Calendar]) -> None:
        super().__init__(name, [of, *inside, *outside])
        self._of, self._inside, self._outside = of, inside, outside
        self.timed = of.timed

    def __contains__(self, day: date) -> bool:
        check_horizon(self, day)
        return (
            day in self._of
            and all(day in calendar for calendar in self._inside)
            and not any(day in calendar for calendar in self._outside)
        )

    def hours(self, day: date) -> Hours | None:
        return self._of.hours(day) if day in self else None


class _Usual(NamedTuple):
    """The usual hours of a calendar."""

    zone: ZoneInfo
    opens: time
    closes: time

    def on(self, day: date, special: Day | None = None) -> Hours:
        opens = self.opens if special is None or special.opens is None else special.opens
        closes = self.closes if special is None or special.closes is None else special.closes
        return Hours(*(instant_of(datetime.combine(day, edge), self.zone) for edge in (opens, closes)))


def listed_dates(definition: Dates) -> Listed:
    """Own dates."""
    usual = _usual(definition)
    days = {day.day: usual and usual.on(day.day, day) for day in definition.days}
    return Listed(definition.name, "own", definition.first, definition.last, days, usual is not None)


def listed_market(definition: Market, known: Known) -> Listed:
    """The sessions of a market: what its source knows, and the overrides, which know their own days."""
    usual = _usual(definition)
    days = dict(known.days)
    if known.zone is not None and known.usual is not None:
        usual = _Usual(zone_named(known.zone.key), *known.usual)
    elif usual is not None:
        days = {day: usual.on(day) for day in days}
    return _overridden(definition, known, days, usual)


def listed_holidays(definition: Holidays, known: Known) -> Listed:
    """Public holidays."""
    return _overridden(definition, known, dict(known.days), None)


def _overridden(
    definition: Market | Holidays, known: Known, days: dict[date, Hours | None], usual: _Usual | None
) -> Listed:
    for override in definition.overrides:
        if override.closed:
            days.pop(override.day, None)
        else:
            days[override.day] = usual and usual.on(override.day, override)
    return Listed(definition.name, known.source, known.first, known.last, days, usual is not None)


def _usual(definition: Market | Dates) -> _Usual | None:
    if definition.timezone is None or definition.opens is None or definition.closes is None:
        return None
    return _Usual(zone_named(definition.timezone), definition.opens, definition.closes)
