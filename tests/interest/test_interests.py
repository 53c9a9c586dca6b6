"""A work is wanted while one interest lives: who adds one, who takes it back, and what follows."""

import pytest

from askfirst.interest.records import Claim, Outcome, new_id
from askfirst.interest.states import Reason, State, Verdict
from tests.support.lanes import Lane


def test_the_only_caller_withdraws_pending_work(lane: Lane) -> None:
    submission = lane.submit()
    lane.withdraw(submission.id, submission.interest)
    status = lane.status(submission.id)
    assert (status.state, status.reason) == (State.CANCELLED, Reason.WITHDRAWN)


def test_one_of_two_callers_withdraws_and_the_work_goes_on(lane: Lane) -> None:
    submission = lane.submit("alice", key="k")
    second = lane.submit("bob", key="k")
    lane.withdraw(submission.id, submission.interest)
    assert lane.verdict(submission.id) == (Verdict.RUN, "")
    lane.withdraw(submission.id, second.interest)
    assert lane.status(submission.id).reason == Reason.WITHDRAWN


def test_the_last_withdrawal_tells_the_run_to_stop(lane: Lane) -> None:
    submission = lane.running(worker="w1")
    lane.withdraw(submission.id, submission.interest)
    assert lane.state(submission.id) is State.RUNNING
    assert lane.mail("w1") == [{"id": submission.id, "fence": lane.fence(submission.id, 1), "reason": Reason.WITHDRAWN}]
    assert lane.beat((submission.id, 1)) == {submission.id: Reason.WITHDRAWN}


def test_withdrawing_twice_or_for_somebody_else_changes_nothing(lane: Lane) -> None:
    submission = lane.submit()
    lane.withdraw(submission.id, "a:mallory:1")
    assert lane.state(submission.id) is State.PENDING
    lane.withdraw(submission.id, submission.interest)
    lane.withdraw(submission.id, submission.interest)
    assert lane.ledger.totals("default") == {f"CANCELLED: {Reason.WITHDRAWN}": 1}


def test_withdrawing_from_unknown_work_writes_nothing(lane: Lane) -> None:
    lane.withdraw(new_id("default"), "a:alice:1")
    assert lane.redis.keys() == []


def test_many_withdrawals_go_in_one_round_trip(lane: Lane) -> None:
    submissions = [lane.submit() for _ in range(5)]
    lane.ledger.withdraw_many([Claim(submission.id, submission.interest) for submission in submissions])
    assert {lane.state(submission.id) for submission in submissions} == {State.CANCELLED}


def test_a_work_lives_until_the_last_of_its_deadlines(lane: Lane) -> None:
    submission = lane.submit("alice", key="k", timeout=5)
    lane.submit("bob", key="k", timeout=20)
    lane.let_pass(10, up=True, pulses=["alice", "bob"])
    answer = lane.ask(submission.id)
    assert answer is not None
    assert answer.verdict is Verdict.RUN
    assert 9 < answer.remaining <= 10


def test_a_caller_past_its_deadline_does_not_keep_the_work_when_the_other_withdraws(lane: Lane) -> None:
    submission = lane.submit("alice", key="k", timeout=5)
    second = lane.submit("bob", key="k", timeout=20)
    lane.let_pass(10, up=True, pulses=["alice", "bob"])
    lane.withdraw(submission.id, second.interest)
    assert lane.state(submission.id) is State.CANCELLED


def test_every_caller_gets_the_outcome_once(lane: Lane) -> None:
    submission = lane.submit("alice", key="k")
    lane.submit("bob", key="k")
    lane.submit("bob", key="k")
    lane.ask(submission.id)
    lane.finish(submission, result="7")
    outcome = Outcome(submission.id, State.COMPLETED, "", "7")
    assert lane.outcomes("alice") == [outcome]
    assert lane.outcomes("bob") == [outcome]


def test_cancelling_pending_work_tells_all_callers(lane: Lane) -> None:
    submission = lane.submit("alice", key="k")
    lane.submit("bob", key="k")
    assert lane.ledger.cancel(submission.id, Reason.CANCELLED) is State.PENDING
    outcome = Outcome(submission.id, State.CANCELLED, Reason.CANCELLED)
    assert lane.outcomes("alice") == lane.outcomes("bob") == [outcome]


def test_cancelling_running_work_tells_callers_at_once_and_the_worker(lane: Lane) -> None:
    submission = lane.running(worker="w1")
    assert lane.ledger.cancel(submission.id, Reason.REVOKED) is State.RUNNING
    assert lane.outcomes() == [Outcome(submission.id, State.CANCELLED, Reason.REVOKED)]
    assert lane.mail("w1") == [{"id": submission.id, "fence": lane.fence(submission.id, 1), "reason": Reason.REVOKED}]
    assert lane.status(submission.id).reason == Reason.REVOKED


def test_the_first_reason_to_stop_stands(lane: Lane) -> None:
    submission = lane.running(worker="w1")
    lane.ledger.cancel(submission.id, Reason.REVOKED)
    lane.ledger.cancel(submission.id, Reason.CANCELLED)
    assert lane.status(submission.id).reason == Reason.REVOKED
    assert len(lane.mail("w1")) == 1
    assert len(lane.outcomes()) == 1


@pytest.mark.parametrize("state", [state for state in State if state.ended])
def test_cancelling_ended_work_changes_nothing(lane: Lane, state: State) -> None:
    submission = lane.ended(state)
    before = lane.redis.hgetall(lane.keys.work(submission.id))
    assert lane.ledger.cancel(submission.id, Reason.CANCELLED) is state
    assert lane.redis.hgetall(lane.keys.work(submission.id)) == before


def test_cancelling_unknown_work_says_so(lane: Lane) -> None:
    assert lane.ledger.cancel(new_id("default"), Reason.CANCELLED) is None


def test_what_has_not_started_is_ended_and_a_run_goes_on(lane: Lane) -> None:
    waiting, running = lane.submit(), lane.running()
    assert lane.ledger.cancel_unstarted(waiting.id, Reason.WITHDRAWN) is State.PENDING
    assert lane.ledger.cancel_unstarted(running.id, Reason.WITHDRAWN) is State.RUNNING
    assert lane.state(waiting.id) is State.CANCELLED
    assert lane.status(running.id).reason is None
    assert lane.mail("w1") == []


def test_what_is_on_its_way_when_it_is_ended_never_comes_in(lane: Lane) -> None:
    submission = lane.submission()
    assert lane.ledger.cancel_unstarted(submission.id, Reason.WITHDRAWN) is None
    lane.ledger.submit(submission)
    assert lane.state(submission.id) is None
    assert lane.rung() == []
    assert lane.verdict(submission.id) == (Verdict.DROP, Reason.DUPLICATE)


def test_a_run_to_be_killed_is_told_so_also_where_it_was_told_to_stop_before(lane: Lane) -> None:
    submission = lane.running(worker="w1")
    lane.ledger.cancel(submission.id, Reason.REVOKED)
    lane.ledger.cancel(submission.id, Reason.CANCELLED, kill=True)
    told = {"id": submission.id, "fence": lane.fence(submission.id, 1), "reason": Reason.REVOKED}
    assert lane.mail("w1") == [told, told | {"kill": True}]


# Attaching


def test_attaching_to_live_work_adds_an_interest_until_its_deadline(lane: Lane) -> None:
    submission = lane.submit("alice", timeout=30)
    left = lane.ledger.attach(submission.id, lane.interest("bob"), None)
    assert isinstance(left, float)
    assert 29 < left <= 30
    lane.withdraw(submission.id, submission.interest)
    assert lane.state(submission.id) is State.PENDING


def test_attaching_with_a_timeout_of_its_own_can_prolong_the_work(lane: Lane) -> None:
    submission = lane.submit("alice", timeout=5)
    assert lane.ledger.attach(submission.id, lane.interest("bob"), 60.0) == 60.0
    lane.let_pass(10, up=True, pulses=["alice", "bob"])
    assert lane.verdict(submission.id) == (Verdict.RUN, "")


def test_attaching_with_a_shorter_timeout_does_not_shorten_the_work(lane: Lane) -> None:
    submission = lane.submit("alice", timeout=30)
    assert lane.ledger.attach(submission.id, lane.interest("bob"), 5.0) == 5.0
    lane.let_pass(10, up=True, pulses=["alice", "bob"])
    assert lane.verdict(submission.id) == (Verdict.RUN, "")


def test_attaching_to_ended_work_brings_its_outcome(lane: Lane) -> None:
    submission = lane.running()
    lane.finish(submission, result='"done"')
    outcome = lane.ledger.attach(submission.id, lane.interest("bob"), None)
    assert outcome == Outcome(submission.id, State.COMPLETED, "", '"done"')


def test_attaching_to_work_that_is_being_stopped_brings_the_reason(lane: Lane) -> None:
    submission = lane.running()
    lane.ledger.cancel(submission.id, Reason.CANCELLED)
    outcome = lane.ledger.attach(submission.id, lane.interest("bob"), None)
    assert outcome == Outcome(submission.id, State.CANCELLED, Reason.CANCELLED)


def test_attaching_to_unknown_work_says_so(lane: Lane) -> None:
    assert lane.ledger.attach(new_id("default"), "a:bob:1", None) is None


def test_an_outcome_can_be_looked_up_once_there_is_one(lane: Lane) -> None:
    submission = lane.running()
    assert lane.ledger.outcome(submission.id) is None
    lane.finish(submission, result="1")
    assert lane.ledger.outcome(submission.id) == Outcome(submission.id, State.COMPLETED, "", "1")


# What a status says


def test_a_status_counts_the_interests_and_keeps_the_count(lane: Lane) -> None:
    submission = lane.submit("alice", key="k")
    lane.submit("bob", key="k")
    assert lane.status(submission.id).callers == 2
    lane.ask(submission.id)
    lane.finish(submission)
    assert lane.status(submission.id).callers == 2


def test_a_status_tells_the_times_in_order(lane: Lane) -> None:
    submission = lane.running(timeout=60)
    lane.finish(submission)
    status = lane.status(submission.id)
    assert status.started_at is not None
    assert status.finished_at is not None
    assert status.submitted_at <= status.started_at <= status.finished_at < status.deadline
    assert (status.deadline - status.submitted_at).total_seconds() == pytest.approx(60, abs=0.1)


def test_totals_count_every_end_by_state_and_reason(lane: Lane) -> None:
    lane.ended(State.COMPLETED)
    lane.ended(State.FAILED)
    for _ in range(2):
        submission = lane.submit()
        lane.withdraw(submission.id, submission.interest)
    assert lane.ledger.totals("default") == {"COMPLETED": 1, "FAILED": 1, f"CANCELLED: {Reason.WITHDRAWN}": 2}


def test_counts_tell_where_the_works_are_now(lane: Lane) -> None:
    lane.running()
    lane.submit()
    lane.submit()
    lane.ended(State.COMPLETED)
    counts = lane.ledger.counts("default")
    assert {state: n for state, n in counts.items() if n} == {
        State.RUNNING: 1,
        State.PENDING: 2,
        State.COMPLETED: 1,
    }
