"""The independent oracle: what a schedule means around a change of the clocks, by looking at every minute there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from io import BytesIO
from zoneinfo import ZoneInfo

from tests.support.generated import Generated, Meaning

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
ASKED = timedelta(days=5)  # nothing moves further: the longest closure is of four days
REACH = 2 * ASKED + DAY


def zones(names: Iterable[str] = ()) -> list[ZoneInfo]:
    """These zones, or every zone of the IANA data once: names that share their data are one zone."""
    data = resources.files("tzdata")
    names = names or data.joinpath("zones").read_text(encoding="utf-8").split()
    distinct = {data.joinpath("zoneinfo", *name.split("/")).read_bytes(): name for name in names}
    return [ZoneInfo.from_file(BytesIO(content), key=name) for content, name in distinct.items()]


def changes(zone: ZoneInfo, first: int, last: int) -> Iterator[datetime]:
    """Every minute of these years at which the zone's offset is another than the minute before."""
    day = datetime(first, 1, 1, tzinfo=UTC)
    while day.year <= last:
        if day.astimezone(zone).utcoffset() != (day + DAY).astimezone(zone).utcoffset():
            before = day.astimezone(zone).utcoffset()
            low, high = 0, 1440
            while high - low > 1:
                middle = (low + high) // 2
                same = (day + middle * MINUTE).astimezone(zone).utcoffset() == before
                low, high = (middle, high) if same else (low, middle)
            yield day + high * MINUTE
        day += DAY


class Minutes:
    """What clocks show in every minute around one change, and where each local minute is."""

    def __init__(self, zone: ZoneInfo, change: datetime) -> None:
        self.shown: dict[datetime, list[datetime]] = defaultdict(list)
        #: Where a time of day happens: its first showing, or the change that skipped it.
        self.once: dict[datetime, datetime] = {}
        self.begin = change - REACH
        self.locals: list[datetime] = []
        instant, previous = self.begin, None
        while instant <= change + REACH:
            local = instant.astimezone(zone).replace(tzinfo=None, fold=0)
            while previous is not None and local - previous > MINUTE:
                previous += MINUTE
                self.once.setdefault(previous, instant)
            self.locals.append(local)
            self.shown[local].append(instant)
            self.once.setdefault(local, instant)
            instant, previous = instant + MINUTE, local

    def instants(self, made: Generated, open_days: set[date], after: datetime, until: datetime) -> list[datetime]:
        """The instants of the schedule in the range, which lies well within the reach."""
        rule = made.fields.get("on_excluded", "")
        reach = ASKED if rule in ("previous", "next") else DAY
        wanted = [
            asked for meaning in made.meanings for asked in self._asked(meaning, after - reach, until + reach)
        ]
        if rule:
            inside = "calendars" in made.fields
            wanted = [self._judged(asked, rule, lambda day: (day in open_days) == inside) for asked in wanted]
        return sorted({instant for instant, _ in filter(None, wanted) if after < instant <= until})

    def _asked(self, meaning: Meaning, after: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
        if meaning.how == "period":
            period = meaning.period // MINUTE
            past = (self.begin - meaning.anchor) // MINUTE
            for n in range((after - self.begin) // MINUTE, (until - self.begin) // MINUTE + 1):
                if (past + n) % period == 0:
                    yield self.begin + n * MINUTE, self.locals[n]
            return
        day = after.date()
        while day <= until.date():
            if meaning.on(day):
                for time_ in meaning.times:
                    yield from self._at(datetime.combine(day, time_), meaning.how)
            day += DAY

    def _at(self, local: datetime, how: str) -> list[tuple[datetime, datetime]]:
        minute = local.replace(second=0)
        past = local - minute
        if how == "shown":
            return [(instant + past, local) for instant in self.shown.get(minute, [])]
        skipped = minute not in self.shown
        return [(self.once[minute] + (timedelta() if skipped else past), local)]

    def _judged(
        self, asked: tuple[datetime, datetime], rule: str, fits: Callable[[date], bool]
    ) -> tuple[datetime, datetime] | None:
        local = asked[1]
        day = local.date()
        if fits(day):
            return asked
        if rule == "skip":
            return None
        while not fits(day):
            day += DAY if rule == "next" else -DAY
        return self._at(datetime.combine(day, local.time()), "once")[0]
