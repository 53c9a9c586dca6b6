"""What operators are shown of a lane: what waits, what runs, what came of it, and how far limits are used."""

import pytest

from askfirst.config.units import Rate
from askfirst.interest import activity
from askfirst.interest.activity import activity_of
from askfirst.interest.limits import Declaration, Limit, LimitInUse, declare, limits_of, set_limit
from askfirst.interest.load import LaneLoad, load_of
from askfirst.interest.standing import in_force
from askfirst.interest.states import Reason, State, Verdict
from tests.support.lanes import Lane


def load(lane: Lane) -> LaneLoad:
    return load_of(lane.ledger, lane.name)


def test_what_waits_is_counted_by_importance(lane: Lane) -> None:
    lane.beat(slots=4)
    for importance, count in {"critical": 1, "normal": 2, "sheddable": 3}.items():
        for _ in range(count):
            lane.submit(importance=importance)
    lane.running()
    found = load(lane)
    assert {name: each.works for name, each in found.waiting.items()} == {"critical": 1, "normal": 2, "sheddable": 3}
    assert (found.slots, found.running, found.pending) == (4, 1, 6)


def test_without_a_worker_nobody_foresees_a_wait(lane: Lane) -> None:
    lane.submit()
    assert load(lane).slots == 0
    assert load(lane).waiting["normal"].foreseen_wait is None
    lane.beat(slots=2)
    assert load(lane).waiting["normal"].foreseen_wait == 0


def test_delayed_work_is_pending_and_waits_for_no_worker(lane: Lane) -> None:
    lane.submit(delay=30)
    assert (load(lane).pending, load(lane).waiting["normal"].works) == (1, 0)


def test_messages_of_ended_works_are_dead(lane: Lane) -> None:
    lane.submit()
    for _ in range(3):
        submission = lane.submit()
        lane.withdraw(submission.id, submission.interest)
    assert load(lane).dead == 3
    assert load(lane).waiting["normal"].works == 1


def test_ends_and_rejections_are_counted_by_reason(lane: Lane) -> None:
    declare(lane.ledger, lane.name, {}, max_pending=1)
    withdrawn = lane.submit()
    assert [lane.ledger.submit(lane.submission()).status for _ in range(2)] == ["rejected"] * 2
    lane.withdraw(withdrawn.id, withdrawn.interest)
    lane.ended(State.COMPLETED)
    found = load(lane)
    assert found.rejected == {"full": 2}
    assert found.ended == {"COMPLETED": 1, f"CANCELLED: {Reason.WITHDRAWN}": 1}


def test_a_run_is_useful_if_its_answer_came_in_time(lane: Lane) -> None:
    for state in (State.COMPLETED, State.FAILED):  # an error is an answer too
        submission = lane.running()
        lane.let_pass(2, up=True)
        lane.finish(submission, state=state)
    assert load(lane).useful == pytest.approx(4, abs=0.2)
    assert load(lane).wasted == 0


def test_a_run_is_wasted_if_nobody_takes_its_answer(lane: Lane) -> None:
    late = lane.running(timeout=1)
    lane.let_pass(2, up=True)
    lane.finish(late)
    withdrawn = lane.running()
    lane.let_pass(2, up=True)
    lane.withdraw(withdrawn.id, withdrawn.interest)
    lane.finish(withdrawn)
    assert load(lane).useful == 0
    assert load(lane).wasted == pytest.approx(4, abs=0.2)


def test_a_try_that_is_made_again_is_wasted(lane: Lane) -> None:
    failed = lane.running()
    lane.let_pass(1, up=True)
    lane.retry(failed.id, 1, 0.0, "{}")
    lost = lane.running()
    lane.let_pass(1, up=True)
    lane.release(lost.id, 1, lost=True)
    assert load(lane).useful == 0
    assert load(lane).wasted == pytest.approx(2, abs=0.2)


def test_a_run_whose_record_is_lost_counts_as_nothing(lane: Lane) -> None:
    submission = lane.running()
    lane.redis.delete(lane.keys.work(submission.id), lane.keys.interests(submission.id))
    assert lane.finish(submission) is not None
    assert (load(lane).useful, load(lane).wasted) == (0, 0)


def test_runs_are_told_by_type_and_worker(lane: Lane) -> None:
    for worker, name in (("w1", "a"), ("w1", "b"), ("w2", "a")):
        lane.beat(worker=worker, slots=4)
        lane.running(worker=worker, name=name)
    found = activity_of(lane.ledger, lane.name)
    assert {(each.name, each.slots, each.runs) for each in found.workers} == {("w1", 4, 2), ("w2", 4, 1)}
    assert all(each.silence < 1 for each in found.workers)
    assert {(each.name, each.running) for each in found.types} == {("a", 2), ("b", 1)}


def test_the_expected_run_time_is_the_learned_one_or_else_the_declared(lane: Lane) -> None:
    declare(lane.ledger, lane.name, {"t": Declaration(Limit(), 5.0), "new": Declaration(Limit(), 7.0)}, None)
    ran = lane.running()
    lane.let_pass(1, up=True)
    lane.finish(ran)
    expected = {each.name: each.expected for each in activity_of(lane.ledger, lane.name).types}
    assert expected == {"t": pytest.approx(1, abs=0.1), "new": 7.0}


def test_of_many_runs_a_sample_tells(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "_SAMPLE", 5)
    for _ in range(20):
        lane.running()
    found = activity_of(lane.ledger, lane.name)
    assert [each.running for each in found.types] == [20]


def test_a_type_with_partitions_is_the_sum_of_them(lane: Lane) -> None:
    declare(lane.ledger, lane.name, {"t": Declaration(Limit(max_concurrent=1))}, None)
    lane.running(partition="busy")
    lane.running(partition="calm")
    held = lane.submit(partition="busy")
    assert lane.verdict(held.id) == (Verdict.HOLD, Reason.LIMIT_REACHED)
    rows = {row.partition: row for row in activity_of(lane.ledger, lane.name).limits}
    assert {partition: (row.running, row.held) for partition, row in rows.items()} == {
        None: (2, 1),
        "busy": (1, 1),
        "calm": (1, 0),
    }
    assert {in_force(row) for row in rows.values()} == {Limit(max_concurrent=1)}


def test_the_nearest_limit_holds(lane: Lane) -> None:
    def row(partition: str | None) -> LimitInUse:
        return next(row for row in limits_of(lane.ledger, lane.name) if row.partition == partition)

    declare(lane.ledger, lane.name, {"t": Declaration(Limit(max_concurrent=1))}, None)
    assert in_force(row(None)) == Limit(max_concurrent=1)
    set_limit(lane.ledger, lane.name, "t", None, Limit(max_concurrent=2))
    assert in_force(row(None)) == Limit(max_concurrent=2)
    set_limit(lane.ledger, lane.name, "t", "p", Limit(rate=Rate(3, 1.0)))
    assert in_force(row("p")) == Limit(rate=Rate(3, 1.0))
    assert in_force(row(None)) == Limit(max_concurrent=2)


def test_a_worker_that_never_said_its_slots_can_leave(lane: Lane) -> None:
    lane.beat(worker="w1", slots=4)
    lane.ledger.leave(lane.name, "w2")
    assert load(lane).slots == 4
