"""What nobody wants any more stops soon, and what ignores that is ended: "done when" 1, on both pools."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery

from askfirst import Reason, State, WorkCancelled, submit_many, submit_work
from askfirst.workers import create_app
from tests.support import running, works
from tests.support.events import Events
from tests.support.eventually import eventually, stays
from tests.support.fleet import Fleet
from tests.support.pools import prefork_first, prefork_only, threads_first, threads_only
from tests.support.running import TRACES, Log

GRACE = 1.0  # of the works that ignore their token

each_kind = pytest.mark.parametrize("kind", TRACES)


@pytest.fixture
def app(fleet: Fleet) -> Iterator[Celery]:
    """What Flower is to the fleet."""
    app = create_app(fleet.settings)
    yield app
    app.close()


# The token


@pytest.mark.parametrize("count", [40, pytest.param(500, marks=pytest.mark.slow)])
def test_each_of_many_works_cancelled_on_a_busy_fleet_stops_and_says_why(fleet: Fleet, log: Log, count: int) -> None:
    waiters = submit_many(running.trace, [{"log": log.path}] * count, timeout=60)
    left = {waiter.id: waiter for waiter in waiters}

    def begun() -> list[str]:
        return [run.work for run in log.going_on() if run.work in left]

    while left:
        for id in eventually(begun, what="some of the rest run"):
            left.pop(id).cancel()
    eventually(lambda: not log.going_on(), what="all have stopped")
    runs = log.runs()
    assert len(runs) == count
    assert {run.why for run in runs} == {Reason.WITHDRAWN}
    assert all(isinstance(waiter.exception(), WorkCancelled) for waiter in waiters)
    eventually(lambda: {fleet.lane.state(run.work) for run in runs} == {State.CANCELLED}, what="so says the ledger")


@each_kind
def test_a_work_is_cancelled_by_its_own_means(fleet: Fleet, log: Log, kind: str) -> None:
    waiter = submit_work(TRACES[kind], log=log.path)
    log.wait_for("began")
    waiter.cancel()
    [stop] = log.wait_for("stopped", within=3)
    assert stop["by"] == ("CancelledError" if kind == "async" else "InterestLost")
    eventually(lambda: fleet.reason(waiter.id) == f"{State.CANCELLED}: {Reason.WITHDRAWN}", what="it is cancelled")


@each_kind
@prefork_first
def test_a_work_past_its_deadline_stops_by_its_own_means(fleet: Fleet, log: Log, kind: str) -> None:
    waiter = submit_work(TRACES[kind], log=log.path, timeout=0.7)
    log.wait_for("began")
    [stop] = log.wait_for("stopped", within=4)
    assert stop["by"] == ("CancelledError" if kind == "async" else "InterestLost")
    eventually(lambda: fleet.reason(waiter.id) == f"{State.EXPIRED}: {Reason.DEADLINE_PASSED}", what="it has expired")


@each_kind
@pytest.mark.slow
def test_a_later_deadline_of_another_caller_keeps_a_work_alive(fleet: Fleet, log: Log, kind: str) -> None:
    key = f"kept alive {kind}"
    submit_work(TRACES[kind], log=log.path, seconds=2.5, key=key, timeout=1.5)
    second = submit_work(TRACES[kind], log=log.path, seconds=2.5, key=key, timeout=20)
    assert second.result() == 1
    assert len(log.runs()) == 1


@each_kind
@prefork_first
def test_a_slot_is_free_again_and_sound_when_its_work_was_cancelled(fleet: Fleet, log: Log, kind: str) -> None:
    waiters = submit_many(TRACES[kind], [{"log": log.path}] * fleet.slots)
    log.wait_for("began", fleet.slots)
    for waiter in waiters:
        waiter.cancel()
    # As many as there are slots, and longer than a stray exception would take to arrive.
    after = Log(log.path.with_name("after"))
    others = submit_many(TRACES[kind], [{"log": after.path, "seconds": 0.3}] * fleet.slots)
    assert [other.result(timeout=8) for other in others] == [1] * fleet.slots


# The process


@prefork_only
def test_a_process_whose_run_is_to_be_killed_gets_no_grace_period(fleet: Fleet, log: Log) -> None:
    waiter = submit_work(running.trace_stubborn, log=log.path)
    pid = log.wait_for("began")[0]["pid"]
    fleet.ledger.cancel(waiter.id, Reason.OVERTAKEN, kill=True)
    eventually(lambda: not alive(pid), within=GRACE / 2, what="its process is gone")
    eventually(lambda: fleet.reason(waiter.id) == f"{State.CANCELLED}: {Reason.OVERTAKEN}", what="it is cancelled")


@prefork_only
@pytest.mark.parametrize(
    "work",
    [
        pytest.param(running.trace_deaf, id="deaf"),
        pytest.param(running.trace_stubborn, id="swallows cancellation", marks=pytest.mark.slow),
    ],
)
def test_a_process_that_ignores_it_is_killed_in_its_grace_period_and_a_second(
    fleet: Fleet, app: Celery, log: Log, work: Callable[..., Any]
) -> None:
    sibling = submit_work(running.trace, log=log.path.with_name("sibling"), seconds=2.5)
    with Events(app) as events:
        waiter = submit_work(work, log=log.path)
        pid = log.wait_for("began")[0]["pid"]
        waiter.cancel()
        eventually(lambda: not alive(pid), within=GRACE + 1, what="its process is gone")
        events.of(waiter.id, "task-revoked")
    assert fleet.reason(waiter.id) == f"{State.CANCELLED}: {Reason.WITHDRAWN}"
    assert sibling.result() == 1
    assert len(log.runs()) == 1, "it does not run again"
    others = submit_many(running.trace, [{"log": log.path.with_name("after"), "seconds": 0.3}] * fleet.slots)
    assert [other.result(timeout=8) for other in others] == [1] * fleet.slots


@prefork_only
@pytest.mark.slow
def test_a_work_that_stops_within_its_grace_period_keeps_its_process(fleet: Fleet, log: Log) -> None:
    waiter = submit_work(running.trace_deaf, log=log.path, seconds=0.6)
    pid = log.wait_for("began")[0]["pid"]
    waiter.cancel()
    log.wait_for("ended")
    eventually(lambda: fleet.lane.state(waiter.id) is State.CANCELLED, what="it has ended")
    stays(lambda: alive(pid), during=GRACE, what="its process lives")


@threads_only
def test_a_thread_that_ignores_it_is_reported_once_and_keeps_its_slot_until_it_ends(fleet: Fleet, log: Log) -> None:
    before = fleet.ledger.totals("default").get("overstayed", 0)
    waiter = submit_work(running.trace_deaf, log=log.path, seconds=2.2)
    log.wait_for("began")
    waiter.cancel()
    eventually(lambda: fleet.ledger.totals("default").get("overstayed", 0) == before + 1, within=GRACE + 1)
    log.wait_for("ended")
    eventually(lambda: fleet.lane.state(waiter.id) is State.CANCELLED, what="it has ended")
    assert fleet.ledger.totals("default")["overstayed"] == before + 1
    assert fleet.worker.log().count(f"{waiter.id} does not stop") == 1
    assert submit_work(works.add, a=1).result(timeout=5) == 2


def alive(pid: int) -> bool:
    """Whether the process runs; one that waits for its parent to take note of its end does not."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# Nobody's error


@pytest.mark.slow
def test_cancelling_one_of_two_runs_at_a_time_leaves_the_other(fleet: Fleet, log: Log) -> None:
    first, second = submit_many(running.trace, [{"log": log.path, "seconds": 1.5}] * 2)
    log.wait_for("began", 2)
    first.cancel()
    assert second.result() == 1
    assert {run.why for run in log.runs() if run.work == first.id} == {Reason.WITHDRAWN}


@threads_first
def test_cancelling_a_work_that_is_just_ending_changes_nothing_for_later_works(fleet: Fleet, log: Log) -> None:
    """Tokens, interrupts and kills must hit the run they are meant for, not what comes after it in the slot."""
    give_up_at = time.monotonic() + 1.5
    while time.monotonic() < give_up_at:
        waiters = submit_many(running.trace_interrupted, [{"log": log.path, "seconds": 0.02}] * fleet.slots)
        time.sleep(0.02)
        for waiter in waiters:
            waiter.cancel()
        for waiter in submit_many(works.add, [{"a": 1}] * fleet.slots):
            assert waiter.result(timeout=8) == 2
