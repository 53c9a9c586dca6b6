"""Which instants a schedule has, by its triggers and its calendars."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.schedules.deciding import next_decision
from askfirst.schedules.definition import Schedule
from askfirst.schedules.entries import as_ms
from askfirst.schedules.errors import HorizonExceeded, InvalidSchedule
from askfirst.schedules.planning import fire_at, instants, next_instant, next_planned, plan
from askfirst.schedules.triggers import At, Cron, Every, Once, Session
from tests.support.plain_calendars import PlainCalendar, calendar

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)  # a Thursday
WEEKDAYS = calendar("weekdays", [f"2026-01-{n:02}" for n in range(1, 32) if (n + 2) % 7 not in (5, 6)],
                    first=date(2026, 1, 1), last=date(2026, 1, 31))  # fmt: skip
DAILY = At(times=["09:00"])


def schedule(**fields: Any) -> Schedule:
    return Schedule(**{"id": "s", "work": "w", "triggers": DAILY, **fields})


def until(day: int) -> datetime:
    return BEGIN + timedelta(days=day - 1)


def shown(found: Iterable[datetime]) -> list[str]:
    return [f"{instant:%d %H:%M}" for instant in found]


def test_triggers_are_merged_and_no_instant_comes_twice() -> None:
    hourly = Every("1h", anchor="2026-01-01T08:30Z")
    several = schedule(triggers=[Cron("0 9,10 * * *"), DAILY, hourly, Once("2026-01-01T09:00")])
    assert shown(instants(several, {}, BEGIN + timedelta(hours=8), BEGIN + timedelta(hours=10))) == [
        "01 08:30", "01 09:00", "01 09:30", "01 10:00",
    ]  # fmt: skip


def test_a_range_is_open_below_and_closed_above() -> None:
    at_nine = BEGIN + timedelta(hours=9)
    assert shown(instants(schedule(), {}, at_nine, at_nine + timedelta(days=1))) == ["02 09:00"]


def test_it_begins_at_start_and_ends_before_end() -> None:
    bounded = schedule(timezone="Europe/Berlin", start="2026-01-02T09:00", end="2026-01-04T09:00")
    assert shown(instants(bounded, {}, BEGIN, until(9))) == ["02 08:00", "03 08:00"]


def test_days_outside_its_calendars_are_skipped_and_say_why() -> None:
    on_weekdays = schedule(calendars="weekdays", exclude="own")
    own = calendar("own", ["2026-01-02"])
    found = list(plan(on_weekdays, WEEKDAYS | own, BEGIN, until(6)))
    assert [(f"{at.instant:%d}", at.skipped) for at in found] == [
        ("01", ""), ("02", "in own"), ("03", "not in weekdays"), ("04", "not in weekdays"), ("05", ""),
    ]  # fmt: skip
    assert shown(instants(on_weekdays, WEEKDAYS | own, BEGIN, until(6))) == ["01 09:00", "05 09:00"]


def test_the_calendars_judge_the_date_in_the_zone_of_the_schedule() -> None:
    tokyo = schedule(triggers=At(times=["08:00"]), timezone="Asia/Tokyo", calendars="weekdays")
    # 23:00 UTC on Sunday is Monday in Tokyo.
    assert shown(instants(tokyo, WEEKDAYS, until(3), until(6))) == ["04 23:00", "05 23:00"]


@pytest.mark.parametrize(
    ("rule", "fired"),
    [("previous", ["01 09:00", "02 09:00", "02 12:00", "05 09:00"]),
     ("next", ["01 09:00", "02 09:00", "05 09:00", "05 12:00"])],
)  # fmt: skip
def test_an_instant_of_a_closed_day_moves_to_the_nearest_open_one(rule: str, fired: list[str]) -> None:
    rolled = schedule(triggers=[DAILY, Once("2026-01-03T12:00")], calendars="weekdays", on_excluded=rule)
    assert shown(instants(rolled, WEEKDAYS, BEGIN, until(6))) == fired
    moved = [at.skipped for at in plan(rolled, WEEKDAYS, BEGIN, until(6)) if at.skipped]
    assert moved == [f"not in weekdays, moved to 2026-01-{fired[2][:2]}"] * 3


def test_what_moves_across_the_edge_of_a_range_is_found() -> None:
    weekly = schedule(triggers=At(times=["09:00"], weekdays="sun"), calendars="weekdays", on_excluded="next")
    assert shown(instants(weekly, WEEKDAYS, until(5), until(6))) == ["05 09:00"]
    weekly = schedule(triggers=At(times=["09:00"], weekdays="sat"), calendars="weekdays", on_excluded="previous")
    assert shown(instants(weekly, WEEKDAYS, until(2), until(3))) == ["02 09:00"]


def test_with_no_open_day_near_enough_nothing_moves() -> None:
    closed = calendar("closed", [])
    weekly = schedule(triggers=At(times=["09:00"], weekdays="sun"), calendars="closed", on_excluded="next")
    assert {at.skipped for at in plan(weekly, closed, BEGIN, until(60))} == {
        "not in closed, no other day within 31 days"
    }


@given(
    st.sets(st.integers(0, 40)),
    st.sampled_from(["skip", "previous", "next"]),
    st.lists(st.integers(0, 40 * 24), max_size=4),
)
def test_cutting_a_range_changes_nothing(off: set[int], rule: str, cuts: list[int]) -> None:
    days = {BEGIN.date() + timedelta(days=n) for n in range(-60, 120) if n not in off}
    some = {"some": PlainCalendar("some", frozenset(days))}
    rolled = schedule(triggers=[DAILY, Every("31h")], timezone="America/Havana", calendars="some", on_excluded=rule)
    begin, end = BEGIN, until(41)
    whole = list(plan(rolled, some, begin, end))
    edges = [begin, *sorted(begin + timedelta(hours=cut) for cut in cuts), end]
    assert whole == [at for low, high in pairwise(edges) for at in plan(rolled, some, low, high)]
    fired = [at.instant for at in whole]
    assert fired == sorted(set(fired))


@pytest.mark.parametrize("rule", ["skip", "previous", "next"])
def test_beyond_the_horizon_of_a_calendar_nothing_fires_and_it_says_so(rule: str) -> None:
    bounded = schedule(calendars="weekdays", on_excluded=rule)
    found = instants(bounded, WEEKDAYS, until(29), until(60))
    assert shown(next(found) for _ in range(2)) == ["29 09:00", "30 09:00"]
    with pytest.raises(HorizonExceeded, match="calendar 'weekdays' knows 2026-01-01 to 2026-01-31, not 2026-02-01"):
        next(found)
    with pytest.raises(HorizonExceeded):
        next_instant(bounded, WEEKDAYS, until(40))
    with pytest.raises(HorizonExceeded):
        next_planned(bounded, WEEKDAYS, BEGIN - timedelta(days=9))


def test_a_calendar_can_be_used_from_its_first_day_to_its_last() -> None:
    rolled = schedule(calendars="weekdays", on_excluded="next", end="2026-01-31")  # the 31st would move beyond
    assert len(list(instants(rolled, WEEKDAYS, BEGIN - timedelta(hours=1), until(400)))) == 22


def test_the_next_instant_is_found_behind_a_long_closure_of_a_trigger_of_every_second() -> None:
    market = calendar("rare", ["2026-06-01"])
    rare = schedule(triggers=Every(1), calendars="rare")
    assert next_instant(rare, market, BEGIN) == datetime(2026, 6, 1, tzinfo=UTC)
    planned = next_planned(rare, market, BEGIN)
    assert planned == (BEGIN + timedelta(seconds=1), "not in rare")


def test_there_is_no_next_instant_after_the_last() -> None:
    assert next_instant(schedule(triggers=Once("2026-01-01T09:00")), {}, until(2)) is None
    assert next_instant(schedule(end="2026-01-02"), {}, until(2)) is None
    assert next_instant(schedule(calendars="closed"), calendar("closed", []), BEGIN) is None


def test_jitter_is_the_same_on_every_node_and_within_its_bound() -> None:
    spread = schedule(jitter="10s")
    moments = [BEGIN + timedelta(minutes=n) for n in range(500)]
    late = [(fire_at(spread, nominal) - nominal).total_seconds() for nominal in moments]
    assert late == [(fire_at(schedule(jitter=10), nominal) - nominal).total_seconds() for nominal in moments]
    assert 0 <= min(late) < 0.5
    assert 9.5 < max(late) <= 10
    assert fire_at(schedule(), BEGIN) == BEGIN


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"calendars": "nyse"}, "schedule 's': calendars.0: there is no calendar 'nyse'"),
        ({"exclude": ["own", "nyse"]}, "schedule 's': exclude.1: there is no calendar 'nyse'"),
        ({"triggers": Session(calendar="x", edge="open")}, "triggers.0.calendar: there is no calendar 'x'"),
        ({"triggers": [DAILY, Session(calendar="own", edge="open")]}, "triggers.1.calendar: .*'own' has no opening"),
    ],
)
def test_a_calendar_that_does_not_serve_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSchedule, match=message):
        plan(schedule(**fields), calendar("own", []), BEGIN, until(2))


@pytest.mark.parametrize(("minutes", "noted"), [(4, 4), (60, 10)])
def test_instants_that_do_not_fire_are_noted_ten_minutes_later_or_when_the_schedule_ends(
    minutes: int, noted: int
) -> None:
    saturday = until(3)
    seconds = schedule(
        triggers=Every("1s"), calendars="weekdays", start=saturday, end=saturday + timedelta(minutes=minutes)
    )
    assert next_decision(seconds, WEEKDAYS, as_ms(saturday)) == as_ms(saturday + timedelta(minutes=noted))
