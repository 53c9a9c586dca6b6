"""What makes instants: each trigger as data, and the instants it asks for.

All ranges are half-open: after `after`, up to and including `until`. All instants are UTC, ascending, in whole
milliseconds.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from operator import itemgetter
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, get_args
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field, field_validator

from .calendars.calendar import Calendar
from .errors import HorizonExceeded
from .model import Definition, Duration, Moment, Offset, span
from .zones import instant_of, instants_of, local_of, moment

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_MARGIN = 2 * _DAY  # a session may begin on the day before, and no zone is further than a day from UTC
_EAST = timedelta(hours=14)  # no zone is further ahead of UTC


class Occurrence(NamedTuple):
    """One instant that a trigger asks for.

    `local` is the time it was asked for at, in the schedule's zone: where the clocks skip it, they show another one.
    With `unknown` nothing is known from this instant on, because a calendar ends.
    """

    instant: datetime
    local: datetime
    unknown: HorizonExceeded | None = None


class Cron(Definition):
    """Five fields as in cron, or six with seconds in front.

    With neither minute nor hour beginning with `*` it names times of day, and each happens once a day: twice-shown
    times the first time, skipped ones at the moment of the change. Otherwise it fires whenever clocks show a matching
    time, twice if they show it twice. Day of month and day of week are joined by "or", by "and" if one begins with `*`.
    """

    kind: Literal["cron"] = "cron"
    expression: str
    _obvious: ClassVar[str | None] = "expression"

    @field_validator("expression")
    @classmethod
    def _check(cls, expression: str) -> str:
        # cronsim takes 5-5/2 for 5/2, which goes on to the end of the field.
        expression = re.sub(r"\b(\w+)-\1/[1-9]\d*(?!\w)", r"\1", expression)
        try:
            possible = next(CronSim(expression, datetime(2000, 1, 1)), None)  # noqa: DTZ001  # local time on purpose
        except CronSimError as error:
            raise ValueError(f"expected a cron expression, got {expression!r}: {error}") from None
        if possible is None:
            raise ValueError(f"expected a cron expression that can match, got {expression!r}")
        return " ".join(expression.split())

    def occurrences(
        self, zone: ZoneInfo, calendars: Mapping[str, Calendar], after: datetime, until: datetime
    ) -> Iterator[Occurrence]:
        """What it asks for in the range."""
        minute, hour = self.expression.split()[-5:-3]
        # The clocks may be set back within the next day and show earlier times again.
        begin = min(local_of(after, zone), local_of(after + _DAY, zone) - _DAY)
        locals_ = CronSim(self.expression, begin)
        if minute.startswith("*") or hour.startswith("*"):
            return _whenever_shown(locals_, zone, after, until)
        return _once_each(locals_, zone, after, until)


class Every(Definition):
    """Every so many seconds of real time, counted from the anchor in both directions. Without one: 1970 in UTC."""

    kind: Literal["every"] = "every"
    period: Annotated[Duration, Field(ge=1)]
    anchor: Moment = _EPOCH
    _obvious: ClassVar[str | None] = "period"

    def occurrences(
        self, zone: ZoneInfo, calendars: Mapping[str, Calendar], after: datetime, until: datetime
    ) -> Iterator[Occurrence]:
        """What it asks for in the range."""
        period, anchor = span(self.period), moment(self.anchor, zone)
        instant = anchor + ((after - anchor) // period + 1) * period
        while instant <= until:
            yield Occurrence(instant, local_of(instant, zone))
            instant += period


def _ascending(times: tuple[time, ...]) -> tuple[time, ...]:
    for moment_ in times:
        if moment_.tzinfo is not None or moment_.microsecond % 1000:
            raise ValueError(f"expected local times in whole milliseconds, got {moment_.isoformat()}")
    return tuple(sorted(set(times)))


Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)


class At(Definition):
    """Fixed local times on chosen weekdays, each once a day: see `Cron` for days on which the clocks change."""

    kind: Literal["at"] = "at"
    times: Annotated[tuple[time, ...], Field(min_length=1), AfterValidator(_ascending)]
    weekdays: Annotated[tuple[Weekday, ...], Field(min_length=1)] = WEEKDAYS

    @field_validator("times", "weekdays", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str | time) else value

    def occurrences(
        self, zone: ZoneInfo, calendars: Mapping[str, Calendar], after: datetime, until: datetime
    ) -> Iterator[Occurrence]:
        """What it asks for in the range."""
        return _once_each(self._locals(local_of(after, zone).date() - _DAY), zone, after, until)

    def _locals(self, day: date) -> Iterator[datetime]:
        while True:
            if WEEKDAYS[day.weekday()] in self.weekdays:
                yield from (datetime.combine(day, moment_) for moment_ in self.times)
            day += _DAY


class Once(Definition):
    """A single moment."""

    kind: Literal["once"] = "once"
    moment: Moment
    _obvious: ClassVar[str | None] = "moment"

    def occurrences(
        self, zone: ZoneInfo, calendars: Mapping[str, Calendar], after: datetime, until: datetime
    ) -> Iterator[Occurrence]:
        """What it asks for in the range."""
        instant = moment(self.moment, zone)
        if after < instant <= until:
            yield Occurrence(instant, self.moment if self.moment.tzinfo is None else local_of(instant, zone))


class Session(Definition):
    """When the sessions of a calendar open or close, plus an offset in seconds (negative: before).

    Early closes and special sessions count as the calendar has them. The schedule's calendars judge the day that the
    instant has in the schedule's zone: give it the market's.
    """

    kind: Literal["session"] = "session"
    calendar: Annotated[str, Field(min_length=1)]
    edge: Literal["open", "close"]
    offset: Offset = 0.0

    def occurrences(
        self, zone: ZoneInfo, calendars: Mapping[str, Calendar], after: datetime, until: datetime
    ) -> Iterator[Occurrence]:
        """What it asks for in the range; at the end of what the calendar knows one that says so."""
        calendar, offset = calendars[self.calendar], span(self.offset)
        day = _clamped((after - offset).date(), calendar)
        instant = after
        while day <= (until - offset).date() + _MARGIN:
            try:
                hours = calendar.hours(day)
            except HorizonExceeded as error:
                begins = datetime.combine(day, time(), UTC) - _EAST + offset
                if (unknown_from := max(begins, instant)) <= until:
                    yield Occurrence(unknown_from, local_of(unknown_from, zone), error)
                return
            if hours is not None:
                instant = (hours.opens if self.edge == "open" else hours.closes) + offset
                if after < instant <= until:
                    yield Occurrence(instant, local_of(instant, zone))
            day += _DAY


Trigger = Annotated[Cron | Every | At | Once | Session, Field(discriminator="kind")]


def merged(
    triggers: tuple[Trigger, ...],
    zone: ZoneInfo,
    calendars: Mapping[str, Calendar],
    after: datetime,
    until: datetime,
) -> Iterator[Occurrence]:
    """What all of them ask for in the range, each instant once. Raises `HorizonExceeded` where one is unknown."""
    last = after
    streams = [trigger.occurrences(zone, calendars, after, until) for trigger in triggers]
    for occurrence in heapq.merge(*streams, key=itemgetter(0)):
        if occurrence.unknown is not None:
            raise occurrence.unknown
        if occurrence.instant > last:
            last = occurrence.instant
            yield occurrence


def _once_each(
    locals_: Iterator[datetime], zone: ZoneInfo, after: datetime, until: datetime
) -> Iterator[Occurrence]:
    """Each local time once. Those in one gap share its end, so that instants repeat, but never descend."""
    for local in locals_:
        instant = instant_of(local, zone)
        if instant > until:
            return
        if instant > after:
            yield Occurrence(instant, local)


def _whenever_shown(
    locals_: Iterator[datetime], zone: ZoneInfo, after: datetime, until: datetime
) -> Iterator[Occurrence]:
    """Each local time as often as clocks show it. Second showings wait for the first ones that come before them."""
    waiting: list[Occurrence] = []
    for local in locals_:
        shown = instants_of(local, zone)
        if shown and shown[0] > until:
            break
        for instant in shown:
            if after < instant <= until:
                heapq.heappush(waiting, Occurrence(instant, local))
        while waiting and shown and waiting[0].instant <= shown[0]:
            yield heapq.heappop(waiting)
    yield from sorted(waiting)


def _clamped(day: date, calendar: Calendar) -> date:
    """Where to begin for this day: earlier by the margin, but for its sake no earlier than the calendar knows."""
    begin = day - _MARGIN
    return calendar.first if begin < calendar.first <= day else begin
