"""Works that ask for works: the whole tree stops with its root, and no leaf outlasts it: "done when" 7."""

from datetime import timedelta

import pytest

from askfirst import Reason, State, WorkFailed, submit_work
from askfirst.workers import create_app
from tests.support import running
from tests.support.eventually import eventually, stays
from tests.support.fleet import Fleet
from tests.support.pools import threads_first
from tests.support.running import Log


def test_a_tree_gives_its_result(fleet: Fleet, log: Log) -> None:
    assert submit_work(running.grow, log=log.path, depth=2, width=1, seconds=0.1).result() == 1
    assert submit_work(running.grow, log=log.path, depth=1, width=4, seconds=0.1).result() == 4


@pytest.mark.parametrize(("depth", "width"), [(2, 1), (1, 5), (5, 1)], ids=["three levels", "wide", "six levels"])
def test_cancelling_the_root_stops_every_leaf_within_a_second(fleet: Fleet, log: Log, depth: int, width: int) -> None:
    waiter = submit_work(running.grow, log=log.path, depth=depth, width=width)
    works = 1 + depth * width
    log.wait_for("began", works)
    waiter.cancel()
    eventually(lambda: len(log.events("stopped")) == works, within=1, what="all have stopped")
    ids = [run.work for run in log.runs()]
    eventually(lambda: {fleet.lane.state(id) for id in ids} == {State.CANCELLED}, what="so says the ledger")


@threads_first
@pytest.mark.parametrize("count", [500, pytest.param(5_000, marks=pytest.mark.slow)])
def test_cancelling_a_parent_of_many_takes_its_worker_no_beat(fleet: Fleet, log: Log, count: int) -> None:
    """In a pool of threads it is the thread that renews all leases who trips the parent's token."""
    waiter = submit_work(running.have_many, log=log.path, count=count)
    log.wait_for("began", fleet.slots)
    waiter.cancel()
    silences = []

    def all_ended() -> bool:
        silences.append(min(fleet.ledger.workers("default").values()))
        counts = fleet.ledger.counts("default")
        return counts[State.PENDING] + counts[State.RUNNING] == 0

    eventually(all_ended, what="all children have ended")
    assert max(silences) < 2.0, "a worker beats every second"
    assert len(log.events("began")) == len(log.events("stopped")) < fleet.slots * 4


def test_no_work_of_a_tree_has_more_time_left_than_its_root(fleet: Fleet, log: Log) -> None:
    waiter = submit_work(running.grow, log=log.path, depth=2, width=1, timeout=20)
    log.wait_for("began", 3)
    deadlines = {line["depth"]: line["deadline"] for line in log.events("began")}
    assert deadlines[0] <= deadlines[1] + 0.1  # two ways of the clock through the ledger, in whole milliseconds
    assert deadlines[1] <= deadlines[2] + 0.1
    in_ledger = {run.work: fleet.lane.status(run.work).deadline for run in log.runs()}
    assert max(in_ledger.values()) <= in_ledger[waiter.id] + timedelta(seconds=0.1)
    waiter.cancel()
    log.wait_for("stopped", 3)


def test_a_work_of_a_tree_may_have_less_time(fleet: Fleet, log: Log) -> None:
    waiter = submit_work(running.grow, log=log.path, depth=1, width=1, wish=0.5, timeout=20)
    error = waiter.exception()
    assert isinstance(error, WorkFailed)
    assert error.error_type == "askfirst.interest.errors.WorkTimeout"
    log.wait_for("stopped", 2)
    leaf = next(run for run in log.runs() if run.work != waiter.id)
    assert leaf.why == Reason.DEADLINE_PASSED


@pytest.mark.parametrize("fail", [False, True], ids=["succeeds", "fails"])
def test_a_child_that_nobody_waits_for_stops_when_its_parent_ends(fleet: Fleet, log: Log, fail: bool) -> None:
    child = Log(log.path.with_name("child"))
    submit_work(running.leave_behind, log=log.path, apart=False, seconds=20, fail=fail).exception()
    [stop] = child.wait_for("stopped", within=2)
    assert stop["why"] == Reason.WITHDRAWN


@pytest.mark.parametrize("fail", [False, True], ids=["succeeds", "fails"])
def test_a_child_of_a_plain_call_stops_when_that_ends(fleet: Fleet, log: Log, fail: bool) -> None:
    child = Log(log.path.with_name("child"))
    with create_app(fleet.settings) as app:
        task = app.tasks["tests.support.running.leave_behind"]
        task.apply_async(kwargs={"log": str(log.path), "apart": False, "seconds": 20, "fail": fail})
        log.wait_for("stopped" if fail else "ended")
    [stop] = child.wait_for("stopped", within=2)
    assert stop["why"] == Reason.WITHDRAWN


@threads_first
def test_a_detached_child_outlives_its_parent(fleet: Fleet, log: Log) -> None:
    child = Log(log.path.with_name("child"))
    submit_work(running.leave_behind, log=log.path, apart=True, seconds=1).result()
    child.wait_for("ended")


def test_a_child_whose_parent_was_cancelled_before_it_started_does_not_start(fleet: Fleet, log: Log) -> None:
    """More children than slots: those that wait must not take the slots of those that stop."""
    waiter = submit_work(running.grow, log=log.path, depth=1, width=2 * fleet.slots)
    log.wait_for("began", fleet.slots)
    waiter.cancel()
    eventually(lambda: not log.going_on(), within=2, what="all have stopped")
    stays(lambda: len(log.runs()) == fleet.slots, during=0.5, what="no other starts")
