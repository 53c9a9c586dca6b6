"""Own calendars: composed, read from files, refused when wrong; none of them needs a library of markets."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from askfirst.schedules.calendars.calendars import Calendars
from askfirst.schedules.calendars.definition import (
    Dates,
    Day,
    Difference,
    Market,
    OnlyOn,
    Override,
    Union,
    Weekdays,
    calendar_from,
)  # fmt: skip
from askfirst.schedules.calendars.reading import read_days
from askfirst.schedules.errors import HorizonExceeded, InvalidSchedule

MONDAY, TUESDAY, SATURDAY = date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 10)
YEAR: dict[str, Any] = {"first": "2026-01-01", "last": "2026-12-31"}


def desk(**fields: Any) -> Dates:
    hours = {"timezone": "Europe/Berlin", "opens": "09:00", "closes": "17:00"}
    days = [{"day": "2026-01-05"}, {"day": "2026-01-10", "opens": "10:00", "closes": "12:00", "note": "stocktaking"}]
    return Dates(**{"name": "desk", **YEAR, **hours, "days": days, **fields})


def test_own_days_have_usual_hours_or_their_own_within_their_horizon() -> None:
    calendar = Calendars([desk()])["desk"]
    assert MONDAY in calendar
    assert TUESDAY not in calendar
    assert calendar.hours(MONDAY) == (datetime(2026, 1, 5, 8, tzinfo=UTC), datetime(2026, 1, 5, 16, tzinfo=UTC))
    assert calendar.hours(SATURDAY) == (datetime(2026, 1, 10, 9, tzinfo=UTC), datetime(2026, 1, 10, 11, tzinfo=UTC))
    assert calendar.hours(TUESDAY) is None
    with pytest.raises(HorizonExceeded, match="'desk' knows 2026-01-01 to 2026-12-31, not 2027-01-01"):
        calendar.hours(date(2027, 1, 1))


def test_calendars_are_composed() -> None:
    off = Dates(name="off", first="2026-01-02", last="2026-06-30", days=[Day(day=MONDAY)])
    mine = Calendars([
        Weekdays(name="week"), off, desk(),
        Difference(name="working", of="week", minus="off"),
        Union(name="open", of=["working", "desk"]),
        OnlyOn(name="both", of="desk", only=["week"]),
    ])  # fmt: skip
    assert [day in mine["working"] for day in (MONDAY, TUESDAY, SATURDAY)] == [False, True, False]
    assert [day in mine["open"] for day in (MONDAY, TUESDAY, SATURDAY)] == [True, True, True]
    assert [day in mine["both"] for day in (MONDAY, TUESDAY, SATURDAY)] == [True, False, False]
    assert (mine["open"].first, mine["open"].last) == (date(2026, 1, 2), date(2026, 6, 30))
    assert (mine["open"].timed, mine["both"].timed) == (False, True)
    assert mine["both"].hours(MONDAY) == mine["desk"].hours(MONDAY)
    assert mine["both"].hours(SATURDAY) is None
    with pytest.raises(HorizonExceeded, match="'open' knows"):
        mine["open"].__contains__(date(2026, 7, 1))


def test_a_version_changes_with_the_definition_and_its_parts() -> None:
    week, union = Weekdays(name="week"), Union(name="all", of=["week", "desk"])
    before = Calendars([week, union, desk()])
    after = Calendars([week, union, desk(closes="18:00")])
    assert before.version("all") == Calendars([desk(), union, week]).version("all")
    assert before.version("all") != after.version("all")
    assert before.version("week") == after.version("week")


@pytest.mark.parametrize("name", ["days.csv", "days.toml", "days.ics"])
def test_days_are_read_from_files(tmp_path: Path, name: str) -> None:
    texts = {
        "days.csv": "date,note,opens,closes\n2026-01-05,,,\n2026-01-06,Epiphany\n"
        '2026-01-10,"stocktaking, short",10:00,12:00\n',
        "days.toml": "days = [{day = 2026-01-05}, {day = 2026-01-06, note = 'Epiphany'},\n"
        "{day = 2026-01-10, note = 'stocktaking, short', opens = 10:00:00, closes = 12:00:00}]\n",
        "days.ics": "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:test\r\n"
        "BEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;VALUE=DATE:20260105\r\nEND:VEVENT\r\n"
        "BEGIN:VEVENT\r\nUID:2\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:Epiphany\r\nDTSTART;VALUE=DATE:20260106\r\n"
        "DTEND;VALUE=DATE:20260107\r\nEND:VEVENT\r\n"
        "BEGIN:VEVENT\r\nUID:3\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:stocktaking\\, short\r\n"
        "DTSTART:20260110T090000Z\r\nDTEND:20260110T110000Z\r\nEND:VEVENT\r\n"
        "BEGIN:VEVENT\r\nUID:4\r\nDTSTAMP:20260101T000000Z\r\nSTATUS:CANCELLED\r\nDTSTART;VALUE=DATE:20260111\r\n"
        "END:VEVENT\r\nEND:VCALENDAR\r\n",
    }
    path = tmp_path / name
    path.write_text(texts[name], encoding="utf-8", newline="")
    assert read_days(path, "Europe/Berlin") == (
        Day(day=MONDAY),
        Day(day=TUESDAY, note="Epiphany"),
        Day(day=SATURDAY, note="stocktaking, short", opens="10:00", closes="12:00"),
    )


def test_an_event_of_several_days_is_each_of_them(tmp_path: Path) -> None:
    path = tmp_path / "shut.ics"
    path.write_text(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\n"
        "DTSTART;VALUE=DATE:20261224\r\nDTEND;VALUE=DATE:20261227\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    assert [day.day.day for day in read_days(path)] == [24, 25, 26]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("days.txt", "", "days.txt: expected a file of type .csv, .toml, .ics"),
        ("days.csv", "day\n2026-01-05\n", "days.csv: line 1: expected the columns date, note"),
        ("days.csv", "date,note\n2026-01-05,\nsoon,\n", "days.csv: line 3: day: .*got 'soon'"),
        ("days.csv", "date\n2026-01-05,9,10\n", "days.csv: line 2: more: is no field"),
        ("days.csv", 'date,note\n2026-01-05,"unfinished\n', "days.csv: line 2: unexpected end of data"),
        ("days.csv", "date,note\n2026-01-05,\udcff\n", "days.csv: 'utf-8' codec can't decode"),
        ("days.toml", "days = [2026-01-05]", r"days.toml: expected tables \[\[days\]\]"),
        ("days.toml", "days = [{day = 2026-01-05, colour = 'red'}]", "days.toml: days.0: colour: is no field"),
        ("days.toml", "days = ", "days.toml: Invalid value"),
        ("days.toml", "dates = []", r"days.toml: expected tables \[\[days\]\]"),
        ("days.ics", "nothing", "days.ics: "),
        ("days.ics", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:each week\r\nDTSTART;VALUE=DATE:20260105\r\n"
         "RRULE:FREQ=WEEKLY\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", "days.ics: event 'each week': RRULE: write its days"),
        ("days.ics", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:night\r\nDTSTART:20260105T220000Z\r\n"
         "DTEND:20260106T020000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", "days.ics: event 'night': DTEND: "),
        ("days.ics", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:never\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
         "days.ics: event 'never': DTSTART: is missing"),
    ],
)  # fmt: skip
def test_a_broken_file_is_refused_with_the_place(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
    with pytest.raises(InvalidSchedule, match=message):
        read_days(path)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "moon", "name": "m"}, "calendar 'm': kind: expected one of market, holidays, .*, got 'moon'"),
        ({"kind": "weekdays", "name": "a@b"}, "calendar 'a@b': name: expected 1 to 64 letters"),
        ({"kind": "weekdays", "name": "w", "days": ["monday"]}, "calendar 'w': days.0: .*'mon'"),
        ({"kind": "dates", "name": "d", "days": [], "first": "2026-01-01"}, "calendar 'd': last: is missing"),
        ({"kind": "dates", "name": "d", "days": [], "first": "2026-01-02", "last": "2026-01-01"},
         "calendar 'd': last: expected 2026-01-02 or later"),
        ({"kind": "dates", "name": "d", "days": [{"day": "2027-01-01"}], **YEAR}, "days.0: 2027-01-01 is not between"),
        ({"kind": "dates", "name": "d", "days": [{"day": "2026-01-05"}] * 2, **YEAR}, "days: 2026-01-05 comes twice"),
        ({"kind": "dates", "name": "d", "days": [{"day": "2026-01-05", "opens": "09:00"}], **YEAR},
         "days.0: 2026-01-05 has hours, the calendar has none"),
        ({"kind": "dates", "name": "d", "days": [], "opens": "09:00", **YEAR}, "timezone: is missing"),
        ({"kind": "market", "name": "m", "exchange": "XNYS", "source": "memory"}, "source: .*'exchange_calendars'"),
        ({"kind": "market", "name": "m", "exchange": "XNYS", "overrides": [{"day": "2026-01-05"}]},
         "overrides.0: note: is missing"),
        ({"kind": "market", "name": "m", "exchange": "XNYS", "overrides": [
            {"day": "2026-01-05", "note": "x", "closed": True, "opens": "09:00"}]}, "overrides.0: closed: a closed"),
        ({"kind": "union", "name": "u", "of": []}, "of: .*at least 1"),
    ],
)  # fmt: skip
def test_a_wrong_calendar_is_refused_with_one_line_that_names_the_field(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSchedule, match=message) as refused:
        calendar_from(fields)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("definitions", "message"),
    [
        ([Union(name="a", of="a")], "calendar 'a': of.0: is made of itself: a → a"),
        ([Union(name="a", of="b"), Difference(name="b", of="week", minus=["c"]), OnlyOn(name="c", of="a", only="week"),
          Weekdays(name="week")], "calendar 'a': of.0: is made of itself: a → b → c → a"),
        ([Union(name="x", of="a"), Union(name="a", of="b"), Union(name="b", of="a")], "calendar 'a': .*a → b → a"),
        ([Union(name="a", of=["week", "nowhere"]), Weekdays(name="week")],
         "calendar 'a': of.1: there is no calendar 'nowhere'"),
        ([Weekdays(name="week"), Weekdays(name="week")], "calendar 'week': name: comes twice"),
    ],
)  # fmt: skip
def test_calendars_that_do_not_fit_together_are_refused(definitions: Any, message: str) -> None:
    with pytest.raises(InvalidSchedule, match=message):
        Calendars(definitions)


def test_a_name_that_is_nowhere_is_no_calendar() -> None:
    assert "nowhere" not in Calendars()
    with pytest.raises(KeyError):
        Calendars()["nowhere"]


def test_schedules_without_markets_never_load_the_libraries_of_markets() -> None:
    program = (
        "import sys; from datetime import datetime, timedelta, UTC\n"
        "from askfirst.schedules.calendars.calendars import Calendars\n"
        "from askfirst.schedules.calendars.definition import Weekdays\n"
        "from askfirst.schedules.definition import Schedule\n"
        "from askfirst.schedules.planning import next_instant\n"
        "s = Schedule(id='s', work='w', triggers={'kind': 'cron', 'expression': '0 9 * * *'}, calendars='week')\n"
        "assert next_instant(s, Calendars([Weekdays(name='week')]), datetime.now(UTC))\n"
        "print([name for name in ('pandas', 'numpy', 'holidays', 'exchange_calendars', 'icalendar')\n"
        "       if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_an_override_gives_a_reason() -> None:
    with pytest.raises(InvalidSchedule, match="Override: note: is missing"):
        Override(day="2026-01-05", closed=True)
    with pytest.raises(InvalidSchedule, match="opens: exchange_calendars has the hours"):
        Market(name="m", exchange="XNYS", opens="09:00", closes="17:00", timezone="UTC")
