"""A claim is fenced: only its holder can end the run, and ending it twice does no harm."""

import json

import pytest

from askfirst.interest.records import Outcome
from askfirst.interest.states import Reason, State, Verdict
from tests.support.lanes import Lane


def taken_over(lane: Lane) -> str:
    """A work whose first worker was taken for dead and whose second attempt runs."""
    submission = lane.running(worker="w1")
    lane.let_pass(13, up=True, pulses=["alice"])
    lane.tend()
    answer = lane.ask(submission.id, worker="w2")
    assert answer is not None
    assert answer.attempt == 2
    return submission.id


def test_a_finish_ends_the_work_and_tells_the_caller(lane: Lane) -> None:
    submission = lane.running()
    assert lane.finish(submission, result='{"a":1}') == Outcome(submission.id, State.COMPLETED)
    assert lane.outcomes() == [Outcome(submission.id, State.COMPLETED, "", '{"a":1}')]


def test_an_error_travels_with_type_message_and_traceback(lane: Lane) -> None:
    submission = lane.running()
    error = {"type": "ValueError", "message": "no", "traceback": "here"}
    lane.finish(submission, state=State.FAILED, failure=json.dumps(error))
    assert lane.outcomes() == [Outcome(submission.id, State.FAILED, "", None, error)]


def test_the_finish_of_a_stale_attempt_is_refused(lane: Lane) -> None:
    id = taken_over(lane)
    assert lane.finish(lane.submission(id=id), attempt=1) is None
    assert lane.state(id) is State.RUNNING
    assert lane.outcomes() == []


def test_the_attempt_that_owns_the_work_finishes_it(lane: Lane) -> None:
    id = taken_over(lane)
    lane.finish(lane.submission(id=id), attempt=1, result='"stale"')
    lane.finish(lane.submission(id=id), attempt=2, result='"fresh"')
    assert [outcome.result for outcome in lane.outcomes()] == ['"fresh"']


def test_the_finish_of_a_put_back_attempt_is_refused(lane: Lane) -> None:
    submission = lane.running()
    lane.release(submission.id, 1, lost=False)
    assert lane.finish(submission, attempt=1) is None
    assert lane.state(submission.id) is State.PENDING


def test_the_same_finish_twice_tells_the_caller_once(lane: Lane) -> None:
    submission = lane.running()
    first, second = lane.finish(submission), lane.finish(submission)
    assert first == second == Outcome(submission.id, State.COMPLETED)
    assert len(lane.outcomes()) == 1
    assert lane.ledger.totals("default") == {"COMPLETED": 1}


@pytest.mark.parametrize("what", ["progress", "retry", "release"])
def test_nothing_of_a_stale_attempt_is_taken(lane: Lane, what: str) -> None:
    id = taken_over(lane)
    before = lane.redis.hgetall(lane.keys.work(id))
    if what == "progress":
        assert lane.progress(id, 1, "{}") is False
    elif what == "retry":
        assert lane.retry(id, 1, 0.0, "{}") == "stale"
    else:
        lane.release(id, 1, lost=True)
    assert lane.redis.hgetall(lane.keys.work(id)) == before


def test_a_worker_that_lost_its_lease_is_told_to_stop(lane: Lane) -> None:
    id = taken_over(lane)
    assert lane.beat((id, 1)) == {id: Reason.LEASE_LOST}
    assert lane.beat((id, 2), worker="w2") == {id: ""}


def test_a_worker_whose_run_has_just_ended_is_not_alarmed(lane: Lane) -> None:
    submission = lane.running()
    lane.finish(submission)
    assert lane.beat((submission.id, 1)) == {}


def test_a_heartbeat_renews_the_lease_and_tells_the_time_left(lane: Lane) -> None:
    submission = lane.running(timeout=60)
    for _ in range(4):
        lane.let_pass(5, up=True, pulses=["alice"])
        assert lane.beat((submission.id, 1)) == {submission.id: ""}
    lane.tend()
    assert lane.state(submission.id) is State.RUNNING
    [renewal] = lane.ledger.beat("default", "w1", 1, [(submission.id, lane.fence(submission.id, 1))])
    assert 39 < renewal.remaining <= 40


def test_a_work_whose_workers_die_too_often_is_lost(lane: Lane) -> None:
    submission = lane.submit()
    for attempt in (1, 2, 3):
        answer = lane.ask(submission.id)
        assert answer is not None
        assert (answer.verdict, answer.attempt) == (Verdict.RUN, attempt)
        lane.release(submission.id, attempt, lost=True)
    assert lane.state(submission.id) is State.FAILED
    [outcome] = lane.outcomes()
    assert outcome.reason == Reason.WORKER_LOST
    assert outcome.error is not None
    assert outcome.error["type"] == "WorkLost"
    assert "3 times" in outcome.error["message"]


def test_lapsed_leases_count_as_losses(lane: Lane) -> None:
    submission = lane.submit(timeout=300)
    for _ in range(3):
        lane.ask(submission.id)
        lane.let_pass(13, up=True, pulses=["alice"])
        lane.tend()
    assert lane.state(submission.id) is State.FAILED
    assert lane.status(submission.id).reason == Reason.WORKER_LOST


def test_work_put_back_in_order_is_never_lost(lane: Lane) -> None:
    submission = lane.submit()
    for attempt in range(1, 8):
        lane.ask(submission.id)
        lane.release(submission.id, attempt, lost=False)
    assert lane.state(submission.id) is State.PENDING


def test_work_put_back_is_rung_at_once(lane: Lane) -> None:
    submission = lane.running()
    lane.rung()
    lane.release(submission.id, 1, lost=True)
    assert lane.rung() == [submission.id]


def test_work_put_back_comes_before_what_has_waited_less(lane: Lane) -> None:
    first = lane.running()
    lane.rung()
    second = lane.submit()
    lane.release(first.id, 1, lost=True)
    assert lane.rung() == [first.id, second.id]


def test_a_retry_spends_its_pause_in_the_ledger(lane: Lane) -> None:
    submission = lane.running()
    lane.rung()
    assert lane.retry(submission.id, 1, 5.0, '{"type":"E","message":"again"}') == "retrying"
    assert lane.state(submission.id) is State.PENDING
    lane.let_pass(4, up=True, pulses=["alice"])
    lane.tend()
    assert lane.rung() == []
    lane.let_pass(1.1, up=True, pulses=["alice"])
    lane.tend()
    assert lane.rung() == [submission.id]
    answer = lane.ask(submission.id)
    assert answer is not None
    assert (answer.attempt, answer.failures) == (2, 1)


def test_a_retry_that_would_come_too_late_is_refused(lane: Lane) -> None:
    submission = lane.running(timeout=3)
    assert lane.retry(submission.id, 1, 3.0, "{}") == "late"
    assert lane.state(submission.id) is State.RUNNING


def test_a_retry_of_unwanted_work_is_refused(lane: Lane) -> None:
    submission = lane.running()
    lane.withdraw(submission.id, submission.interest)
    assert lane.retry(submission.id, 1, 0.0, "{}") == "stopping"


def test_the_error_of_an_earlier_try_is_gone_once_a_later_one_succeeds(lane: Lane) -> None:
    submission = lane.running()
    lane.retry(submission.id, 1, 0.0, '{"type":"E","message":"again"}')
    lane.ask(submission.id)
    lane.finish(submission, attempt=2)
    status = lane.status(submission.id)
    assert (status.state, status.error) == (State.COMPLETED, None)


def test_progress_is_noted_and_starts_anew_with_the_next_attempt(lane: Lane) -> None:
    submission = lane.running()
    assert lane.progress(submission.id, 1, '{"done":3,"total":4}')
    progress = lane.status(submission.id).progress
    assert progress is not None
    assert (progress.done, progress.total) == (3, 4)
    lane.release(submission.id, 1, lost=False)
    lane.ask(submission.id)
    assert lane.status(submission.id).progress is None


def test_a_work_told_to_stop_ends_as_that_whatever_its_run_made_of_it(lane: Lane) -> None:
    submission = lane.running()
    lane.ledger.cancel(submission.id, Reason.CANCELLED)
    assert lane.finish(submission, result='"too late"') == Outcome(submission.id, State.CANCELLED, Reason.CANCELLED)
    assert lane.redis.hget(lane.keys.work(submission.id), "result") in (None, "")
    assert len(lane.outcomes()) == 1


def test_a_submission_said_again_after_its_work_has_ended_and_is_forgotten_runs_nothing(lane: Lane) -> None:
    submission = lane.submission(timeout=60, retention=1)
    lane.ledger.submit(submission)
    lane.answer(submission.id)
    lane.let_pass(2)
    lane.messages()
    assert lane.ledger.submit(submission).status == "accepted"
    assert lane.rung() == []


def test_a_run_that_does_not_stop_keeps_its_key_however_long_it_takes(lane: Lane) -> None:
    run = lane.running(key="k", timeout=5, retention=1)
    for _ in range(30):
        lane.let_pass(2.5, up=True, pulses=["alice"])
        lane.beat((run.id, 1))
    assert lane.state(run.id) is State.RUNNING
    assert lane.deliver(lane.submit(key="k").id) == (Verdict.HOLD, Reason.KEY_BUSY)
