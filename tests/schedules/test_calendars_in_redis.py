"""Calendars are kept beside the schedules, and a change of one holds at once."""

from datetime import date, datetime, timedelta, tzinfo
from typing import Any, Self

import pytest

from askfirst.schedules import Every, HorizonExceeded, InvalidSchedule, Schedule, Status
from askfirst.schedules.applying import Asked, Plan
from askfirst.schedules.calendars.definition import Dates, Day, Difference, Holidays, Union, Weekdays
from askfirst.schedules.managing import Manager
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


def test_thousands_of_calendars_are_written_at_once(desk: Desk) -> None:
    assert desk.manager.put_calendars([Weekdays(name=f"c{n}") for n in range(5_000)])
    assert len(desk.manager.calendars()) == 5_000


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


def test_a_file_is_planned_from_where_each_of_its_schedules_stands(desk: Desk) -> None:
    desk.manager.put_calendars([closed(desk)])
    schedule = desk.put(exclude="closed")
    desk.away(3 * 86_400)
    today = today_of(desk)
    new = Dates(name="closed", first=today - timedelta(days=1), last=today + timedelta(days=400), days=[])
    changed = Schedule(**dict(schedule) | {"payload": {"log": "/dev/zero"}})
    with pytest.raises(HorizonExceeded):
        Plan(desk.manager, Asked(None, [new], {"s": changed}))


def test_what_is_wrong_with_a_calendar_changes_nothing(desk: Desk) -> None:
    desk.manager.put_calendars([WEEK, Difference(name="open", of="week", minus="week")])
    for wrong in (
        [Difference(name="other", of="week", minus="nowhere")],
        [Weekdays(name="fine"), Holidays(name="free", country="Nowhere")],
        [Weekdays(name="fine"), Difference(name="week", of="open", minus="week")],
    ):
        with pytest.raises(InvalidSchedule):
            desk.manager.put_calendars(wrong)
    with pytest.raises(InvalidSchedule, match="'open': of: there is no calendar 'week'"):
        desk.manager.delete_calendar("week")
    assert [each.name for each in desk.manager.calendars()] == ["open", "week"]
    assert desk.manager.put_calendars([WEEK]) is False


def test_two_that_are_made_of_each_other_at_the_same_time_are_refused(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.manager.put_calendars([Weekdays(name="a"), Weekdays(name="b")])
    plainly = desk.store.put_calendars

    def interrupted(*arguments: Any) -> bool:
        monkeypatch.setattr(desk.store, "put_calendars", plainly)
        Manager(desk.client).put_calendars([Union(name="b", of="a")])
        return plainly(*arguments)

    monkeypatch.setattr(desk.store, "put_calendars", interrupted)
    with pytest.raises(InvalidSchedule, match="is made of itself"):
        desk.manager.put_calendars([Union(name="a", of="b")])
    assert desk.manager.calendars() == [Weekdays(name="a"), Union(name="b", of="a")]


def test_calendars_that_are_sent_twice_are_written_once(desk: Desk) -> None:
    definitions = {"week": WEEK.to_json(), "gone": None}
    assert desk.store.put_calendars(definitions, 0)
    assert desk.store.put_calendars(definitions, 0)
    assert desk.store.calendar_changes()[0] == 1
    assert not desk.store.put_calendars({"week": None}, 0)


def test_who_plans_by_other_calendars_than_there_are_decides_nothing(desk: Desk) -> None:
    desk.manager.put_calendars([closed(desk)])
    desk.put(exclude="closed")
    desk.away(61)
    decisions, _ = desk.scheduler._decide(desk.store.look(100))
    read = desk.scheduler._definitions.calendar_changes
    today = today_of(desk)
    desk.manager.put_calendars([closed(desk, today, today - timedelta(days=1))])
    assert desk.store.decide(decisions, read) == [None]
    desk.tick()
    assert {entry.status for entry in desk.history()} == {Status.SKIPPED}


def test_a_schedule_is_put_by_the_calendars_that_there_are(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.manager.put_calendars([closed(desk)])
    plainly = desk.store.put

    def interrupted(*arguments: Any, **options: Any) -> bool:
        monkeypatch.setattr(desk.store, "put", plainly)
        Manager(desk.client).delete_calendar("closed")
        return plainly(*arguments, **options)

    monkeypatch.setattr(desk.store, "put", interrupted)
    with pytest.raises(InvalidSchedule, match="there is no calendar 'closed'"):
        desk.put(exclude="closed")
    assert desk.manager.get("s") is None


def test_a_change_of_calendars_makes_nothing_overdue(desk: Desk) -> None:
    desk.put()
    before = desk.store.now()
    desk.manager.put_calendars([WEEK])
    assert desk.redis.zscore(desk.keys.due, "s") >= before
    desk.redis.zadd(desk.keys.due, {"s": before - 60_000})
    desk.manager.put_calendars([closed(desk)])
    assert desk.redis.zscore(desk.keys.due, "s") == before - 60_000


def test_the_clock_of_the_host_plays_no_part(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    class LongAgo(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls(1970, 1, 1, tzinfo=tz)

    monkeypatch.setattr("askfirst.schedules.calendars.calendars.datetime", LongAgo)
    desk.manager.put_calendars([Holidays(name="free", country="DE")])
    desk.put(exclude="free")
    desk.away(61)
    desk.tick()
    status = desk.manager.get("s")
    assert status is not None
    assert status.alarm is None
    assert status.next_time is not None


def test_without_its_calendar_a_schedule_does_not_fire_and_says_so(desk: Desk) -> None:
    desk.manager.put_calendars([closed(desk)])
    desk.put(exclude="closed")
    assert desk.manager.delete_calendar("closed") is True
    assert desk.manager.delete_calendar("closed") is False
    with pytest.raises(InvalidSchedule, match="there is no calendar 'closed'"):
        desk.manager.next("s", 1)
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
