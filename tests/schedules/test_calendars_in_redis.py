"""Calendars are kept beside the schedules, and a change of one holds at once."""

from datetime import date, timedelta

import pytest

from askfirst.schedules import Every, HorizonExceeded, InvalidSchedule, Status
from askfirst.schedules.calendars.definition import Dates, Day, Difference, Weekdays
from tests.support.scheduled import Desk

WEEK = Weekdays(name="week", days=("mon", "tue", "wed", "thu", "fri", "sat", "sun"))


def closed(desk: Desk, *days: date, last: int = 400) -> Dates:
    today = today_of(desk)
    return Dates(
        name="closed",
        first=today - timedelta(days=30),
        last=today + timedelta(days=last),
        days=[Day(day=day) for day in days],
    )


def today_of(desk: Desk) -> date:
    from askfirst.schedules.entries import as_moment

    return as_moment(desk.store.now()).date()


def test_a_day_that_is_taken_out_does_not_fire_and_says_why(desk: Desk) -> None:
    desk.manager.put_calendars([WEEK, closed(desk)])
    desk.put(triggers=Every(1), exclude="closed", misfire="all")
    today = today_of(desk)
    desk.manager.put_calendars([closed(desk, today, today - timedelta(days=1))])
    desk.away(5)
    desk.tick()
    [entry] = desk.history()
    assert (entry.status, entry.why) == (Status.SKIPPED, "in closed")
    assert entry.count >= 5
    desk.manager.put_calendars([closed(desk)])
    desk.tick()
    status = desk.manager.get("s")
    assert status is not None
    assert status.next_time is not None
    assert status.next_time.date() == today


def test_beyond_its_horizon_nothing_fires_and_an_alarm_is_given_until_it_is_extended(desk: Desk) -> None:
    desk.manager.put_calendars([closed(desk)])
    desk.put(exclude="closed", misfire="all")
    today = today_of(desk)
    brief = Dates(name="closed", first=today - timedelta(days=30), last=today - timedelta(days=2), days=[])
    desk.manager.put_calendars([brief])
    desk.away(60)
    desk.tick()
    assert desk.history() == []
    status = desk.manager.get("s")
    assert status is not None
    assert str(status.alarm).startswith("calendar 'closed' knows ")
    with pytest.raises(HorizonExceeded):
        desk.manager.next("s", 1)
    desk.manager.put_calendars([closed(desk)])
    desk.tick()
    assert [entry.status for entry in desk.history()] == [Status.FIRED]
    assert desk.manager.get("s").alarm is None  # type: ignore[union-attr]  # there is one


def test_a_schedule_whose_next_instant_cannot_be_known_is_not_put(desk: Desk) -> None:
    today = today_of(desk)
    old = Dates(name="closed", first=date(2020, 1, 1), last=today - timedelta(days=2), days=[])
    desk.manager.put_calendars([old])
    with pytest.raises(HorizonExceeded):
        desk.put(exclude="closed")
    assert desk.manager.get("s") is None


def test_what_is_wrong_with_a_calendar_changes_nothing(desk: Desk) -> None:
    desk.manager.put_calendars([WEEK, Difference(name="open", of="week", minus="week")])
    for wrong in (
        [Difference(name="other", of="week", minus="nowhere")],
        [Weekdays(name="fine"), Difference(name="week", of="open", minus="week")],
    ):
        with pytest.raises(InvalidSchedule):
            desk.manager.put_calendars(wrong)
    with pytest.raises(InvalidSchedule, match="'open': of: there is no calendar 'week'"):
        desk.manager.delete_calendar("week")
    assert [each.name for each in desk.manager.calendars()] == ["open", "week"]
    assert desk.manager.put_calendars([WEEK]) is False


def test_without_its_calendar_a_schedule_does_not_fire_and_says_so(desk: Desk) -> None:
    desk.manager.put_calendars([closed(desk)])
    desk.put(exclude="closed")
    assert desk.manager.delete_calendar("closed") is True
    assert desk.manager.delete_calendar("closed") is False
    desk.away(60)
    desk.tick()
    assert desk.history() == []
    status = desk.manager.get("s")
    assert status is not None
    assert "there is no calendar 'closed'" in str(status.alarm)


def test_what_cannot_be_read_holds_up_nobody_else(desk: Desk) -> None:
    desk.put("bad")
    desk.put("good")
    desk.redis.hset(desk.keys.schedule("bad"), mapping={"definition": '{"id":"bad","colour":1}', "revision": 2})
    for id in ("bad", "good"):
        desk.away(61, id)
    desk.tick()
    assert desk.history("good")[0].status is Status.FIRED
    assert desk.redis.zscore(desk.keys.due, "bad") > desk.store.now()
    desk.redis.hset(desk.keys.schedule("bad"), "definition", desk.redis.hget(desk.keys.schedule("good"), "definition"))
