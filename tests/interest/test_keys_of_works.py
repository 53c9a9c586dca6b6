"""A key names a work: a second submission joins it, is refused, or takes its place."""

import pytest

from askfirst.interest.records import Outcome, Submitted
from askfirst.interest.states import Reason, State, Verdict
from tests.support.lanes import Lane


@pytest.mark.parametrize("running", [False, True], ids=["pending", "running"])
def test_a_second_submission_joins(lane: Lane, running: bool) -> None:
    first = lane.running(key="k") if running else lane.submit(key="k")
    answer = lane.ledger.submit(lane.submission("bob", key="k", timeout=10))
    assert (answer.status, answer.id, answer.remaining) == ("joined", first.id, 10)
    assert lane.status(first.id).callers == 2


def test_a_run_learns_at_once_of_a_later_deadline(lane: Lane) -> None:
    first = lane.running("alice", worker="w1", key="k")
    lane.ledger.submit(lane.submission("bob", key="k", timeout=300))
    [order] = lane.mail("w1")
    assert (order["id"], order["fence"]) == (first.id, lane.fence(first.id, 1))
    assert 299_000 < order["extend"] <= 300_000


def test_joining_does_not_ring_again(lane: Lane) -> None:
    first = lane.submit(key="k")
    lane.submit("bob", key="k")
    assert lane.rung() == [first.id]


@pytest.mark.parametrize("running", [False, True], ids=["pending", "running"])
def test_a_second_submission_is_refused_and_leaves_nothing(lane: Lane, running: bool) -> None:
    first = lane.running(key="k") if running else lane.submit(key="k")
    second = lane.submission("bob", key="k", on_duplicate="reject")
    answer = lane.ledger.submit(second)
    assert (answer.status, answer.id) == ("duplicate", first.id)
    assert lane.state(second.id) is None
    assert lane.status(first.id).callers == 1


def test_replacing_pending_work_cancels_it_and_tells_its_caller(lane: Lane) -> None:
    old = lane.submit("alice", key="k")
    new = lane.submit("bob", key="k", on_duplicate="replace")
    assert lane.outcomes("alice") == [Outcome(old.id, State.CANCELLED, Reason.REPLACED)]
    assert lane.verdict(old.id) == (Verdict.DROP, Reason.REPLACED)
    assert lane.verdict(new.id) == (Verdict.RUN, "")


def test_replacing_running_work_tells_its_caller_and_its_worker_at_once(lane: Lane) -> None:
    old = lane.running("alice", worker="w1", key="k")
    lane.submit("bob", key="k", on_duplicate="replace")
    assert lane.outcomes("alice") == [Outcome(old.id, State.CANCELLED, Reason.REPLACED)]
    assert lane.mail("w1") == [{"id": old.id, "fence": lane.fence(old.id, 1), "reason": Reason.REPLACED}]


def test_work_that_replaces_a_run_starts_when_that_has_ended(lane: Lane) -> None:
    old = lane.running("alice", key="k")
    new = lane.submit("bob", key="k", on_duplicate="replace")
    assert lane.verdict(new.id) == (Verdict.HOLD, Reason.KEY_BUSY)
    lane.rung()
    lane.finish(old)
    assert lane.rung() == [new.id]
    assert lane.verdict(new.id) == (Verdict.RUN, "")


def test_work_that_replaces_a_run_starts_when_its_worker_is_lost(lane: Lane) -> None:
    old = lane.running("alice", key="k")
    new = lane.submit("bob", key="k", on_duplicate="replace")
    lane.verdict(new.id)
    lane.rung()
    lane.let_pass(13, up=True, pulses=["bob"])
    lane.tend()
    assert lane.state(old.id) is State.CANCELLED
    assert new.id in lane.rung()
    assert lane.verdict(new.id) == (Verdict.RUN, "")


def test_of_many_replacements_only_the_last_runs_and_after_the_first_has_ended(lane: Lane) -> None:
    first = lane.running(key="k")
    second = lane.submit(key="k", on_duplicate="replace")
    third = lane.submit(key="k", on_duplicate="replace")
    assert lane.verdict(second.id) == (Verdict.DROP, Reason.REPLACED)
    assert lane.verdict(third.id) == (Verdict.HOLD, Reason.KEY_BUSY)
    lane.finish(first)
    assert lane.verdict(third.id) == (Verdict.RUN, "")


def test_replacing_what_waited_for_a_run_long_forgotten_leaves_no_trace_of_it(lane: Lane) -> None:
    first = lane.running(key="k", retention=1)
    lane.submit(key="k", on_duplicate="replace", timeout=600)
    lane.finish(first)
    lane.let_pass(5, up=True, pulses=["alice"])
    assert lane.state(first.id) is None
    third = lane.submit(key="k", on_duplicate="replace")
    assert not lane.redis.exists(lane.keys.work(first.id))
    assert lane.verdict(third.id) == (Verdict.RUN, "")


def test_joining_a_run_that_is_being_stopped_gets_work_of_its_own_afterwards(lane: Lane) -> None:
    old = lane.running("alice", key="k")
    lane.withdraw(old.id, old.interest)
    answer = lane.ledger.submit(lane.submission("bob", key="k"))
    assert answer.status == "accepted"
    assert answer.id != old.id
    assert lane.verdict(answer.id) == (Verdict.HOLD, Reason.KEY_BUSY)
    lane.finish(old)
    assert lane.verdict(answer.id) == (Verdict.RUN, "")


@pytest.mark.parametrize("policy", ["join", "reject", "replace"])
def test_a_key_is_free_again_when_its_work_has_ended(lane: Lane, policy: str) -> None:
    first = lane.running(key="k")
    lane.finish(first)
    answer = lane.ledger.submit(lane.submission(key="k", on_duplicate=policy))
    assert answer.status == "accepted"
    assert answer.id != first.id
    assert lane.verdict(answer.id) == (Verdict.RUN, "")


@pytest.mark.parametrize("policy", ["join", "reject", "replace"])
def test_works_of_different_types_may_have_the_same_key(lane: Lane, policy: str) -> None:
    one = lane.submit(key="k", name="one")
    two = lane.submit(key="k", name="two", on_duplicate=policy)
    assert lane.verdict(one.id) == lane.verdict(two.id) == (Verdict.RUN, "")


def test_the_works_of_a_key_can_be_found_by_it(lane: Lane) -> None:
    lane.ledger.know_lanes(["default"])
    one, two = lane.submit(key="k", name="one"), lane.submit(key="k", name="two")
    assert sorted(lane.ledger.ids_of_key("k")) == sorted([one.id, two.id])
    assert lane.ledger.ids_of_key("other") == []


def test_short_lived_work_does_not_free_the_key_of_another_type(lane: Lane) -> None:
    long = lane.submit(key="k", name="long", timeout=3600)
    lane.submit(key="k", name="short", timeout=1, retention=1)
    lane.let_pass(300, up=True, pulses=["alice"])
    answer = lane.ledger.submit(lane.submission(key="k", name="long", on_duplicate="reject"))
    assert (answer.status, answer.id) == ("duplicate", long.id)


def test_sending_a_submission_twice_takes_it_once(lane: Lane) -> None:
    submission = lane.submission(key="k")
    first, second = lane.ledger.submit(submission), lane.ledger.submit(submission)
    assert (first.status, first.id) == (second.status, second.id) == ("accepted", submission.id)
    assert lane.rung() == [submission.id]


@pytest.mark.parametrize("policy", ["reject", "replace"])
def test_sending_a_submission_twice_is_no_duplicate_of_itself(lane: Lane, policy: str) -> None:
    submission = lane.submission(key="k", on_duplicate=policy)
    lane.ledger.submit(submission)
    lane.ledger.submit(submission)
    assert lane.verdict(submission.id) == (Verdict.RUN, "")


def test_sending_a_submission_again_after_its_end_does_not_run_it_again(lane: Lane) -> None:
    submission = lane.running()
    lane.finish(submission)
    lane.rung()
    lane.ledger.submit(submission)
    assert lane.rung() == []
    assert lane.state(submission.id) is State.COMPLETED


def test_nothing_is_taken_in_after_the_time_that_its_submitter_was_given(lane: Lane) -> None:
    submission = lane.submission(latest=lane.now() - 1)
    assert lane.ledger.submit(submission).status == "late"
    assert lane.state(submission.id) is None
    assert lane.rung() == []
    in_time = lane.submission(latest=lane.now() + 5000)
    assert lane.ledger.submit(in_time).status == "accepted"
    assert lane.rung() == [in_time.id]


def test_works_that_have_nothing_in_common_are_taken_in_together(lane: Lane) -> None:
    one, two = lane.submission(name="one", key="k"), lane.submission(name="two", timeout=5)
    answers = lane.ledger.submit_each([one, two])
    assert [(answer.status, answer.id) for answer in answers] == [("accepted", one.id), ("accepted", two.id)]
    assert [lane.status(each.id).name for each in (one, two)] == ["one", "two"]


def once(lane: Lane, digest: str) -> Submitted:
    """What becomes of a request that is sent again, or of another one under its key."""
    return lane.ledger.submit(lane.submission("bob", key="k", on_duplicate="once", digest=digest))


@pytest.mark.parametrize("state", [State.PENDING, State.RUNNING, State.COMPLETED, State.FAILED])
def test_a_key_that_is_used_once_stands_for_one_payload(lane: Lane, state: State) -> None:
    how = {"key": "k", "on_duplicate": "once", "digest": "one"}
    if state.ended:
        first = lane.ended(state, **how)
    else:
        first = lane.running(**how) if state is State.RUNNING else lane.submit(**how)
    callers = lane.status(first.id).callers
    assert (once(lane, "two").status, once(lane, "two").id) == ("duplicate", first.id)
    assert lane.status(first.id).callers == callers
    assert (once(lane, "one").status, once(lane, "one").id) == ("joined", first.id)


def test_a_key_whose_work_was_cancelled_stands_for_any_payload(lane: Lane) -> None:
    lane.ended(State.CANCELLED, key="k", on_duplicate="once", digest="one")
    assert once(lane, "two").status == "accepted"
    assert once(lane, "one").status == "duplicate"


def test_a_key_that_other_callers_used_stands_for_any_payload(lane: Lane) -> None:
    first = lane.submit(key="k")
    assert (once(lane, "two").status, once(lane, "two").id) == ("joined", first.id)
