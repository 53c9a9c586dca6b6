"""A record that the ledger lost is no lost interest; a record that went on purpose is no lost record."""

import dataclasses

import pytest

from askfirst.interest.records import Outcome
from askfirst.interest.states import Reason, State, Verdict
from tests.support.lanes import Lane

RUN, DROP = Verdict.RUN, Verdict.DROP


def lose(lane: Lane, id: str) -> None:
    lane.redis.delete(lane.keys.work(id), lane.keys.interests(id))
    lane.redis.zrem(lane.keys.index("PENDING"), id)


def test_a_lost_record_is_adopted_from_its_message_and_runs(lane: Lane) -> None:
    submission = lane.submit(timeout=60)
    deadline = lane.now() + 30_000
    lose(lane, submission.id)
    assert lane.ask(submission.id, message_deadline=deadline) is None
    lane.ledger.adopt(submission, deadline)
    answer = lane.ask(submission.id, message_deadline=deadline)
    assert answer is not None
    assert (answer.verdict, answer.attempt) == (RUN, 1)
    assert 29 < answer.remaining <= 30


def test_adopted_work_does_not_need_the_pulse_that_may_be_lost_too(lane: Lane) -> None:
    submission = lane.submit()
    deadline = lane.now() + 60_000
    lane.redis.flushdb()
    lane.ledger.adopt(submission, deadline)
    lane.let_pass(20, up=True)
    assert lane.verdict(submission.id) == (RUN, "")


def test_adopted_work_tells_its_caller_the_outcome(lane: Lane) -> None:
    submission = lane.submit()
    lose(lane, submission.id)
    lane.ledger.adopt(submission, lane.now() + 60_000)
    lane.ask(submission.id)
    lane.finish(submission, result="1")
    assert lane.outcomes() == [Outcome(submission.id, State.COMPLETED, "", "1")]


def test_adopting_what_is_there_changes_nothing(lane: Lane) -> None:
    submission = lane.submit()
    before = lane.redis.hgetall(lane.keys.work(submission.id))
    lane.ledger.adopt(dataclasses.replace(submission, name="other"), lane.now() + 60_000)
    assert lane.redis.hgetall(lane.keys.work(submission.id)) == before


def test_adopted_work_takes_its_key_back(lane: Lane) -> None:
    submission = lane.submit(key="k")
    lose(lane, submission.id)
    lane.redis.delete(lane.keys.key("k"))
    lane.ledger.adopt(submission, lane.now() + 60_000)
    assert lane.ledger.submit(lane.submission(key="k", on_duplicate="reject")).id == submission.id


def test_adopted_work_leaves_the_key_to_a_newer_one(lane: Lane) -> None:
    old = lane.submit(key="k")
    lose(lane, old.id)
    new = lane.submit(key="k")
    lane.ledger.adopt(old, lane.now() + 60_000)
    assert lane.ledger.submit(lane.submission(key="k", on_duplicate="reject")).id == new.id
    assert lane.status(old.id).key is None


def test_adopted_work_whose_worker_dies_is_rung_again(lane: Lane) -> None:
    submission = lane.submit()
    lose(lane, submission.id)
    lane.ledger.adopt(submission, lane.now() + 60_000)
    lane.rung()
    lane.ask(submission.id)
    lane.release(submission.id, 1, lost=True)
    [message] = lane.messages()
    assert message["properties"]["correlation_id"] == submission.id


def test_a_run_whose_record_got_lost_still_ends_and_tells_its_caller(lane: Lane) -> None:
    submission = lane.running()
    lose(lane, submission.id)
    assert lane.finish(submission, result="1") == Outcome(submission.id, State.COMPLETED)
    assert lane.outcomes() == [Outcome(submission.id, State.COMPLETED, "", "1")]
    assert lane.status(submission.id).name == submission.name


def test_a_run_whose_record_got_lost_finishes_once(lane: Lane) -> None:
    submission = lane.running()
    lose(lane, submission.id)
    lane.finish(submission)
    lane.finish(submission)
    assert len(lane.outcomes()) == 1


# Retention: records that go on purpose


def test_the_record_of_ended_work_goes_after_its_retention(lane: Lane) -> None:
    submission = lane.running(retention=10)
    lane.finish(submission)
    lane.let_pass(9)
    assert lane.state(submission.id) is State.COMPLETED
    lane.let_pass(1.1)
    assert lane.state(submission.id) is None
    lane.tend()
    assert lane.ledger.counts("default") == dict.fromkeys(State, 0)


def test_the_record_of_waiting_work_outlives_its_deadline_by_the_retention(lane: Lane) -> None:
    submission = lane.submit(timeout=10, retention=20)
    lane.let_pass(29)
    assert lane.state(submission.id) is State.PENDING


def test_a_late_message_of_forgotten_work_is_dropped(lane: Lane) -> None:
    submission = lane.running(timeout=60, retention=5)
    lane.finish(submission)
    lane.let_pass(6)
    assert lane.state(submission.id) is None
    assert lane.verdict(submission.id) == (DROP, Reason.DUPLICATE)


def test_a_tombstone_lasts_until_the_deadline_and_then_the_message_itself_is_overdue(lane: Lane) -> None:
    submission = lane.running(timeout=60, retention=5)
    message_deadline = lane.now() + 60_000
    lane.finish(submission)
    lane.let_pass(61)
    assert lane.redis.keys(lane.keys.tombstone("*")) == []
    answer = lane.verdict(submission.id, message_deadline=message_deadline - 61_000)
    assert answer == (DROP, Reason.DEADLINE_PASSED)


def test_a_late_finish_of_forgotten_work_is_refused(lane: Lane) -> None:
    submission = lane.running(timeout=60, retention=5)
    lane.withdraw(submission.id, submission.interest)
    lane.release(submission.id, 1, lost=True)
    lane.let_pass(6)
    assert lane.finish(submission) is None
    assert lane.state(submission.id) is None


def test_forgetting_removes_ended_work_of_that_age_only(lane: Lane) -> None:
    old = lane.ended(State.COMPLETED)
    lane.let_pass(20, up=True, pulses=["alice"])
    young, live = lane.ended(State.FAILED), lane.running()
    assert lane.ledger.forget("default", [old.id, young.id, live.id], older_than=10) == 1
    assert [lane.state(each.id) for each in (old, young, live)] == [None, State.FAILED, State.RUNNING]
    assert lane.ledger.ids("default", State.COMPLETED, 0, 10) == []


def test_a_late_message_of_work_forgotten_by_hand_is_dropped(lane: Lane) -> None:
    submission = lane.ended(State.COMPLETED)
    lane.ledger.forget("default", [submission.id], 0)
    assert lane.verdict(submission.id) == (DROP, Reason.DUPLICATE)


@pytest.mark.parametrize("state", [state for state in State if state.ended])
def test_everything_that_ended_work_leaves_has_an_end(lane: Lane, state: State) -> None:
    submission = lane.ended(state, key="k")
    left = [key for key in lane.redis.scan_iter() if submission.id in key or ":key:" in key or ":mail:" in key]
    assert left
    assert all(lane.redis.pttl(key) > 0 for key in left)


def test_what_an_operator_cleans_up_at_once_does_not_come_in_again(lane: Lane) -> None:
    """Whoever submitted it, and lost the reply, tries again for a while."""
    submission = lane.submit(timeout=0.05)
    lane.ask(submission.id)
    lane.finish(submission)
    lane.let_pass(0.1)
    assert lane.ledger.forget("default", [submission.id], 0) == 1
    lane.rung()
    lane.ledger.submit(submission)
    assert lane.state(submission.id) is None
    assert lane.rung() == []


def test_adopted_work_is_withdrawn_by_the_caller_that_it_is_of(lane: Lane) -> None:
    submission = lane.submit()
    lose(lane, submission.id)
    lane.ledger.adopt(submission, lane.now() + 60_000)
    lane.withdraw(submission.id, submission.interest)
    assert lane.verdict(submission.id) == (DROP, Reason.WITHDRAWN)


def test_adopted_work_takes_its_key_from_one_that_has_ended(lane: Lane) -> None:
    ended = lane.ended(State.COMPLETED, key="k")
    lost = lane.submission(key="k")
    lane.ledger.adopt(lost, lane.now() + 60_000)
    assert lane.ledger.submit(lane.submission(key="k", on_duplicate="reject")).id == lost.id != ended.id
