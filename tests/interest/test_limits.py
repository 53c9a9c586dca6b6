"""How many runs of a type, or of one partition of it, may be at once and may start in a period, in the whole fleet."""

from typing import Any

import pytest

from askfirst.config.units import Rate
from askfirst.interest.limits import (
    Declaration,
    Limit,
    LimitChange,
    LimitInUse,
    change_limit,
    declare,
    limits_of,
    set_limit,
)
from askfirst.interest.records import Submission
from askfirst.interest.states import Reason, State, Verdict
from tests.support.lanes import Lane

HELD = (Verdict.HOLD, Reason.LIMIT_REACHED)
RUN = (Verdict.RUN, "")


@pytest.fixture
def limited(lane: Lane) -> Lane:
    """A lane whose type "t" may run twice at once."""
    say(lane, Limit(max_concurrent=2))
    return lane


def test_no_more_run_than_allowed_and_the_others_wait_in_the_ledger(limited: Lane) -> None:
    works = [limited.submit() for _ in range(4)]
    assert [limited.deliver(work.id) for work in works] == [RUN, RUN, HELD, HELD]
    assert limited.status(works[2].id).reason == Reason.LIMIT_REACHED
    assert limited.rung() == []


def test_the_end_of_a_run_releases_the_one_that_was_held_longest(limited: Lane) -> None:
    works = [limited.submit() for _ in range(5)]
    for work in works:
        limited.deliver(work.id)
    limited.finish(works[1])
    assert limited.rung() == [works[2].id]
    assert limited.verdict(works[2].id) == RUN
    assert limited.status(works[2].id).reason is None
    assert limited.verdict(works[3].id) == HELD


def test_released_work_goes_ahead_of_the_queue_and_of_newcomers(limited: Lane) -> None:
    works = [limited.submit() for _ in range(3)]
    for work in works:
        limited.deliver(work.id)
    other = limited.submit(name="other")
    newcomer = limited.submit()
    limited.finish(works[0])
    assert limited.rung() == [works[2].id, other.id, newcomer.id]
    assert limited.verdict(newcomer.id) == HELD
    assert limited.verdict(works[2].id) == RUN


@pytest.mark.parametrize("way", ["finish", "retry", "release", "lapse", "cancel"])
def test_every_way_out_of_a_run_gives_its_permit_back(lane: Lane, way: str) -> None:
    say(lane, Limit(max_concurrent=1))
    first, second = lane.submit(timeout=600), lane.submit(timeout=600)
    assert (lane.deliver(first.id), lane.deliver(second.id)) == (RUN, HELD)
    leave(lane, first, way)
    rung = lane.rung()
    assert second.id in rung
    assert lane.verdict(second.id) == RUN
    assert running(lane) == 1


def leave(lane: Lane, work: Submission, way: str) -> None:
    if way == "finish":
        lane.finish(work)
    elif way == "retry":
        lane.retry(work.id, 1, 5.0, "{}")
    elif way == "release":
        lane.release(work.id, 1, lost=False)
    elif way == "lapse":
        lane.let_pass(25, up=True, pulses=["alice"])
        lane.tend()
    else:
        lane.ledger.cancel(work.id, "cancelled by an operator")
        lane.finish(work, state=State.CANCELLED, reason="cancelled by an operator")


@pytest.mark.parametrize("way", ["withdraw", "expire"])
def test_held_work_that_nobody_wants_is_passed_over(limited: Lane, way: str) -> None:
    runs = [limited.submit(timeout=600) for _ in range(2)]
    dead, live = limited.submit(timeout=5, detached=way == "expire"), limited.submit(timeout=600)
    for work in (*runs, dead, live):
        limited.deliver(work.id)
    if way == "withdraw":
        limited.withdraw(dead.id, dead.interest)
    else:
        limited.let_pass(6, up=True, pulses=["alice"])
        limited.tend()
    assert limited.status(dead.id).state.ended
    limited.finish(runs[0])
    assert limited.rung() == [live.id]


def test_a_permit_whose_work_is_lost_comes_back(limited: Lane) -> None:
    lost, other = limited.running(), limited.running()
    held = limited.submit()
    limited.deliver(held.id)
    limited.messages()
    limited.redis.delete(limited.keys.work(lost.id))
    for _ in range(5):
        limited.let_pass(2.5, up=True, pulses=["alice"])
        limited.beat((other.id, 1))
    limited.tend()
    assert limited.rung() == [held.id]
    assert running(limited) == 2


def test_a_run_that_was_put_back_goes_before_those_that_have_not_had_their_turn(lane: Lane) -> None:
    say(lane, Limit(max_concurrent=1))
    begun, first, second = (lane.submit(timeout=600) for _ in range(3))
    for work in (begun, first, second):
        lane.deliver(work.id)
    lane.release(begun.id, 1, lost=False)
    assert lane.deliver(begun.id) == HELD
    assert lane.deliver(first.id) == RUN
    lane.finish(first)
    assert lane.rung() == [begun.id]


def test_lost_work_does_not_hide_behind_runs_that_take_long(lane: Lane) -> None:
    say(lane, Limit(max_concurrent=8))
    runs = [lane.running(timeout=6000) for _ in range(8)]
    held = lane.submit(timeout=6000)
    lane.deliver(held.id)
    lane.messages()
    lane.redis.delete(lane.keys.work(runs.pop().id))
    for _ in range(15):
        lane.let_pass(2.5, up=True, pulses=["alice"])
        lane.beat(*((run.id, 1) for run in runs))
        lane.redis.zadd(lane.keys.index("HELD"), {"t": 1})
        lane.tend()
    assert held.id in lane.rung()


def test_a_released_work_that_is_lost_does_not_count_against_the_rate_for_ever(lane: Lane) -> None:
    say(lane, Limit(rate=Rate(1, 10.0)))
    started, lost, held = (lane.submit(timeout=600) for _ in range(3))
    for work in (started, lost, held):
        lane.deliver(work.id)
    lane.let_pass(11, up=True, pulses=["alice"])
    lane.tend()
    assert lane.rung() == [lost.id]
    lane.redis.delete(lane.keys.work(lost.id), lane.keys.interests(lost.id), lane.keys.letter(lost.id))
    lane.let_pass(11, up=True, pulses=["alice"])
    lane.tend()
    assert held.id in lane.rung()


def test_released_work_that_may_not_start_after_all_passes_its_permit_on(lane: Lane) -> None:
    say(lane, Limit(max_concurrent=1))
    run, first, second = (lane.submit(timeout=600, caller=caller) for caller in ("alice", "bob", "alice"))
    for work in (run, first, second):
        lane.deliver(work.id)
    lane.finish(run)
    assert lane.rung() == [first.id]
    lane.withdraw(first.id, first.interest)
    assert lane.rung() == [second.id]


@pytest.mark.parametrize("others", [0, 1])
def test_held_work_with_too_little_time_leaves_the_permit_to_others_that_are_held(lane: Lane, others: int) -> None:
    declare(lane.ledger, lane.name, {"t": Declaration(Limit(max_concurrent=1), expected=10.0)}, None)
    run, late, *held = (lane.submit(timeout=timeout) for timeout in (600, 15, *[600] * others))
    for work in (run, late, *held):
        lane.deliver(work.id)
    lane.let_pass(10, up=True, pulses=["alice"])
    lane.finish(run, state=State.FAILED)
    if held:
        assert lane.rung() == [held[0].id]
        assert (lane.state(late.id), lane.status(late.id).reason) == (State.EXPIRED, Reason.NOT_ENOUGH_TIME)
    else:
        assert lane.rung() == [late.id]
        assert lane.verdict(late.id) == RUN


def test_released_work_that_has_too_little_time_when_it_asks_passes_its_permit_on(lane: Lane) -> None:
    declare(lane.ledger, lane.name, {"t": Declaration(Limit(max_concurrent=1), expected=10.0)}, None)
    run, late, held = (lane.submit(timeout=timeout) for timeout in (600, 15, 600))
    for work in (run, late, held):
        lane.deliver(work.id)
    lane.finish(run, state=State.FAILED)
    assert lane.rung() == [late.id]
    lane.let_pass(10, up=True, pulses=["alice"])
    assert lane.verdict(late.id) == (Verdict.DROP, Reason.NOT_ENOUGH_TIME)
    assert lane.rung() == [held.id]


def test_permits_of_lost_works_go_with_their_records(lane: Lane) -> None:
    say(lane, Limit(max_concurrent=1))
    lost, released = (lane.submit(timeout=60, partition="p") for _ in range(2))
    for work in (lost, released):
        lane.deliver(work.id)
    lane.finish(lost)
    kept = [lane.keys.permits("t p"), lane.keys.released("t p")]
    life = lane.redis.pttl(lane.keys.work(released.id))
    assert [lane.redis.pttl(key) for key in kept] == pytest.approx([life, life], abs=1000)
    lane.ledger.attach(released.id, lane.interest("bob"), 600)
    longer = lane.redis.pttl(lane.keys.work(released.id))
    assert longer > life + 500_000
    assert [lane.redis.pttl(key) for key in kept] == pytest.approx([longer, longer], abs=1000)


def test_partitions_have_limits_of_their_own(lane: Lane) -> None:
    say(lane, Limit(max_concurrent=1))
    works = [lane.submit(partition=partition) for partition in ("a", "a", "b", "b", "a")]
    assert [lane.deliver(work.id) for work in works] == [RUN, HELD, RUN, HELD, HELD]
    lane.finish(works[2])
    assert lane.rung() == [works[3].id]


def test_a_rate_counts_the_starts_of_any_period(lane: Lane) -> None:
    say(lane, Limit(rate=Rate(2, 10.0)))
    works = [lane.submit(timeout=600) for _ in range(5)]
    assert [lane.deliver(work.id) for work in works] == [RUN, RUN, HELD, HELD, HELD]
    for work in works[:2]:
        lane.finish(work)
    assert lane.rung() == []
    lane.let_pass(9, up=True, pulses=["alice"])
    lane.tend()
    assert lane.rung() == []
    lane.let_pass(1.1, up=True, pulses=["alice"])
    lane.tend()
    assert lane.rung() == [works[2].id, works[3].id]
    assert [lane.verdict(work.id) for work in works[2:4]] == [RUN, RUN]


def test_an_operators_limit_comes_before_the_declared_one_and_works_at_once(limited: Lane) -> None:
    works = [limited.submit() for _ in range(6)]
    for work in works:
        limited.deliver(work.id)
    set_limit(limited.ledger, limited.name, "t", None, Limit(max_concurrent=4))
    assert limited.rung() == [works[2].id, works[3].id]
    set_limit(limited.ledger, limited.name, "t", None, None)
    limited.finish(works[0])
    assert limited.rung() == []


def test_runs_from_before_there_was_a_limit_count(lane: Lane) -> None:
    runs = [lane.running(timeout=600) for _ in range(3)]
    other = lane.running(name="other")
    set_limit(lane.ledger, lane.name, "t", None, Limit(max_concurrent=2))
    held = lane.submit(timeout=600)
    assert lane.deliver(held.id) == HELD
    lane.messages()
    lane.finish(runs[0])
    lane.finish(other)
    assert lane.rung() == []
    lane.finish(runs[1])
    assert lane.rung() == [held.id]


def test_all_runs_from_before_count_and_all_partitions_hear_of_it_however_many(lane: Lane) -> None:
    runs = [lane.running(timeout=600, partition="busy") for _ in range(600)]
    set_limit(lane.ledger, lane.name, "t", None, Limit(max_concurrent=1))
    assert lane.redis.zcard(lane.keys.permits("t busy")) == len(runs)
    held = [lane.submit(timeout=600, partition=f"p{n % 300}") for n in range(600)]
    for work in held:
        lane.deliver(work.id)
    lane.messages()
    set_limit(lane.ledger, lane.name, "t", None, Limit(max_concurrent=2))
    while lane.tend() == 0:
        pass
    assert set(lane.rung()) == {work.id for work in held[300:]}


def test_a_part_of_a_limit_changes_and_the_other_stays_as_it_is_in_force(limited: Lane) -> None:
    def change(partition: str | None = None, **changes: Any) -> LimitChange:
        return change_limit(limited.ledger, limited.name, "t", partition, **changes)

    declared, rate = Limit(max_concurrent=2), Rate(5, 1.0)
    assert change(rate=rate) == LimitChange(False, declared, Limit(2, rate))
    assert change(max_concurrent=7) == LimitChange(True, Limit(2, rate), Limit(7, rate))
    assert change("p", max_concurrent=None) == LimitChange(False, Limit(7, rate), Limit(None, rate))
    assert change("p", rate=None) == LimitChange(True, Limit(None, rate), Limit())
    assert set_limit(limited.ledger, limited.name, "t", "p", None) == LimitChange(True, Limit(), Limit(7, rate))
    assert set_limit(limited.ledger, limited.name, "t", None, None) == LimitChange(True, Limit(7, rate), declared)
    assert set_limit(limited.ledger, limited.name, "t", None, None) == LimitChange(False, declared, declared)


def test_a_limit_for_one_partition_leaves_the_others_alone(lane: Lane) -> None:
    say(lane, Limit(max_concurrent=1))
    set_limit(lane.ledger, lane.name, "t", "big", Limit(max_concurrent=2))
    works = [lane.submit(partition=partition) for partition in ("big", "big", "small", "small")]
    assert [lane.deliver(work.id) for work in works] == [RUN, RUN, RUN, HELD]


def test_a_type_without_a_limit_any_more_releases_what_it_held(limited: Lane) -> None:
    works = [limited.submit() for _ in range(3)]
    for work in works:
        limited.deliver(work.id)
    declare(limited.ledger, limited.name, {"t": Declaration(Limit())}, None)
    limited.finish(works[0])
    assert limited.rung() == [works[2].id]


def test_a_held_work_that_comes_again_when_there_is_no_limit_is_held_no_more(limited: Lane) -> None:
    works = [limited.submit() for _ in range(3)]
    for work in works:
        limited.verdict(work.id)
    declare(limited.ledger, limited.name, {"t": Declaration(Limit())}, None)
    assert limited.deliver(works[2].id) == RUN  # its message came a second time
    assert limited.status(works[2].id).reason is None
    limited.messages()
    limited.finish(works[0])
    assert limited.rung() == []


def test_limits_are_listed_with_their_use(limited: Lane) -> None:
    set_limit(limited.ledger, limited.name, "t", "big", Limit(5, Rate(1, 60.0)))
    for _ in range(3):
        limited.deliver(limited.submit().id)
    assert limits_of(limited.ledger, limited.name) == [
        LimitInUse(limited.name, "t", None, declared=Limit(2), set=None, running=2, held=1),
        LimitInUse(limited.name, "t", "big", declared=Limit(2), set=Limit(5, Rate(1, 60.0)), running=0, held=0),
    ]


def test_runs_from_before_the_type_declared_a_limit_count(lane: Lane) -> None:
    runs = [lane.running(timeout=600) for _ in range(2)]
    say(lane, Limit(max_concurrent=2))
    assert lane.deliver(lane.submit(timeout=600).id) == HELD
    lane.finish(runs[0])
    assert running(lane) == 2


def test_a_worker_that_dies_as_it_declares_a_limit_leaves_it_to_the_next(lane: Lane) -> None:
    for _ in range(2):
        lane.running(timeout=600)
    lane.redis.hset(lane.keys.limits, "declared t", Limit(max_concurrent=2).as_text())  # so far it came
    say(lane, Limit(max_concurrent=2))
    assert lane.deliver(lane.submit(timeout=600).id) == HELD


def test_a_work_that_was_released_and_starts_without_a_limit_takes_no_start_of_a_later_one(lane: Lane) -> None:
    say(lane, Limit(rate=Rate(1, 10.0)))
    started, released = (lane.submit(timeout=600) for _ in range(2))
    assert [lane.deliver(work.id) for work in (started, released)] == [RUN, HELD]
    lane.let_pass(11, up=True, pulses=["alice"])
    lane.tend()
    assert lane.rung() == [released.id]
    set_limit(lane.ledger, lane.name, "t", None, Limit())
    assert lane.verdict(released.id) == RUN
    set_limit(lane.ledger, lane.name, "t", None, None)
    lane.finish(released)
    lane.let_pass(11, up=True, pulses=["alice"])
    assert lane.deliver(lane.submit(timeout=600).id) == RUN


def say(lane: Lane, limit: Limit) -> None:
    declare(lane.ledger, lane.name, {"t": Declaration(limit)}, None)


def running(lane: Lane) -> int:
    return int(lane.redis.zcard(lane.keys.permits("t")))
