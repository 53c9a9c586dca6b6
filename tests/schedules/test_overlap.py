"""The overlap policies: what becomes of an instant that finds an earlier run not yet ended."""

import pytest

from askfirst import Reason, State
from askfirst.schedules import HistoryEntry, Status
from tests.support.scheduled import Desk


def running(desk: Desk, overlap: str) -> HistoryEntry:
    """The first instant of such a schedule, whose run goes on."""
    desk.put(overlap=overlap)
    entry = desk.fire()
    assert entry.work is not None
    desk.lane.verdict(entry.work)
    return entry


def end(desk: Desk, entry: HistoryEntry) -> None:
    assert entry.work is not None
    desk.lane.answer(entry.work)
    desk.look_again()


def statuses(desk: Desk) -> list[Status]:
    return [entry.status for entry in reversed(desk.history())]


FIRED, SKIPPED, BUFFERED = Status.FIRED, Status.SKIPPED, Status.BUFFERED


def test_skip_leaves_out_what_finds_a_run(desk: Desk) -> None:
    first = running(desk, "skip")
    assert (desk.fire().status, desk.fire().why) == (SKIPPED, "the run before goes on")
    end(desk, first)
    assert desk.fire().status is FIRED


def test_allow_all_runs_them_side_by_side(desk: Desk) -> None:
    running(desk, "allow_all")
    assert desk.fire().status is FIRED


def test_buffer_one_lets_one_wait_and_skips_the_others(desk: Desk) -> None:
    first = running(desk, "buffer_one")
    assert [desk.fire().status for _ in range(3)] == [BUFFERED, SKIPPED, SKIPPED]
    assert desk.history()[0].why == "1 wait already"
    end(desk, first)
    assert statuses(desk) == [FIRED, FIRED, SKIPPED, SKIPPED]


def test_buffer_all_runs_them_one_after_another_in_their_order(desk: Desk) -> None:
    first = running(desk, "buffer_all")
    for _ in range(3):
        desk.fire()
    assert statuses(desk) == [FIRED, BUFFERED, BUFFERED, BUFFERED]
    end(desk, first)
    assert statuses(desk) == [FIRED, FIRED, BUFFERED, BUFFERED]
    end(desk, desk.history()[2])
    assert statuses(desk) == [FIRED, FIRED, FIRED, BUFFERED]


@pytest.mark.parametrize("policy", ["cancel_other", "kill_other"])
def test_the_other_is_ended_and_the_next_starts_when_it_has(desk: Desk, policy: str) -> None:
    first = running(desk, policy)
    second = desk.fire()
    assert second.status is BUFFERED
    desk.tick()
    assert desk.work_of(first).reason == Reason.OVERTAKEN
    orders = desk.lane.mail("w1")
    assert [bool(order.get("kill")) for order in orders] == [False] + [True] * (policy == "kill_other")
    third = desk.fire()  # the newest is what is wanted
    assert [entry.why for entry in reversed(desk.history())] == [None, "overtaken", None]
    end(desk, first)
    found = desk.history()
    assert (found[0].status, found[0].nominal_time) == (FIRED, third.nominal_time)
    assert (found[2].state, found[2].reason) == (State.CANCELLED, Reason.OVERTAKEN)


def test_the_next_that_is_claimed_in_the_millisecond_of_its_decision_runs(desk: Desk) -> None:
    first = running(desk, "cancel_other")
    desk.fire()
    desk.redis.hset(desk.keys.schedule("s"), "overtaken_at", desk.store.now() + 1000)
    end(desk, first)
    desk.look_again()
    assert desk.work_of(desk.history()[0]).state is State.PENDING


def test_the_other_that_has_not_started_is_ended_too(desk: Desk) -> None:
    desk.put(overlap="cancel_other")
    first = desk.fire()
    desk.fire()
    desk.tick()
    assert desk.work_of(first).state is State.CANCELLED
    desk.look_again()
    assert desk.history()[0].status is FIRED


def test_what_was_buffered_by_a_dead_scheduler_is_released_by_a_peer(desk: Desk) -> None:
    """Between the end of the run and the publication of the next nobody is needed who knows of it."""
    first = running(desk, "buffer_one")
    desk.fire()
    assert first.work is not None
    desk.lane.answer(first.work)
    notes = {"id": "s", "instant": desk.store.open("s")[0].entry.instant, "work": first.work}
    [claims] = desk.store.ended([notes | {"outcome": '{"state":"COMPLETED"}', "max_failures": 0}])
    assert claims is not None
    assert len(claims) == 1  # and nobody publishes it
    desk.look_again()
    assert desk.history()[0].status is FIRED


def test_after_a_change_of_policy_it_waits_for_all_runs(desk: Desk) -> None:
    first = running(desk, "allow_all")
    second = desk.fire()
    desk.put(overlap="buffer_one")
    assert desk.fire().status is BUFFERED
    end(desk, first)
    assert desk.history()[0].status is BUFFERED
    end(desk, second)
    assert desk.history()[0].status is FIRED
