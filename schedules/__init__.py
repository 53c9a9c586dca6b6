"""When work runs: schedules, their triggers and calendars, and exactly one fire of each instant."""

from typing import TYPE_CHECKING, Any

from .api import (
    backfill,
    delete,
    delete_calendar,
    get,
    history,
    list_calendars,
    pause,
    put,
    put_calendar,
    resume,
    trigger,
    upcoming,
)
from .api import list_ as list
from .api import next_ as next
from .calendars.definition import Dates, Day, Difference, Holidays, Market, OnlyOn, Override, Union, Weekdays
from .definition import Schedule
from .entries import Cause, HistoryEntry, Status
from .errors import HorizonExceeded, InvalidSchedule, UnknownSchedule
from .managing import ScheduleStatus
from .triggers import At, Cron, Every, Once, Session

if TYPE_CHECKING:
    from .beat import LedgerScheduler

__all__ = [
    "At",
    "Cause",
    "Cron",
    "Dates",
    "Day",
    "Difference",
    "Every",
    "HistoryEntry",
    "Holidays",
    "HorizonExceeded",
    "InvalidSchedule",
    "LedgerScheduler",
    "Market",
    "Once",
    "OnlyOn",
    "Override",
    "Schedule",
    "ScheduleStatus",
    "Session",
    "Status",
    "Union",
    "UnknownSchedule",
    "Weekdays",
    "backfill",
    "delete",
    "delete_calendar",
    "get",
    "history",
    "list",
    "list_calendars",
    "next",
    "pause",
    "put",
    "put_calendar",
    "resume",
    "trigger",
    "upcoming",
]


def __getattr__(name: str) -> Any:
    """`LedgerScheduler`, at its first use: only beat needs Celery here."""
    if name != "LedgerScheduler":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .beat import LedgerScheduler

    return LedgerScheduler
