"""What the libraries know about markets and countries, as plain dates and times.

They are imported when the first such calendar is asked for: exchange_calendars brings pandas, and takes a second.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from datetime import date, time, timedelta
from functools import lru_cache
from importlib.metadata import version
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

from ..errors import InvalidSchedule
from .calendar import Hours

#: How far ahead rules are trusted, where a library has no end of its own. Markets announce their holidays that early.
TRUSTED_AHEAD = timedelta(days=366)
FIRST = date(2010, 1, 1)

_MIC = re.compile(r"[A-Z0-9]{4}")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Known:
    """Days from `first` to `last` as a source has them; `usual` are the opening and closing time of a usual day.

    Kept and shared: whoever changes the days changes a copy.
    """

    source: str
    first: date
    last: date
    days: dict[date, Hours | None]
    zone: ZoneInfo | None = None
    usual: tuple[time, time] | None = None
    #: Days on which the source says that the market closes early.
    early: frozenset[date] = frozenset()


def is_exchange(name: str) -> bool:
    """Whether exchange_calendars knows a market by this code."""
    return bool(_MIC.fullmatch(name)) and name in _library("exchange_calendars", name).get_calendar_names()


@lru_cache(maxsize=256)
def sessions_by_exchange_calendars(calendar: str, exchange: str, today: date) -> Known:
    """The sessions of the exchange. Raises `InvalidSchedule`, naming the calendar."""
    library = _library("exchange_calendars", calendar)
    if exchange not in library.get_calendar_names():
        raise InvalidSchedule(f"calendar {calendar!r}: exchange: exchange_calendars doesn't know {exchange!r}")
    first, last = FIRST, today + TRUSTED_AHEAD
    try:
        found = library.get_calendar(exchange, start=first, end=last)
    except ValueError:  # its days were written down one by one, from some year to some year
        bounds = library.get_calendar(exchange)
        first = max(first, bounds.bound_min().date()) if bounds.bound_min() else first
        last = min(last, bounds.bound_max().date()) if bounds.bound_max() else last
        found = library.get_calendar(exchange, start=first, end=last)
    return _plain(found, first, last)


def _plain(found: Any, first: date, last: date) -> Known:
    schedule = found.schedule
    days: dict[date, Hours | None] = {
        session.date(): Hours(opens.to_pydatetime(), closes.to_pydatetime())
        for session, opens, closes in zip(schedule.index, schedule["open"], schedule["close"], strict=True)
    }
    early = frozenset(session.date() for session in found.early_closes)
    usual = (found.open_times[-1][1], found.close_times[-1][1])
    return Known(_named("exchange_calendars"), first, last, days, found.tz, usual, early)


@lru_cache(maxsize=256)
def sessions_by_holidays(calendar: str, exchange: str, today: date, first: date = FIRST) -> Known:
    """Working days of the market without hours, from the first year on. Raises `InvalidSchedule`."""
    library = _library("holidays", calendar)
    if exchange not in library.list_supported_financial():
        raise InvalidSchedule(f"calendar {calendar!r}: exchange: holidays doesn't know {exchange!r}")
    years = range(first.year, (today + TRUSTED_AHEAD).year + 1)
    closed = library.financial_holidays(exchange, years=years)
    first, last = _horizon(closed, first, today)
    days = {day: None for day in _range(first, last) if closed.is_working_day(day)}
    half = "half_day" in closed.supported_categories
    early = library.financial_holidays(exchange, years=years, categories="half_day") if half else ()
    return Known(_named("holidays"), first, last, dict(days), early=frozenset(early))


@lru_cache(maxsize=256)
def holidays_of(calendar: str, country: str, subdivision: str | None, today: date) -> Known:
    """The public holidays of the country. Raises `InvalidSchedule`."""
    library = _library("holidays", calendar)
    years = range(FIRST.year, (today + TRUSTED_AHEAD).year + 1)
    try:
        found = library.country_holidays(country, subdiv=subdivision, years=years)
    except NotImplementedError as error:
        field = "subdivision" if country in library.list_supported_countries(include_aliases=True) else "country"
        raise InvalidSchedule(f"calendar {calendar!r}: {field}: {error}") from None
    first, last = _horizon(found, FIRST, today)
    return Known(_named("holidays"), first, last, {day: None for day in found if first <= day <= last})


def _horizon(found: Any, first: date, today: date) -> tuple[date, date]:
    """Rules that need the moon are estimates until it is seen: the year of the first estimate is unknown."""
    first = date(max(first.year, found.start_year), 1, 1)
    last = min(today + TRUSTED_AHEAD, date(found.end_year, 12, 31))
    estimated = [day for day in found if "estimated" in found[day] and day >= today]
    return first, min(last, date(min(estimated).year - 1, 12, 31)) if estimated else last


def _range(first: date, last: date) -> list[date]:
    return [first + n * _DAY for n in range((last - first).days + 1)]


def _library(name: str, calendar: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise InvalidSchedule(f"calendar {calendar!r}: needs {name}: pip install 'askfirst[calendars]'") from None


def _named(library: str) -> str:
    return f"{library} {version(library)}"

