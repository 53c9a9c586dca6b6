"""The sessions of markets are those of the libraries they name, with their early closes and what we know better."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from askfirst.schedules.calendars.calendars import Calendars
from askfirst.schedules.calendars.definition import Holidays, Market, Override
from askfirst.schedules.calendars.disagreement import Disagreement, disagreements
from askfirst.schedules.calendars.nse import NSE
from askfirst.schedules.definition import Schedule
from askfirst.schedules.errors import HorizonExceeded, InvalidSchedule
from askfirst.schedules.planning import instants, next_instant
from askfirst.schedules.triggers import Session

FIRST, LAST = date(2015, 1, 1), date(2026, 12, 31)
TODAY = date(2026, 11, 20)
PAGE = Path(__file__).parents[2] / "docs" / "schedules.md"


@pytest.fixture(scope="module")
def calendars() -> Calendars:
    return Calendars(today=lambda: TODAY)


@pytest.fixture(scope="module")
def differing() -> dict[str, list[Disagreement]]:
    """What the libraries tell differently, for each market."""
    markets = [Market(name="XNYS", exchange="XNYS"), Market(name="XLON", exchange="XLON"), NSE]
    return {market.name: disagreements(market, FIRST, LAST, TODAY) for market in markets}


def days() -> list[date]:
    return [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]


def local(calendars: Calendars, name: str, day: str, zone: str) -> str:
    hours = calendars[name].hours(date.fromisoformat(day)) or ()
    return "-".join(f"{edge.astimezone(ZoneInfo(zone)):%H:%M}" for edge in hours)


@pytest.mark.parametrize(("name", "source"), [("XNYS", "XNYS"), ("XLON", "XLON"), ("XNSE", "XBOM")])
def test_sessions_are_those_of_exchange_calendars(calendars: Calendars, name: str, source: str) -> None:
    import exchange_calendars

    library = exchange_calendars.get_calendar(source)
    overridden = {override.day for override in NSE.overrides} if name == "XNSE" else set()
    expected = {
        session.date(): (library.session_open(session), library.session_close(session))
        for session in library.sessions_in_range(str(FIRST), str(LAST))
        if session.date() not in overridden
    }
    found = {day: calendars[name].hours(day) for day in days() if day in calendars[name] and day not in overridden}
    assert found == expected
    assert len(found) > 2800
    assert calendars[name].source.startswith("exchange_calendars 4.")


@pytest.mark.parametrize("name", ["XNYS", "XLON", "XNSE"])
def test_sessions_are_those_of_holidays_but_for_the_listed_days(
    calendars: Calendars, differing: dict[str, list[Disagreement]], name: str
) -> None:
    import holidays

    library = holidays.financial_holidays(name, years=range(FIRST.year, LAST.year + 1))
    settled = {override.day for override in NSE.overrides} if name == "XNSE" else set()
    found = {day for day in days() if (day in calendars[name]) != library.is_working_day(day)} - settled
    assert found == {each.day for each in differing[name]}


@pytest.mark.parametrize(
    ("name", "zone", "day", "hours"),
    [
        ("XNYS", "America/New_York", "2026-11-25", "09:30-16:00"),
        ("XNYS", "America/New_York", "2026-11-26", ""),
        ("XNYS", "America/New_York", "2026-11-27", "09:30-13:00"),  # the day after Thanksgiving
        ("XNYS", "America/New_York", "2018-12-05", ""),  # mourning for President Bush
        ("XLON", "Europe/London", "2024-12-24", "08:00-12:30"),
        ("XLON", "Europe/London", "2022-09-19", ""),  # the Queen's funeral
        ("XNSE", "Asia/Kolkata", "2026-11-20", "09:15-15:30"),
        ("XNSE", "Asia/Kolkata", "2023-11-12", "18:15-19:15"),  # Muhurat trading on a Sunday
        ("XNSE", "Asia/Kolkata", "2025-10-21", "13:45-14:45"),  # and on a holiday
        ("XNSE", "Asia/Kolkata", "2025-10-22", ""),
        ("XNSE", "Asia/Kolkata", "2024-01-20", "09:15-15:30"),  # a Saturday
        ("XNSE", "Asia/Kolkata", "2024-03-02", "09:15-12:30"),  # a Saturday in two parts
        ("XNSE", "Asia/Kolkata", "2026-02-01", "09:15-15:30"),  # a Sunday
        ("XBOM", "Asia/Kolkata", "2023-11-12", ""),
    ],
)
def test_days_that_everybody_remembers(calendars: Calendars, name: str, zone: str, day: str, hours: str) -> None:
    assert local(calendars, name, day, zone) == hours


def test_half_an_hour_after_the_close_is_earlier_on_the_day_of_an_early_close(calendars: Calendars) -> None:
    after = Schedule(id="eod", work="pull", timezone="America/New_York",
                     triggers=Session(calendar="XNYS", edge="close", offset="30m"))  # fmt: skip
    found = instants(after, calendars, datetime(2026, 11, 25, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC))
    assert [f"{at:%d %H:%M}" for at in found] == ["25 21:30", "27 18:30", "30 21:30"]


def test_beyond_the_year_that_the_source_has_nothing_fires(calendars: Calendars) -> None:
    after = Schedule(id="eod", work="pull", triggers=Session(calendar="XNSE", edge="close"))
    last_known = datetime(2026, 12, 31, 10, tzinfo=UTC)
    assert next_instant(after, calendars, datetime(2026, 12, 30, 12, tzinfo=UTC)) == last_known
    with pytest.raises(HorizonExceeded, match="'XNSE' knows 2010-01-01 to 2026-12-31, not 2027-01-01: extend it"):
        next_instant(after, calendars, last_known)
    assert calendars["XNYS"].last == TODAY + timedelta(days=366)


def test_the_horizon_moves_on_with_the_days() -> None:
    today = [TODAY]
    moving = Calendars(today=lambda: today[0])
    before = moving["XNYS"].last
    today[0] += timedelta(days=30)
    assert moving["XNYS"].last == before + timedelta(days=30)


def test_early_closes_are_those_of_holidays(calendars: Calendars) -> None:
    import holidays

    for name, usual in (("XNYS", timedelta(hours=6.5)), ("XLON", timedelta(hours=8.5))):
        half = holidays.financial_holidays(name, years=range(FIRST.year, LAST.year + 1), categories="half_day")
        hours = {day: calendars[name].hours(day) for day in days() if day in calendars[name]}
        short = {day for day, opened in hours.items() if opened and opened.closes - opened.opens < usual}
        assert short == {day for day in half if day in hours}
        assert len(short) > 20


def test_the_page_lists_every_difference_and_every_override(differing: dict[str, list[Disagreement]]) -> None:
    differences = [
        f"| {name} | {found.day:%Y-%m-%d %a} | {found.exchange_calendars} | {found.holidays} |"
        for name, all_of_it in differing.items()
        for found in all_of_it
    ]
    overrides = [
        f"| {each.day:%Y-%m-%d %a} | {opens:%H:%M}–{closes:%H:%M} | {each.note} |"
        for each in NSE.overrides
        for opens, closes in [(each.opens or time(9, 15), each.closes or time(15, 30))]
    ]
    page = PAGE.read_text(encoding="utf-8")
    for name, lines in (("differences", differences), ("overrides", overrides)):
        _, begin, rest = page.partition(f"<!-- {name} -->\n")
        assert begin
        listed = rest.partition("\n\n")[0].splitlines()[2:]
        assert listed == lines, "\n".join(lines)


def test_disagreement_about_days_to_come_is_told_once_and_settled_by_an_override(caplog: Any) -> None:
    before = date(2023, 6, 20)  # exchange_calendars has 29 June 2023 as Bakri Id, holidays the 28th
    with caplog.at_level(logging.WARNING, "askfirst.schedules"):
        assert date(2023, 6, 28) in Calendars(today=lambda: before)["XBOM"]
    assert "differ on 2023-06-28, 2023-06-29, 2024-01-20, 2024-01-22, 2024-05-20; the former" in caplog.text
    assert "an override with a note settles it" in caplog.text
    caplog.clear()
    overrides = [
        Override(day="2023-06-28", note="Bakri Id moved to the 29th"),
        Override(day="2023-06-29", closed=True, note="Bakri Id"),
        Override(day="2024-01-20", note="A Saturday session"),
        Override(day="2024-01-22", closed=True, note="Ram Mandir"),
        Override(day="2024-05-20", closed=True, note="Elections"),
    ]
    settled = Market(name="bse", exchange="XBOM", overrides=overrides)
    with caplog.at_level(logging.WARNING, "askfirst.schedules"):
        assert date(2023, 6, 29) not in Calendars([settled], today=lambda: before)["bse"]
    assert caplog.text == ""


def test_the_holidays_library_knows_days_and_takes_hours(caplog: Any) -> None:
    hours = {"timezone": "America/New_York", "opens": "09:30", "closes": "16:00"}
    early = Override(day="2026-11-27", closes="13:00", note="early close")
    market = Market(name="nyse", exchange="XNYS", source="holidays", overrides=[early], **hours)
    mine = Calendars([market], today=lambda: TODAY)
    assert local(mine, "nyse", "2026-11-25", "America/New_York") == "09:30-16:00"
    assert local(mine, "nyse", "2026-11-26", "America/New_York") == ""
    assert local(mine, "nyse", "2026-11-27", "America/New_York") == "09:30-13:00"
    assert mine["nyse"].source.startswith("holidays 0.")
    # It knows which days are short, not how short they are.
    assert "XNYS closes early on 2026-12-24, and is taken to close at 16:00: give the hours as overrides" in caplog.text


def test_public_holidays_end_before_the_first_that_is_an_estimate() -> None:
    india = Holidays(name="india", country="IN", subdivision="MH",
                     overrides=[Override(day="2026-11-20", note="a day of our own")])  # fmt: skip
    mine = Calendars([india], today=lambda: TODAY)["india"]
    assert date(2026, 1, 26) in mine
    assert date(2026, 1, 27) not in mine
    assert TODAY in mine
    assert mine.last < date(2027, 3, 1)
    with pytest.raises(HorizonExceeded):
        mine.__contains__(date(2027, 8, 15))


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (Market(name="m", exchange="XXXX"), "calendar 'm': exchange: exchange_calendars doesn't know 'XXXX'"),
        (Market(name="m", exchange="XXXX", source="holidays"), "calendar 'm': exchange: holidays doesn't know 'XXXX'"),
        (Holidays(name="h", country="XX"), "calendar 'h': country: "),
        (Holidays(name="h", country="IN", subdivision="XX"), "calendar 'h': subdivision: "),
    ],
)
def test_what_a_library_does_not_know_is_refused(definition: Any, message: str) -> None:
    with pytest.raises(InvalidSchedule, match=message):
        Calendars([definition], today=lambda: TODAY)[definition.name]
