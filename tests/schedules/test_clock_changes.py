"""Instants around every change of the clocks are those that looking at every minute finds."""

import random
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from askfirst.schedules.planning import instants
from tests.support.generated import Generated, generated
from tests.support.minutes import MINUTE, Minutes, changes, zones
from tests.support.plain_calendars import PlainCalendar

#: Changes at midnight, of half an hour and of two hours, in the negative, around Ramadan, on days of their own.
ODD = [
    "Africa/Cairo", "Africa/Casablanca", "America/Havana", "America/New_York", "America/Nuuk", "America/Santiago",
    "America/Scoresbysund", "Antarctica/Troll", "Asia/Beirut", "Asia/Gaza", "Asia/Tehran", "Atlantic/Azores",
    "Australia/Lord_Howe", "Europe/Berlin", "Europe/Dublin", "Pacific/Chatham",
]  # fmt: skip


def check(zone_changes: Iterable[tuple[ZoneInfo, datetime]], schedules: list[Generated]) -> tuple[int, int]:
    """How many ranges were compared, and how many instants they had."""
    dice = random.Random(6)
    ranges = found = 0
    for zone, change in zone_changes:
        minutes = Minutes(zone, change)
        # Closed on two days of three, but for no longer than four in a row.
        days = [change.date() + timedelta(days=n) for n in range(-30, 31)]
        open_days = {day for day in days if dice.random() < 1 / 3 or day.toordinal() % 5 == 0}
        closed_days = {day for day in open_days if day.toordinal() % 5 != 1}
        for made in schedules:
            days_of_calendar = open_days if "calendars" in made.fields else closed_days
            ranges += 1
            found += compare(made, zone.key, change, minutes, days_of_calendar, dice)
    return ranges, found


def compare(
    made: Generated, zone: str, change: datetime, minutes: Minutes, days: set[date], dice: random.Random
) -> int:
    after = change - dice.randint(0, 300) * MINUTE
    until = change + dice.randint(0, 300) * MINUTE
    cut = after + dice.random() * (until - after)
    calendars = {"some": PlainCalendar("some", frozenset(days))}
    schedule = made.schedule(zone)
    whole = list(instants(schedule, calendars, after, until))
    assert whole == minutes.instants(made, days, after, until), (made.fields, zone, after, until)
    halves = [*instants(schedule, calendars, after, cut), *instants(schedule, calendars, cut, until)]
    assert halves == whole, (made.fields, zone, after, cut, until)
    return len(whole)


def test_instants_around_odd_changes_equal_those_found_by_the_minute() -> None:
    dice = random.Random(6)
    picked = [(zone, dice.choice(list(changes(zone, 2021, 2024)))) for zone in zones(ODD)]
    ranges, found = check(picked, generated(50))
    assert ranges == 50 * len(ODD)
    assert found > ranges


@pytest.mark.slow
@pytest.mark.parametrize("year", range(2020, 2038))
def test_instants_around_every_change_equal_those_found_by_the_minute(year: int) -> None:
    """Zones whose clocks agree for the days around a change are one case."""
    distinct = {}
    for zone in zones():
        for change in changes(zone, year, year):
            offsets = tuple((change + timedelta(days=n)).astimezone(zone).utcoffset() for n in range(-12, 13))
            distinct.setdefault((change, offsets), zone)
    ranges, found = check(((zone, change) for (change, _), zone in distinct.items()), generated(200))
    assert ranges == 200 * len(distinct) > 200 * 40
    assert found > ranges
