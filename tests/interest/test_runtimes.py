"""The ledger learns how long a work type runs, and does not start what cannot be done in time while others wait."""

import pytest

from askfirst.interest.states import Reason, State, Verdict
from tests.support.lanes import Lane

RUN, DROP = Verdict.RUN, Verdict.DROP


def run(lane: Lane, seconds: float, name: str = "t", **ending: object) -> None:
    """A run of that length, from claim to finish."""
    submission = lane.running(name=name, timeout=600)
    lane.rung()
    lane.let_pass(seconds, up=True, pulses=["alice"])
    lane.finish(submission, **ending)  # type: ignore[arg-type]  # as the helper has them


@pytest.fixture
def four_seconds_long(lane: Lane) -> Lane:
    """A lane whose works of type "t" are known to take four seconds."""
    for _ in range(12):
        run(lane, 4)
    return lane


def test_work_without_enough_time_left_is_dropped_while_others_wait(four_seconds_long: Lane) -> None:
    lane = four_seconds_long
    hopeless = lane.submit(timeout=2)
    lane.submit(timeout=60)
    assert lane.deliver(hopeless.id) == (DROP, Reason.NOT_ENOUGH_TIME)
    assert lane.state(hopeless.id) is State.EXPIRED
    assert [outcome.id for outcome in lane.outcomes() if outcome.reason == Reason.NOT_ENOUGH_TIME] == [hopeless.id]


def test_work_without_enough_time_left_may_try_when_nobody_else_waits(four_seconds_long: Lane) -> None:
    assert four_seconds_long.deliver(four_seconds_long.submit(timeout=2).id) == (RUN, "")


def test_work_that_waits_for_its_time_to_come_waits_for_no_slot(four_seconds_long: Lane) -> None:
    lane = four_seconds_long
    lane.submit(timeout=600, delay=300)
    alone = lane.submit(timeout=2)
    assert lane.deliver(alone.id) == (RUN, "")


def test_work_with_enough_time_left_runs(four_seconds_long: Lane) -> None:
    lane = four_seconds_long
    possible = lane.submit(timeout=8)
    lane.submit(timeout=60)
    assert lane.deliver(possible.id) == (RUN, "")


def test_work_of_a_type_that_never_ran_runs(four_seconds_long: Lane) -> None:
    lane = four_seconds_long
    unknown = lane.submit(timeout=0.5, name="new")
    lane.submit(timeout=60)
    assert lane.deliver(unknown.id) == (RUN, "")


def test_a_wrong_estimate_is_found_out(four_seconds_long: Lane) -> None:
    """The works have become fast: without a try now and then, the ledger would refuse them for ever."""
    lane = four_seconds_long
    ran = 0
    for _ in range(20):
        submission = lane.submit(timeout=2)
        other = lane.submit(timeout=2)
        if lane.deliver(submission.id)[0] is RUN:
            ran += 1
            lane.let_pass(0.1)
            lane.finish(submission)
        lane.ledger.cancel(other.id, Reason.CANCELLED)
        lane.let_pass(2, up=True, pulses=["alice"])
    assert ran > 6


def test_a_failing_work_type_tells_nothing_about_how_long_it_takes(four_seconds_long: Lane) -> None:
    lane = four_seconds_long
    for _ in range(20):
        run(lane, 0.01, state=State.FAILED)
    hopeless = lane.submit(timeout=2)
    lane.submit(timeout=60)
    assert lane.deliver(hopeless.id) == (DROP, Reason.NOT_ENOUGH_TIME)


def test_runs_of_all_lengths_are_no_ground_to_refuse_one(lane: Lane) -> None:
    for n in range(12):
        run(lane, 8 if n % 2 else 0.5)
    short = lane.submit(timeout=5)
    lane.submit(timeout=60)
    assert lane.deliver(short.id) == (RUN, "")


def test_a_clock_that_goes_back_during_a_run_does_no_lasting_harm(lane: Lane) -> None:
    for _ in range(12):
        run(lane, 0.01)
    submission = lane.running(timeout=600)
    lane.rung()
    # A promoted replica's clock is behind.
    lane.redis.hset(lane.keys.work(submission.id), "started_at", lane.now() + 5000)
    lane.finish(submission)
    for _ in range(20):
        run(lane, 0.01)
    assert 0 <= float(lane.redis.hget(lane.keys.runtimes, "t").split()[0]) < 1000
    assert int(lane.redis.hget(lane.keys.spent, "useful")) > 0
