"""What became of each instant: outcome, duration, marks missed; how long it is kept; what is done about failures."""

import json
from datetime import timedelta
from typing import Any

import pytest

from askfirst import State
from askfirst.schedules import HistoryEntry, InvalidSchedule, Status
from tests.support.scheduled import Desk


def run(desk: Desk, state: State = State.COMPLETED, **fields: Any) -> HistoryEntry:
    """The next instant, run to its end."""
    entry = desk.fire()
    assert entry.work is not None
    desk.lane.answer(entry.work, state=state, **fields)
    desk.look_again()
    return desk.history()[0]


def test_the_outcome_of_a_run(desk: Desk) -> None:
    desk.put()
    entry = run(desk)
    assert (entry.status, entry.state, entry.failure) == (Status.FIRED, State.COMPLETED, None)
    assert entry.started_at is not None
    assert entry.duration is not None
    assert 0 <= entry.duration < 5
    entry = run(desk, State.FAILED)
    assert (entry.state, entry.failure) == (State.FAILED, "ValueError: no")


def test_it_is_found_by_time_and_status(desk: Desk) -> None:
    desk.put()
    run(desk)
    first = desk.history()[0].nominal_time
    desk.fire()
    desk.fire()  # is skipped: the one before goes on

    def found(**options: Any) -> list[tuple[Any, Any]]:
        wanted = {"since": None, "until": None, "status": None, "limit": 10} | options
        entries = desk.manager.history("s", **wanted)
        return [((entry.nominal_time - first).total_seconds(), entry.status) for entry in entries]

    assert found() == [(120, Status.SKIPPED), (60, Status.FIRED), (0, Status.FIRED)]
    assert found(until=first + timedelta(minutes=1)) == [(60, Status.FIRED), (0, Status.FIRED)]
    assert found(since=first + timedelta(minutes=1), limit=1) == [(120, Status.SKIPPED)]
    assert found(status=Status.SKIPPED) == [(120, Status.SKIPPED)]


def test_so_many_entries_are_kept_and_what_is_open_in_any_case(desk: Desk) -> None:
    desk.put(overlap="buffer_all")
    desk.store._policy["keep"] = 3
    for _ in range(5):
        desk.fire()
    assert [entry.status for entry in desk.history()] == [Status.BUFFERED] * 4 + [Status.FIRED]
    desk.store._policy["keep"] = 2
    desk.put(overlap="skip")
    desk.manager.pause("s", "why", "me")
    desk.manager.resume("s")
    for _ in range(4):
        run(desk)
    assert len(desk.history()) == 2
    assert desk.redis.hlen(desk.keys.entries("s")) == 2


def test_entries_are_kept_for_so_long(desk: Desk) -> None:
    desk.put()
    run(desk)
    run(desk)
    for instant, text in desk.redis.hgetall(desk.keys.entries("s")).items():
        old = json.loads(text) | {"decided_at": desk.store.now() - 60_001}
        desk.redis.hset(desk.keys.entries("s"), instant, json.dumps(old))
    desk.store._policy["keep_for"] = 60_000
    run(desk)
    assert len(desk.history()) == 1


# Marks


def test_a_run_that_starts_in_time_is_not_late(desk: Desk) -> None:
    desk.put(late_after=5, timeout=20)
    assert not run(desk).late


def test_a_run_that_started_too_late_says_so(desk: Desk) -> None:
    desk.put(late_after=5, timeout=20)
    desk.away(120)  # the next instant was a minute ago
    assert run(desk).late


def test_a_run_that_waits_for_too_long_says_so_before_it_starts(desk: Desk) -> None:
    desk.put(late_after=5, timeout=20)
    desk.away(120)
    desk.fire()
    desk.look_again()
    [entry] = desk.history()
    assert (entry.late, entry.started_at) == (True, None)


def test_a_run_that_takes_too_long_says_so_while_it_does(desk: Desk) -> None:
    desk.put(over_after=0.001)
    entry = desk.fire()
    assert entry.work is not None
    desk.lane.verdict(entry.work)
    desk.redis.hincrby(desk.lane.keys.work(entry.work), "started_at", -100)
    desk.look_again()
    assert desk.history()[0].over_time
    assert desk.history()[0].state is None
    desk.lane.answer(entry.work)
    desk.look_again()
    assert desk.history()[0].over_time
    assert desk.history()[0].state == State.COMPLETED


# Failures


def test_so_many_failures_in_a_row_pause_it(desk: Desk) -> None:
    desk.put(max_failures=2)
    run(desk, State.FAILED)
    run(desk)
    run(desk, State.FAILED)
    assert desk.manager.get("s").failures == 1  # type: ignore[union-attr]  # there is one
    run(desk, State.FAILED)
    status = desk.manager.get("s")
    assert status is not None
    assert (status.paused, status.paused_by) == ("2 failed runs in a row", "scheduler")
    desk.manager.resume("s")
    assert desk.manager.get("s").failures == 0  # type: ignore[union-attr]  # there is one


def test_a_pause_after_failures_ends_what_was_queued(desk: Desk) -> None:
    desk.put(max_failures=1, overlap="allow_all")
    first, second = desk.fire(), desk.fire()
    assert first.work is not None
    desk.lane.answer(first.work, state=State.FAILED)
    desk.look_again()
    desk.tick()
    assert desk.work_of(second).state is State.CANCELLED
    assert desk.history()[0].status is Status.SKIPPED


def test_a_run_that_an_operator_cancelled_has_not_failed(desk: Desk) -> None:
    desk.put(max_failures=1)
    entry = desk.fire()
    assert entry.work is not None
    desk.lane.ledger.cancel(entry.work, "cancelled by an operator")
    desk.look_again()
    assert desk.history()[0].state == State.CANCELLED
    assert desk.manager.get("s").paused is None  # type: ignore[union-attr]  # there is one


# The past again


def test_a_backfill_runs_what_has_not_run_or_has_failed_one_after_another(desk: Desk) -> None:
    desk.put(misfire="skip")
    desk.away(601)
    desk.tick()
    now = desk.history()[0].until
    filled = desk.manager.backfill("s", now - timedelta(minutes=4), now - timedelta(minutes=1), "buffer_all")
    assert [entry.status for entry in filled] == [Status.FIRED, Status.BUFFERED, Status.BUFFERED]
    assert {entry.cause for entry in filled} == {"backfilled"}
    assert filled[0].work is not None
    desk.lane.answer(filled[0].work, state=State.FAILED)
    desk.look_again()
    [going_on] = [entry for entry in desk.history() if entry.status is Status.FIRED and not entry.state]
    assert going_on.nominal_time == filled[1].nominal_time
    again = desk.manager.backfill("s", now - timedelta(minutes=4), now - timedelta(minutes=1), "buffer_all")
    assert [(entry.nominal_time, entry.status) for entry in again] == [(filled[0].nominal_time, Status.BUFFERED)]
    assert desk.manager.backfill("s", now - timedelta(minutes=4), now - timedelta(minutes=1), "buffer_all") == []


def test_a_backfilled_instant_that_ran_before_gets_a_work_of_its_own(desk: Desk) -> None:
    desk.put(misfire="latest")
    desk.away(61)
    desk.tick()
    fired = next(entry for entry in desk.history() if entry.status is Status.FIRED)
    assert fired.work is not None
    desk.lane.answer(fired.work, state=State.FAILED)
    desk.look_again()
    at = fired.nominal_time
    [again] = desk.manager.backfill("s", at - timedelta(seconds=1), at, "buffer_all")
    assert again.work not in (None, fired.work)
    assert desk.work_of(again).key.endswith("Z/2")  # type: ignore[union-attr]  # it has a key


def test_a_backfill_keeps_to_the_past_and_to_its_bound(desk: Desk) -> None:
    desk.put()
    now = desk.manager.next("s", 1)[0]
    assert desk.manager.backfill("s", now - timedelta(seconds=1), now + timedelta(hours=1), "allow_all") == []
    with pytest.raises(InvalidSchedule, match="more than 250 instants"):
        desk.manager.backfill("s", now - timedelta(days=1), now, "allow_all")
