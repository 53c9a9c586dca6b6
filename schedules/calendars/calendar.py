"""What a calendar is to those who plan by it."""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple, Protocol

from ..errors import HorizonExceeded


class Hours(NamedTuple):
    """When a session opens and closes, in UTC."""

    opens: datetime
    closes: datetime


class Calendar(Protocol):
    """A set of days, known from `first` to `last`, both included. `timed` says whether its days have hours.

    `source` names where the days come from: a library with its version, or "own".
    """

    @property
    def name(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def first(self) -> date: ...
    @property
    def last(self) -> date: ...
    @property
    def timed(self) -> bool: ...

    def __contains__(self, day: date, /) -> bool:
        """Whether the day belongs to it. Raises `HorizonExceeded`."""
        ...

    def hours(self, day: date, /) -> Hours | None:
        """When the day's session opens and closes; None without a session. Raises `HorizonExceeded`."""
        ...


def check_horizon(calendar: Calendar, day: date) -> None:
    """Raises `HorizonExceeded` for a day that the calendar doesn't know."""
    if not calendar.first <= day <= calendar.last:
        raise HorizonExceeded(calendar.name, day, calendar.first, calendar.last)
