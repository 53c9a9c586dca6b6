"""What each trigger asks for, also on days on which the clocks change."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from askfirst.schedules.calendars.calendar import Calendar, Hours
from askfirst.schedules.errors import HorizonExceeded, InvalidSchedule
from askfirst.schedules.triggers import At, Cron, Every, Once, Session, Trigger, merged
from askfirst.schedules.zones import zone_named
from tests.support.plain_calendars import calendar


def asked(
    trigger: Trigger, zone: str, after: str, until: str, calendars: Mapping[str, Calendar] | None = None
) -> list[str]:
    """What it asks for in the local range, as UTC."""
    local = zone_named(zone)
    begin, end = (datetime.fromisoformat(text).replace(tzinfo=local).astimezone(UTC) for text in (after, until))
    return [f"{at.instant:%m-%d %H:%M:%S}"[: 11 if not at.instant.second else None]
            for at in merged((trigger,), local, calendars or {}, begin, end)]  # fmt: skip


# In Berlin the clocks go from 02:00 to 03:00 on 29 March 2026 (01:00 UTC), from 03:00 to 02:00 on 25 October.
@pytest.mark.parametrize(
    ("expression", "day", "utc"),
    [
        ("30 2 * * *", "2026-03-29", ["03-29 01:00"]),
        ("0,20,40 2 * * *", "2026-03-29", ["03-29 01:00"]),
        ("0 2,3 * * *", "2026-03-29", ["03-29 01:00"]),
        ("15 30 2 * * *", "2026-03-29", ["03-29 01:00"]),
        ("30 * * * *", "2026-03-29", ["03-29 00:30", "03-29 01:30"]),
        ("*/30 2 * * *", "2026-03-29", []),
        ("30 2 * * *", "2026-10-25", ["10-25 00:30"]),
        ("30 1-3 * * *", "2026-10-25", ["10-24 23:30", "10-25 00:30", "10-25 02:30"]),
        ("*/30 2 * * *", "2026-10-25", ["10-25 00:00", "10-25 00:30", "10-25 01:00", "10-25 01:30"]),
    ],
)
def test_a_time_of_day_happens_once_and_a_pattern_whenever_clocks_show_it(
    expression: str, day: str, utc: list[str]
) -> None:
    assert asked(Cron(expression), "Europe/Berlin", f"{day}T00:59", f"{day}T04:00") == utc


def test_the_examples_of_the_page_are_what_happens() -> None:
    page = (Path(__file__).parents[2] / "docs" / "schedules.md").read_text(encoding="utf-8")
    zone = zone_named("Europe/Berlin")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if "(01:" in line]
    assert len(rows) == 5
    for triggers, *days in rows:
        for text in re.findall(r"`(.+?)`", triggers):
            trigger = eval(text, {"Cron": Cron, "At": At, "Every": Every})
            for day, shown in zip(("2026-03-29", "2026-10-25"), days, strict=True):
                begin = datetime.fromisoformat(f"{day}T00:59").replace(tzinfo=zone).astimezone(UTC)
                end = datetime.fromisoformat(f"{day}T04:00").replace(tzinfo=zone).astimezone(UTC)
                found = [at.instant for at in merged((trigger,), zone, {}, begin, end)]
                happens = [f"{at.astimezone(zone):%H:%M} ({at:%H:%M})" for at in found]
                assert ", ".join(happens) == shown.replace("–", "")


def test_a_range_that_begins_between_the_two_showings_has_the_second_one() -> None:
    zone = zone_named("Europe/Berlin")
    after = datetime(2026, 10, 25, 0, 45, tzinfo=UTC)  # 02:45 for the first time
    found = merged((Cron("*/30 2 * * *"),), zone, {}, after, after + timedelta(hours=5))
    assert [f"{at.instant:%H:%M}" for at in found] == ["01:00", "01:30"]


def test_every_counts_real_time_from_its_anchor_in_both_directions() -> None:
    trigger = Every("90m", anchor=datetime(2026, 3, 29, 0, 0))  # noqa: DTZ001  # local on purpose
    assert asked(trigger, "Europe/Berlin", "2026-03-28T21:00", "2026-03-29T06:00") == [
        "03-28 21:30", "03-28 23:00", "03-29 00:30", "03-29 02:00", "03-29 03:30",
    ]  # fmt: skip


def test_local_times_on_chosen_weekdays() -> None:
    trigger = At(times=["17:00", "02:30"], weekdays=["sun", "mon"])
    assert asked(trigger, "Europe/Berlin", "2026-03-27", "2026-03-31") == [
        "03-29 01:00", "03-29 15:00", "03-30 00:30", "03-30 15:00",
    ]  # fmt: skip


def test_once_is_local_unless_it_says_otherwise() -> None:
    assert asked(Once("2026-07-01T09:00"), "Europe/Berlin", "2026-01-01", "2027-01-01") == ["07-01 07:00"]
    assert asked(Once("2026-07-01T09:00Z"), "Europe/Berlin", "2026-01-01", "2027-01-01") == ["07-01 09:00"]


def test_sessions_are_followed_with_their_early_closes_and_offsets() -> None:
    day = date(2026, 12, 24)
    early = {day: Hours(datetime(2026, 12, 24, 9, tzinfo=UTC), datetime(2026, 12, 24, 12, 30, tzinfo=UTC))}
    market = calendar("X", ["2026-12-23", "2026-12-24", "2026-12-28"], timed=True, special=early)
    close = Session(calendar="X", edge="close", offset="30m")
    assert asked(close, "UTC", "2026-12-01", "2027-01-01", market) == ["12-23 17:30", "12-24 13:00", "12-28 17:30"]
    before = Session(calendar="X", edge="open", offset=-9 * 3600 - 1)
    assert asked(before, "UTC", "2026-12-24", "2026-12-28", market) == ["12-27 23:59:59"]


def test_where_a_calendar_ends_the_other_triggers_go_on_up_to_there() -> None:
    market = calendar("X", ["2026-12-23"], timed=True, first=date(2026, 12, 1), last=date(2026, 12, 23))
    triggers = (Session(calendar="X", edge="open"), Cron("0 */8 * * *"))
    begin = datetime(2026, 12, 22, 20, tzinfo=UTC)
    found = merged(triggers, zone_named("UTC"), market, begin, begin + timedelta(days=30))
    assert [f"{next(found).instant:%d %H}" for _ in range(3)] == ["23 00", "23 08", "23 09"]
    with pytest.raises(HorizonExceeded, match="'X' knows 2026-12-01 to 2026-12-23, not 2026-12-24"):
        next(found)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cron("61 * * * *"), "Cron: expression: expected a cron expression, got '61 . . . .': Bad minute"),
        (lambda: Cron("* * *"), "Wrong number of fields"),
        (lambda: Cron("0 0 30 2 *"), "Cron: expression: .* Bad day-of-month"),
        (lambda: Every(0.5), "Every: period: .*greater than or equal to 1"),
        (lambda: Every("soon"), "Every: period: expected a duration .*, got 'soon'"),
        (lambda: Every(1.0005), "Every: period: expected whole milliseconds"),
        (lambda: At(times=[]), "At: times: .*at least 1"),
        (lambda: At(times=["09:00"], weekdays=["monday"]), "At: weekdays.0: .*'mon'"),
        (lambda: Once("tomorrow"), "Once: moment: "),
        (lambda: Session(calendar="", edge="open"), "Session: calendar: "),
        (lambda: Session(calendar="X", edge="lunch"), "Session: edge: .*'open' or 'close', got 'lunch'"),
        (lambda: Cron(expression="* * * * *", zone="UTC"), "Cron: zone: is no field"),
        (lambda: Every(), "Every: period: is missing"),
    ],
)
def test_a_wrong_trigger_is_refused_with_one_line_that_names_the_field(make: object, message: str) -> None:
    with pytest.raises(InvalidSchedule, match=message) as refused:
        make()  # type: ignore[operator]  # a lambda
    assert "\n" not in str(refused.value)
