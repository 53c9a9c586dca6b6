"""What a worker hears when it asks, in the order in which the questions are put."""

import pytest

from askfirst.interest.ledger import Ledger, Policy
from askfirst.interest.line import Line
from askfirst.interest.records import new_id
from askfirst.interest.states import Reason, State, Verdict
from tests.support.lanes import Lane
from tests.support.servers import RedisServer

RUN, HOLD, DROP = Verdict.RUN, Verdict.HOLD, Verdict.DROP


def test_wanted_work_runs(lane: Lane) -> None:
    answer = lane.ask(lane.submit(timeout=30).id)
    assert answer is not None
    assert (answer.verdict, answer.attempt, answer.failures) == (RUN, 1, 0)
    assert 29 < answer.remaining <= 30


def test_a_run_is_written_down_with_its_worker_and_its_start(lane: Lane) -> None:
    status = lane.status(lane.running(worker="w7").id)
    assert (status.state, status.worker, status.attempt) == (State.RUNNING, "w7", 1)
    assert status.started_at is not None


def test_an_unknown_record_is_no_reason_to_drop(lane: Lane) -> None:
    assert lane.ask(new_id("default")) is None


def test_an_unknown_record_whose_message_is_overdue_is_dropped(lane: Lane) -> None:
    assert lane.verdict(new_id("default"), message_deadline=lane.now() - 1) == (DROP, Reason.DEADLINE_PASSED)


@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED])
def test_ended_work_is_a_duplicate(lane: Lane, state: State) -> None:
    assert lane.verdict(lane.ended(state).id) == (DROP, Reason.DUPLICATE)


def test_cancelled_work_is_dropped_and_says_why(lane: Lane) -> None:
    submission = lane.submit()
    lane.ledger.cancel(submission.id, Reason.CANCELLED)
    assert lane.verdict(submission.id) == (DROP, Reason.CANCELLED)


def test_withdrawn_work_is_dropped(lane: Lane) -> None:
    submission = lane.submit()
    lane.withdraw(submission.id, submission.interest)
    assert lane.verdict(submission.id) == (DROP, Reason.WITHDRAWN)


def test_replaced_work_is_dropped(lane: Lane) -> None:
    old = lane.submit(key="k")
    lane.submit(key="k", on_duplicate="replace")
    assert lane.verdict(old.id) == (DROP, Reason.REPLACED)


def test_overdue_work_is_dropped(lane: Lane) -> None:
    submission = lane.submit(timeout=5)
    lane.let_pass(5.1, up=True, pulses=["alice"])
    assert lane.verdict(submission.id) == (DROP, Reason.DEADLINE_PASSED)
    assert lane.state(submission.id) is State.EXPIRED


def test_a_passed_deadline_comes_before_a_lost_pulse(lane: Lane) -> None:
    submission = lane.submit(timeout=5)
    lane.let_pass(20, up=True)
    assert lane.verdict(submission.id) == (DROP, Reason.DEADLINE_PASSED)


def test_work_of_a_dead_caller_is_dropped(lane: Lane) -> None:
    submission = lane.submit()
    lane.let_pass(9, up=True)
    assert lane.verdict(submission.id) == (DROP, Reason.CALLER_GONE)
    assert lane.state(submission.id) is State.CANCELLED


def test_running_work_is_a_duplicate_while_its_lease_lives(lane: Lane) -> None:
    submission = lane.running()
    lane.let_pass(9, up=True, pulses=["alice"])
    assert lane.verdict(submission.id) == (DROP, Reason.DUPLICATE)
    assert lane.state(submission.id) is State.RUNNING


def test_a_lapsed_lease_puts_the_work_back_for_whoever_asks_next(lane: Lane) -> None:
    submission = lane.running()
    lane.rung()
    lane.let_pass(13, up=True, pulses=["alice"])
    assert lane.verdict(submission.id) == (DROP, Reason.DUPLICATE)
    assert lane.rung() == [submission.id]
    answer = lane.ask(submission.id)
    assert answer is not None
    assert (answer.verdict, answer.attempt) == (RUN, 2)


def test_a_lease_does_not_lapse_while_the_ledger_was_away(lane: Lane) -> None:
    submission = lane.running()
    lane.let_pass(60)
    assert lane.verdict(submission.id) == (DROP, Reason.DUPLICATE)
    lane.tend()
    assert lane.state(submission.id) is State.RUNNING


def test_the_same_question_twice_gets_the_same_claim(lane: Lane) -> None:
    submission = lane.submit()
    first = lane.ask(submission.id, nonce="one question")
    again = lane.ask(submission.id, nonce="one question")
    assert first is not None
    assert again is not None
    assert (again.verdict, again.attempt) == (first.verdict, first.attempt) == (RUN, 1)


def test_another_question_does_not_get_that_claim(lane: Lane) -> None:
    submission = lane.submit()
    lane.ask(submission.id, nonce="one question")
    assert lane.verdict(submission.id, nonce="another question") == (DROP, Reason.DUPLICATE)


def test_work_waits_for_the_older_run_of_its_key(lane: Lane) -> None:
    lane.running(key="k")
    new = lane.submit(key="k", on_duplicate="replace")
    assert lane.verdict(new.id) == (HOLD, Reason.KEY_BUSY)
    assert lane.state(new.id) is State.PENDING


def test_a_settings_pulse_timeout_is_what_counts(redis_server: RedisServer, redis: object, namespace: str) -> None:
    strict = Ledger(Line(redis_server.url(), 2.0), namespace, Policy(pulse_timeout=1.0))
    lane = Lane(strict, redis)
    submission = lane.submit()
    lane.let_pass(4, up=True)
    assert lane.verdict(submission.id) == (DROP, Reason.CALLER_GONE)
    strict.line.close()
