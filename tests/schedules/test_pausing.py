"""Pausing, resuming, deleting: what was queued and has not started never runs, what runs goes on."""

import json

import pytest

from askfirst import State
from askfirst.schedules import Every, Status, UnknownSchedule
from tests.support.scheduled import Desk


def test_what_is_queued_never_runs(desk: Desk) -> None:
    desk.put(overlap="buffer_all")
    queued, waiting = desk.fire(), desk.fire()
    assert (queued.status, waiting.status) == (Status.FIRED, Status.BUFFERED)
    assert desk.manager.pause("s", "why", "me") is True
    assert desk.work_of(queued).state is State.CANCELLED
    assert [(entry.status, entry.why) for entry in desk.history()] == [(Status.SKIPPED, "paused")] * 2
    desk.look_again()
    assert desk.store.open("s") == []


def test_what_runs_goes_on_and_is_followed_to_its_end(desk: Desk) -> None:
    desk.put()
    entry = desk.fire()
    assert entry.work is not None
    desk.lane.verdict(entry.work)
    desk.manager.pause("s", "why", "me")
    assert desk.work_of(entry).state is State.RUNNING
    desk.lane.answer(entry.work)
    desk.look_again()
    [entry] = desk.history()
    assert (entry.status, entry.state) == (Status.FIRED, State.COMPLETED)


@pytest.mark.parametrize("end", ["pause", "delete"])
def test_if_whoever_does_it_dies_on_the_way_a_scheduler_ends_what_has_not_started(desk: Desk, end: str) -> None:
    desk.put(overlap="allow_all")
    queued = desk.fire()
    [claimed] = desk.claim()
    assert desk.store.pause("s", "why", "me") if end == "pause" else desk.store.delete("s", "me")
    desk.tick()
    desk.publish([claimed])
    assert desk.work_of(queued).state is State.CANCELLED
    assert desk.lane.state(claimed.entry.work) is None
    assert desk.store.open("s") == []
    if end == "delete":
        assert desk.redis.keys(f"{desk.keys.base}*") == []


def test_it_says_why_and_by_whom(desk: Desk) -> None:
    desk.put()
    desk.manager.pause("s", "maintenance", "ann")
    assert desk.manager.pause("s", "again", "bob") is False
    status = desk.manager.get("s")
    assert status is not None
    assert (status.paused, status.paused_by, status.next_time) == ("maintenance", "ann", None)
    assert status.paused_at is not None


def test_the_instants_of_the_pause_are_skipped(desk: Desk) -> None:
    desk.put(triggers=Every(1), misfire="all")
    desk.manager.pause("s", "why", "me")
    desk.away(50)
    desk.tick()
    assert desk.history() == []
    assert desk.manager.resume("s") is True
    assert desk.manager.resume("s") is False
    desk.tick()
    [(status, why, count)] = desk.told()
    assert (status, why) == ("skipped", "paused")
    assert 50 <= count <= 52
    assert desk.manager.get("s").next_time is not None  # type: ignore[union-attr]  # there is one


def test_a_change_while_it_is_paused_leaves_it_paused(desk: Desk) -> None:
    desk.put()
    desk.manager.pause("s", "why", "me")
    desk.put(payload={"log": "/dev/zero"})
    desk.tick()
    assert desk.manager.get("s").paused == "why"  # type: ignore[union-attr]  # there is one
    assert desk.redis.zcard(desk.keys.due) == 0


def test_a_run_of_a_deleted_schedule_goes_on(desk: Desk) -> None:
    desk.put()
    entry = desk.fire()
    assert entry.work is not None
    desk.lane.verdict(entry.work)
    desk.manager.delete("s", "me")
    assert desk.work_of(entry).state is State.RUNNING
    assert desk.redis.keys(f"{desk.keys.base}*") == []
    desk.lane.answer(entry.work)


def test_there_must_be_such_a_schedule(desk: Desk) -> None:
    for attempt in (
        lambda: desk.manager.pause("no", "", ""),
        lambda: desk.manager.resume("no"),
        lambda: desk.manager.trigger("no"),
        lambda: desk.manager.next("no", 1),
        lambda: desk.history("no"),
    ):
        with pytest.raises(UnknownSchedule, match="no schedule is called 'no'"):
            attempt()
    assert desk.manager.get("no") is None


# By hand


def test_triggering_fires_now_also_while_it_is_paused(desk: Desk) -> None:
    desk.put()
    desk.manager.pause("s", "why", "me")
    entry = desk.manager.trigger("s")
    assert (entry.status, entry.cause) == (Status.FIRED, "triggered")
    assert desk.work_of(entry).key.endswith("Z/trigger")  # type: ignore[union-attr]  # it has a key
    desk.look_again()
    assert desk.work_of(entry).state is State.PENDING


def test_triggering_keeps_to_the_overlap_policy(desk: Desk) -> None:
    desk.put()
    desk.fire()
    entry = desk.manager.trigger("s")
    assert (entry.status, entry.why) == (Status.SKIPPED, "the run before goes on")


def test_a_trigger_that_is_sent_twice_fires_once_and_two_triggers_fire_twice(desk: Desk) -> None:
    desk.put(overlap="allow_all")
    call = desk.store._bind("trigger", id="s", nominal=1000, nonce="a", overlap="allow_all", keep=9, keep_for=10**9)
    other = desk.store._bind("trigger", id="s", nominal=1000, nonce="b", overlap="allow_all", keep=9, keep_for=10**9)
    first, again, second = desk.store.line.batch([call, call, other])
    assert json.loads(first[2]) == json.loads(again[2])
    assert '"nominal":1001' in second[2]
    assert len(desk.history()) == 2
