"""Putting, changing and deleting schedules."""

import getpass
import itertools
import os
from datetime import timedelta
from typing import Any

import pytest

from askfirst import InvalidPayload, UnknownWork
from askfirst.schedules import Cron, Every, InvalidSchedule, Once, Schedule
from askfirst.schedules.calendars.definition import Dates, Day
from askfirst.schedules.entries import as_moment
from askfirst.schedules.managing import this_actor
from askfirst.schedules.store import Decision, Due, Fate
from tests.support.scheduled import Desk, fail, note

MINUTE = Every("1m")


def test_a_schedule_fires_from_when_it_is_put_on(desk: Desk) -> None:
    desk.put(misfire="all")
    desk.tick()
    assert desk.history() == []
    desk.away(180)
    desk.tick()
    assert len(desk.history()) == 3


def test_putting_the_same_again_changes_nothing(desk: Desk) -> None:
    schedule = desk.put()
    before = desk.redis.hgetall(desk.keys.schedule("s"))
    assert desk.manager.put(schedule) is False
    assert desk.redis.hgetall(desk.keys.schedule("s")) == before


def test_a_change_of_what_runs_loses_no_instant(desk: Desk) -> None:
    desk.put()
    before = desk.manager.get("s")
    desk.away(90)
    desk.put(payload={"log": "/dev/zero"})
    desk.tick()
    fired = [entry for entry in desk.history() if entry.status == "fired"]
    assert len(fired) == 1
    assert "/dev/zero" in desk.redis.get(desk.lane.keys.letter(fired[0].work))
    status = desk.manager.get("s")
    assert status is not None
    assert before is not None
    assert status.revision > before.revision


def test_a_change_of_when_it_runs_holds_from_then_on_and_the_old_one_until_then(desk: Desk) -> None:
    desk.put(triggers=Every("1h"), misfire="all", overlap="allow_all")
    desk.away(7200)
    desk.put(misfire="all", overlap="allow_all")
    assert len(desk.history()) == 2
    assert {entry.nominal_time.minute for entry in desk.history()} == {0}
    desk.tick()
    assert len(desk.history()) == 2


def test_between_the_old_definition_and_the_new_one_no_instant_is_lost(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.put(triggers=Every(1))
    cursor = int(desk.redis.hget(desk.keys.schedule("s"), "cursor"))
    times = itertools.count(cursor, 5000)  # it takes long
    with monkeypatch.context() as patched:
        patched.setattr(desk.store, "now", lambda: next(times))
        desk.put(triggers=Every("1h"))
    assert desk.history() == []
    assert int(desk.redis.hget(desk.keys.schedule("s"), "cursor")) == cursor


def test_what_waits_for_its_jitter_is_fired_before_a_change_of_when(desk: Desk) -> None:
    desk.put(jitter=3600)
    desk.away(45)
    desk.put(jitter=3600, triggers=Cron("0 0 1 1 *"))
    assert [entry.status for entry in desk.history()] == ["fired"]


def test_a_change_of_when_while_it_is_paused_skips_what_the_pause_had(desk: Desk) -> None:
    desk.put(triggers=Every(1), misfire="all")
    desk.manager.pause("s", "why", "me")
    desk.away(2000)
    desk.put(triggers=Every("1h"), misfire="all")
    assert {(status, why) for status, why, _ in desk.told()} == {("skipped", "paused")}
    assert 2000 <= sum(count for _, _, count in desk.told()) < 2100
    assert desk.manager.get("s").paused == "why"  # type: ignore[union-attr]  # there is one
    assert desk.redis.zcard(desk.keys.due) == 0


def test_a_change_after_the_clock_of_redis_was_set_back_decides_nothing_again(desk: Desk) -> None:
    desk.put()
    cursor = desk.store.now() + 3_600_000
    desk.redis.hset(desk.keys.schedule("s"), "cursor", cursor)
    desk.put(triggers=Every(1))
    assert int(desk.redis.hget(desk.keys.schedule("s"), "cursor")) == cursor


def test_who_plans_by_an_old_definition_decides_nothing(desk: Desk) -> None:
    desk.put()
    known = desk.store.record("s")
    assert known is not None
    desk.put(payload={"log": "/dev/zero"})
    due = Due("s", known.revision, known.cursor, "", 0)
    nominal = known.cursor + 1
    assert desk.store.decide([Decision(due, "", nominal, None, "", "", "skip", [Fate(nominal, "fire")])]) == [None]
    assert desk.history() == []


@pytest.mark.parametrize(
    ("fields", "error", "said"),
    [
        ({"work": "scheduled.not"}, UnknownWork, "schedule 's': work: no work type is called 'scheduled.not'"),
        ({"payload": {"log": 7}}, InvalidPayload, "schedule 's': payload: scheduled.note: log: "),
        ({"payload": {}}, InvalidPayload, "schedule 's': payload: scheduled.note: log: is missing"),
        ({"payload": {"log": "x", "colour": 1}}, InvalidPayload, "payload: scheduled.note: colour: is no parameter"),
        ({"misfire": "skip", "catch_up": 5}, InvalidSchedule, "catch_up: misfire='skip' catches up on nothing"),
        ({"over_after": 31}, InvalidSchedule, "over_after: 31 s is past the deadline of 30 s"),
        ({"late_after": 30}, InvalidSchedule, "late_after: 30 s is past the deadline of 30 s"),
        ({"key": "k\n"}, InvalidSchedule, "expected key to be 1 to 200 printable characters"),
        ({"calendars": "nowhere"}, InvalidSchedule, "calendars.0: there is no calendar 'nowhere'"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_changed(
    desk: Desk, fields: dict[str, Any], error: type[Exception], said: str
) -> None:
    for _ in range(2):  # as a new schedule, and as a change
        before = desk.redis.keys("*schedules*")
        with pytest.raises(error) as raised:
            desk.put(**fields)
        assert said in str(raised.value)
        assert "\n" not in str(raised.value)
        assert desk.redis.keys("*schedules*") == before
        desk.put()


def test_schedules_are_listed_by_id_prefix_and_tag(desk: Desk) -> None:
    for id, tags in (("b.two", ("x",)), ("a", ()), ("b.one", ("x", "y"))):
        desk.put(id, tags=tags)

    def listed(**options: Any) -> list[str]:
        wanted = {"tag": None, "prefix": "", "after": "", "limit": 10} | options
        return [status.id for status in desk.manager.page(**wanted)]

    assert listed() == ["a", "b.one", "b.two"]
    assert listed(prefix="b.") == ["b.one", "b.two"]
    assert listed(prefix="b.", after="b.one") == ["b.two"]
    assert listed(limit=1, after="a") == ["b.one"]
    assert listed(tag="x") == ["b.one", "b.two"]
    desk.put("b.one", tags=("y",))
    assert listed(tag="x") == ["b.two"]
    assert listed(tag="y") == ["b.one"]


def test_its_next_instants_and_those_of_all(desk: Desk) -> None:
    desk.put("slow", triggers=Cron("0 0 1 1 *"))
    desk.put("fast", triggers=Every(1))
    first, second = desk.manager.next("fast", 2)
    assert (second - first).total_seconds() == 1
    assert [id for id, _ in desk.manager.upcoming(10)] == ["fast", "slow"]


def test_the_next_of_all_is_not_one_that_is_only_looked_at_first(desk: Desk) -> None:
    today = as_moment(desk.store.now()).date()
    shut = [Day(day=today + timedelta(days=n)) for n in range(3)]
    desk.manager.put_calendars([Dates(name="shut", first=shut[0].day, last=today + timedelta(days=60), days=shut)])
    for id in ("a", "b"):
        desk.put(id, exclude="shut")
    soon = as_moment(desk.store.now() + 3_600_000)
    desk.put("soon", triggers=Once(soon))
    assert desk.manager.upcoming(1) == [("soon", soon)]


def test_a_schedule_that_is_over_is_not_looked_at_any_more(desk: Desk) -> None:
    desk.put(triggers=Cron("0 0 1 1 *"), end="2020-01-01T00:00:00Z")
    assert desk.redis.zcard(desk.keys.due) == 0
    status = desk.manager.get("s")
    assert status is not None
    assert status.next_time is None


def test_deleting_leaves_nothing(desk: Desk) -> None:
    desk.put(tags=("x",))
    desk.fire()
    assert desk.manager.delete("s", "me") is True
    assert desk.manager.delete("s", "me") is False
    assert desk.manager.get("s") is None
    assert desk.redis.keys(f"{desk.keys.base}*") == []


def test_one_deleted_and_made_anew_is_another_one(desk: Desk) -> None:
    desk.put()
    first = desk.fire()
    cursor = int(desk.redis.hget(desk.keys.schedule("s"), "cursor"))
    desk.manager.delete("s", "me")
    desk.put()
    desk.redis.hset(desk.keys.schedule("s"), "cursor", cursor - 60_000)
    second = desk.fire()
    assert second.nominal_time == first.nominal_time
    assert second.work != first.work


def test_one_made_anew_runs_what_it_says_now(desk: Desk) -> None:
    desk.put()
    desk.away(61)
    desk.tick()  # the scheduler has read it
    desk.manager.delete("s", "me")
    desk.put(payload={"log": "/dev/zero"})
    desk.away(61)
    desk.tick()
    [fired] = [entry for entry in desk.history() if entry.status == "fired"]
    assert "/dev/zero" in desk.redis.get(desk.lane.keys.letter(fired.work))


def test_a_work_type_that_only_the_putting_process_knows_is_made_known(desk: Desk) -> None:
    desk.put(work=fail, payload={})
    assert desk.lane.ledger.published_type("scheduled.fail") is not None


def test_a_definition_survives_its_way_through_redis(desk: Desk) -> None:
    schedule = Schedule(
        id="s", work=note, payload={"log": "x", "seconds": 2.5}, triggers=(Cron("5 4 * * *"), MINUTE),
        timezone="Asia/Kolkata", start="2026-01-01", end="2027-01-01", jitter="30s", timeout="10s", misfire="all",
        max_catch_up=7, catch_up="1h", overlap="buffer_one", key="k", tags=("a", "b"), max_failures=3, late_after="5s",
        over_after="9s",
    )  # fmt: skip
    desk.manager.put(schedule)
    status = desk.manager.get("s")
    assert status is not None
    assert status.schedule == schedule


def test_who_has_no_name_is_known_by_his_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", nameless)
    assert this_actor().startswith(f"{os.getuid()}@")
