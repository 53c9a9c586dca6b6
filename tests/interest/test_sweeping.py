"""Dead work behind dead work never reaches a worker."""

import json
from collections import Counter
from typing import Any

import pytest

from askfirst.interest.errors import LedgerUnavailable
from askfirst.interest.limits import Declaration, Limit, declare
from askfirst.interest.records import Submission, Swept
from askfirst.interest.states import Reason, State, Verdict
from tests.support.lanes import Lane

BULK = 40  # messages in one step


def test_live_work_behind_a_crowd_of_dead_work_is_reached_after_a_few_sweeps(lane: Lane) -> None:
    dead = [lane.submit(timeout=1, interest=f"d:gone:{n}") for n in range(2 * BULK + 10)]
    live = lane.submit(timeout=600)
    lane.let_pass(2)
    assert [step.reasons for step in steps(lane)] == [{Reason.DEADLINE_PASSED: n} for n in (BULK, BULK, 10)]
    assert {lane.state(each.id) for each in dead} == {State.EXPIRED}
    assert lane.rung() == [live.id]
    assert lane.ask(live.id).verdict is Verdict.RUN


def test_a_sweep_that_is_told_to_end_takes_no_more_than_what_is_under_way(lane: Lane) -> None:
    for n in range(4 * BULK):
        lane.submit(timeout=1, interest=f"d:gone:{n}")
    lane.let_pass(2)
    assert [len(step.messages) for step in steps(lane, most=2, told=True)] == [BULK, BULK, BULK]
    assert len(lane.rung()) == BULK


def test_caretakers_leave_dead_work_to_a_sweep_that_is_under_way(lane: Lane) -> None:
    works = [lane.submit(timeout=1, interest=f"d:gone:{n}") for n in range(2 * BULK + 1)]
    lane.let_pass(2)
    steps(lane, most=1)
    last = works[-1].id
    lane.tend()
    assert lane.state(last) is State.PENDING
    lane.let_pass(1.1)
    lane.tend()
    assert lane.state(last) is State.EXPIRED, "the sweep has ended, and not come to it"


def test_a_sweep_that_met_a_live_work_leaves_nothing_to_caretakers_undone(lane: Lane) -> None:
    lane.submit(timeout=1, interest="d:gone:1")
    lane.submit(timeout=600)
    behind = lane.submit(timeout=1, interest="d:gone:2")
    lane.let_pass(2)
    steps(lane)
    lane.tend()
    assert lane.state(behind.id) is State.EXPIRED


def test_each_importance_has_its_own_queue_and_is_swept(lane: Lane) -> None:
    for importance in ("critical", "normal", "sheddable"):
        lane.submit(timeout=1, interest=f"d:gone:{importance}", importance=importance)
    live = lane.submit(importance="normal")
    lane.let_pass(2)
    assert sweep(lane) == {Reason.DEADLINE_PASSED: 3}
    assert lane.rung() == [live.id]


def test_swept_messages_are_told_with_their_reasons_if_wanted(lane: Lane) -> None:
    ids = [lane.submit(timeout=1, interest=f"d:gone:{n}").id for n in range(3)]
    lane.let_pass(2)
    [swept] = steps(lane, told=True)
    assert [(json.loads(headers)["id"], reason) for headers, reason in swept.messages] == [
        (id, Reason.DEADLINE_PASSED) for id in ids
    ]


def test_a_message_whose_record_is_lost_is_left_for_a_worker_to_ask_about(lane: Lane) -> None:
    lane.submit(timeout=1, interest="d:gone:1")
    lost = lane.submit(timeout=600)
    lane.let_pass(2)
    lane.redis.delete(lane.keys.work(lost.id), lane.keys.interests(lost.id))
    assert sweep(lane) == {Reason.DEADLINE_PASSED: 1}
    assert lane.rung() == [lost.id]


def test_messages_whose_records_have_outlived_their_time_are_swept(lane: Lane) -> None:
    for n in range(3):
        overdue = lane.submit(timeout=0.001, interest=f"d:gone:{n}")
        lane.redis.delete(lane.keys.work(overdue.id), lane.keys.interests(overdue.id))
    forgotten = lane.submit(timeout=60, retention=1)
    lane.withdraw(forgotten.id, forgotten.interest)
    lane.let_pass(2)
    live = lane.submit()
    assert sweep(lane) == {Reason.DEADLINE_PASSED: 3, "duplicate delivery": 1}
    assert lane.rung() == [live.id]


def test_work_of_dead_callers_is_swept_as_theirs(lane: Lane) -> None:
    work = lane.submit("dead", timeout=600)
    lane.let_pass(12, up=True)
    assert sweep(lane) == {Reason.CALLER_GONE: 1}
    assert lane.status(work.id).state is State.CANCELLED


def test_work_that_ended_meanwhile_leaves_its_message_to_the_sweep(lane: Lane) -> None:
    work = lane.submit()
    lane.withdraw(work.id, work.interest)
    assert sweep(lane) == {Reason.WITHDRAWN: 1}


def test_swept_work_leaves_the_ledger_as_dropped_work_does(lane: Lane) -> None:
    asked, swept = (lane.submit(timeout=1, detached=True, retention=30) for _ in range(2))
    lane.let_pass(2)
    lane.deliver(asked.id)
    sweep(lane)
    first, second = lane.status(asked.id), lane.status(swept.id)
    assert (first.state, first.reason) == (second.state, second.reason) == (State.EXPIRED, Reason.DEADLINE_PASSED)
    for id in (asked.id, swept.id):
        assert not lane.redis.exists(lane.keys.letter(id), lane.keys.interests(id))
        assert 0 < lane.redis.pttl(lane.keys.work(id)) <= 30_000
        assert lane.redis.zscore(lane.keys.index("EXPIRED"), id)
        assert lane.redis.zscore(lane.keys.index("PENDING"), id) is None
    assert lane.ledger.totals(lane.name) == {f"EXPIRED: {Reason.DEADLINE_PASSED}": 2}
    assert lane.redis.hget(lane.keys.load, "waiting:normal") == "0"


def test_the_work_that_waited_for_a_swept_one_of_its_key_goes_on(lane: Lane) -> None:
    first = lane.submit(key="k", timeout=600)
    assert lane.deliver(first.id)[0] is Verdict.RUN
    second = lane.submit(key="k", on_duplicate="replace", timeout=1, detached=True)
    third = lane.submit(key="k", on_duplicate="replace", timeout=600)
    lane.finish(first)
    assert second.id != third.id
    sweep(lane)
    assert third.id in lane.rung()


def test_what_a_swept_work_held_back_keeps_its_message(lane: Lane) -> None:
    run, released, held = limited_to_one(lane)
    for work in (run, released, held):
        lane.deliver(work.id)
    lane.finish(run)
    other = lane.submit(timeout=600, name="other")
    lane.let_pass(6, up=True, pulses=["alice"])
    assert sweep(lane) == {Reason.DEADLINE_PASSED: 1}
    assert lane.rung() == [held.id, other.id]


def test_a_held_work_that_is_swept_waits_for_its_limit_no_more(lane: Lane) -> None:
    run, dead, held = limited_to_one(lane)
    for work in (run, dead, held):
        lane.verdict(work.id)  # their messages come a second time
    lane.deliver(run.id)
    lane.let_pass(6, up=True, pulses=["alice"])
    assert sweep(lane) == {Reason.DEADLINE_PASSED: 1}
    lane.messages()
    lane.finish(run)
    assert lane.rung() == [held.id]


def test_a_work_with_too_little_time_for_which_nobody_waits_is_not_swept_with_the_dead_before_it(lane: Lane) -> None:
    declare(lane.ledger, lane.name, {"t": Declaration(Limit(), expected=10.0)}, None)
    for n in range(5):
        lane.submit(timeout=1, interest=f"d:gone:{n}")
    last = lane.submit(timeout=5)
    lane.let_pass(2, up=True, pulses=["alice"])
    assert sweep(lane) == {Reason.DEADLINE_PASSED: 5}
    assert lane.rung() == [last.id]


@pytest.mark.parametrize("importance", ["critical", "sheddable"])
def test_nothing_is_swept_from_a_queue_of_live_work(lane: Lane, importance: str) -> None:
    works = [lane.submit(importance=importance) for _ in range(3)]
    assert sweep(lane) == {}
    assert lane.rung() == [work.id for work in works]


def limited_to_one(lane: Lane) -> list[Submission]:
    declare(lane.ledger, lane.name, {"t": Declaration(Limit(max_concurrent=1))}, None)
    return [lane.submit(timeout=600), lane.submit(timeout=5, detached=True), lane.submit(timeout=600)]


def steps(lane: Lane, *, most: int = 99, told: bool = False) -> list[Swept]:
    """What a sweep takes step by step; told to end after so many of them."""
    found: list[Swept] = []

    def look_at(swept: Swept) -> bool:
        found.append(swept)
        return len(found) < most

    lane.ledger.sweep(lane.name, look_at, told=told)
    return found


def sweep(lane: Lane) -> dict[str, int]:
    """How many died of what."""
    reasons: Counter[str] = Counter()
    for swept in steps(lane):
        reasons.update(swept.reasons)
    return dict(reasons)


def test_a_dead_message_that_is_no_text_is_swept_like_any_other(lane: Lane, redis: Any) -> None:
    """Whatever else it says; nothing of it is shown."""
    work = lane.ended(State.COMPLETED)
    lane.messages()
    queue = lane.keys.queues[1]
    for headers in (b'"headers":{"id":"\xff\xfe"},"content-type"', b"\xff", b'"headers":{,},"content-type"'):
        redis.lpush(queue, b'{"properties":{"correlation_id":"%s"},%s' % (work.id.encode(), headers))
    [swept] = steps(lane, told=True)
    assert swept.reasons == {Reason.DUPLICATE: 3}
    assert [text for text, _ in swept.messages][:2] == ["{}", "{}"]


def test_a_record_that_is_no_text_is_an_unusable_ledger_and_no_crash(lane: Lane, redis: Any) -> None:
    work = lane.ended(State.CANCELLED)
    redis.hset(lane.keys.work(work.id), "reason", b"\xff\xfe")
    with pytest.raises(LedgerUnavailable, match="holds what is no text"):
        lane.ask(work.id)
    assert lane.ledger.counts("default")[State.CANCELLED] == 1


def test_a_swept_work_does_not_keep_the_error_of_an_earlier_try(lane: Lane) -> None:
    work = lane.running(timeout=5, detached=True)
    lane.retry(work.id, 1, 0.1, json.dumps({"type": "E", "message": "no", "traceback": ""}))
    lane.let_pass(1)
    lane.tend()
    lane.let_pass(5)
    steps(lane)
    assert lane.state(work.id) is State.EXPIRED
    assert lane.status(work.id).error is None
