"""Attached interest dies with its caller's pulse, but never because the ledger was away."""

import pytest

from askfirst.interest.states import Reason, State, Verdict
from tests.support.lanes import Lane

RUN, HOLD, DROP = Verdict.RUN, Verdict.HOLD, Verdict.DROP


def test_a_caller_with_a_pulse_keeps_its_work(lane: Lane) -> None:
    submission = lane.submit()
    lane.let_pass(50, up=True, pulses=["alice"])
    assert lane.verdict(submission.id) == (RUN, "")


def test_submitting_is_a_sign_of_life(lane: Lane) -> None:
    submission = lane.submit()
    lane.let_pass(5, up=True)
    assert lane.verdict(submission.id) == (RUN, "")


def test_a_silent_caller_loses_its_work_within_ten_seconds(lane: Lane) -> None:
    submission = lane.submit()
    lane.let_pass(10, up=True)
    assert lane.verdict(submission.id) == (DROP, Reason.CALLER_GONE)


def test_one_living_caller_is_enough(lane: Lane) -> None:
    submission = lane.submit("alice", key="k")
    lane.submit("bob", key="k")
    lane.let_pass(20, up=True, pulses=["bob"])
    assert lane.verdict(submission.id) == (RUN, "")


def test_time_left_is_that_of_the_living_caller(lane: Lane) -> None:
    submission = lane.submit("alice", key="k", timeout=60)
    lane.submit("bob", key="k", timeout=30)
    lane.let_pass(10, up=True, pulses=["bob"])
    answer = lane.ask(submission.id)
    assert answer is not None
    assert 19 < answer.remaining <= 20


def test_detached_work_survives_its_caller(lane: Lane) -> None:
    submission = lane.submit(detached=True)
    lane.let_pass(50, up=True)
    assert lane.verdict(submission.id) == (RUN, "")


def test_detached_work_ends_with_its_deadline(lane: Lane) -> None:
    submission = lane.submit(detached=True, timeout=30)
    lane.let_pass(31, up=True)
    assert lane.verdict(submission.id) == (DROP, Reason.DEADLINE_PASSED)


def test_a_run_whose_caller_died_is_told_to_stop(lane: Lane) -> None:
    submission = lane.running()
    lane.let_pass(9, up=True)
    assert lane.beat((submission.id, 1)) == {submission.id: Reason.CALLER_GONE}


def test_after_an_outage_a_silent_caller_is_in_doubt_not_gone(lane: Lane) -> None:
    submission = lane.submit()
    lane.let_pass(30)
    assert lane.verdict(submission.id) == (HOLD, Reason.PULSE_IN_DOUBT)
    assert lane.state(submission.id) is State.PENDING


def test_work_in_doubt_runs_when_the_pulse_returns(lane: Lane) -> None:
    submission = lane.submit()
    lane.let_pass(30)
    lane.verdict(submission.id)
    lane.pulse("alice")
    assert lane.verdict(submission.id) == (RUN, "")


def test_work_in_doubt_is_rung_again_by_itself(lane: Lane) -> None:
    submission = lane.submit()
    lane.let_pass(30)
    lane.verdict(submission.id)
    lane.rung()
    lane.let_pass(1.1, up=True)
    lane.tend()
    assert lane.rung() == [submission.id]


def test_work_in_doubt_is_dropped_when_the_pulse_does_not_return(lane: Lane) -> None:
    submission = lane.submit()
    lane.let_pass(30)
    lane.beat()
    lane.verdict(submission.id)
    lane.let_pass(5, up=True)
    assert lane.verdict(submission.id) == (HOLD, Reason.PULSE_IN_DOUBT)
    lane.let_pass(2, up=True)
    assert lane.verdict(submission.id) == (DROP, Reason.CALLER_GONE)


def test_a_run_in_doubt_goes_on(lane: Lane) -> None:
    submission = lane.running()
    lane.let_pass(30)
    assert lane.beat((submission.id, 1)) == {submission.id: ""}


def test_an_outage_in_the_middle_of_a_silence_starts_the_count_anew(lane: Lane) -> None:
    submission = lane.submit()
    lane.let_pass(5, up=True)
    lane.let_pass(4)
    lane.beat()
    assert lane.verdict(submission.id) == (HOLD, Reason.PULSE_IN_DOUBT)


def test_a_deadline_passes_also_while_in_doubt(lane: Lane) -> None:
    submission = lane.submit(timeout=20)
    lane.let_pass(30)
    assert lane.verdict(submission.id) == (DROP, Reason.DEADLINE_PASSED)


def test_the_caretaker_drops_the_work_of_the_dead_without_being_asked(lane: Lane) -> None:
    submission = lane.submit()
    lane.let_pass(15, up=True)
    lane.tend()
    assert lane.status(submission.id).reason == Reason.CALLER_GONE


def test_the_caretaker_keeps_what_is_in_doubt(lane: Lane) -> None:
    submission = lane.submit()
    lane.let_pass(30)
    lane.beat()
    lane.tend()
    assert lane.state(submission.id) is State.PENDING


def test_a_lost_pulse_of_a_ledger_that_was_never_away_is_a_dead_caller(lane: Lane) -> None:
    submission = lane.submit()
    lane.let_pass(9, up=True, pulses=["alice"])
    lane.redis.delete(lane.keys.pulse)
    assert lane.verdict(submission.id) == (DROP, Reason.CALLER_GONE)


def test_a_ledger_that_lost_its_evidence_too_doubts(lane: Lane) -> None:
    submission = lane.submit()
    lane.let_pass(9, up=True, pulses=["alice"])
    lane.redis.delete(lane.keys.pulse, lane.keys.evidence)
    assert lane.verdict(submission.id) == (HOLD, Reason.PULSE_IN_DOUBT)


def test_silent_callers_and_workers_are_forgotten_after_an_hour(lane: Lane) -> None:
    lane.submit()
    lane.beat(worker="w1")
    assert lane.ledger.workers("default") == {"w1": pytest.approx(0, abs=1)}
    lane.let_pass(3700)
    lane.tend()
    assert lane.redis.zcard(lane.keys.pulse) == 0
    assert lane.ledger.workers("default") == {}


def test_a_mailbox_lasts_a_minute_longer_than_its_owners_last_pulse(lane: Lane) -> None:
    submission = lane.running()
    lane.finish(submission)
    lane.let_pass(50, up=True, pulses=["alice"])
    lane.let_pass(50, up=True)
    assert len(lane.outcomes()) == 1
    lane.submit(key="k")
    lane.submit(key="k", on_duplicate="replace")
    lane.let_pass(61, up=True)
    assert lane.outcomes() == []
