"""One run at a time for each key, shared while anybody wants it: "done when" 2."""

from collections import Counter
from collections.abc import Callable

import pytest

from askfirst import Reason, State, WorkCancelled, status, submit_work
from askfirst.config import Settings
from tests.support import running
from tests.support.callers import Caller
from tests.support.eventually import eventually, stays
from tests.support.fleet import Fleet
from tests.support.pools import prefork_first, prefork_only, threads_first
from tests.support.running import Log, overlaps

CROWD = """
from tests.support import running
log, per_process, policy = sys.argv[1], int(sys.argv[2]), sys.argv[3]
say("ready")
sys.stdin.readline()
from concurrent.futures import ThreadPoolExecutor, wait
def ask(number):
    return submit_work(running.trace, log=log, seconds=0.02, key="crowd", on_duplicate=policy, timeout=50)
with ThreadPoolExecutor(8) as threads:
    waiters = list(threads.map(ask, range(per_process)))
wait(waiters)
for waiter in waiters:
    error = waiter.exception()
    say(waiter.id, type(error).__name__ if error else "value")
"""


@pytest.fixture
def settings(fleet: Fleet) -> Settings:
    """Other processes are callers of the same fleet."""
    return fleet.settings


@prefork_first
def test_a_work_goes_on_while_one_of_a_hundred_callers_wants_it(fleet: Fleet, log: Log) -> None:
    waiters = [submit_work(running.trace, log=log.path, key="hundred", timeout=50) for _ in range(100)]
    log.wait_for("began")
    assert {waiter.id for waiter in waiters} == {waiters[0].id}
    found = status("hundred")
    assert found is not None
    assert found.callers == 100
    for waiter in waiters[:99]:
        waiter.cancel()
    stays(lambda: len(log.lines()) == 1, during=1.5, what="it goes on")
    waiters[99].cancel()
    [stop] = log.wait_for("stopped", within=2)
    assert stop["why"] == Reason.WITHDRAWN
    eventually(lambda: fleet.lane.state(waiters[0].id) is State.CANCELLED, what="it has ended")


@threads_first
def test_the_hundredth_caller_gets_the_result_that_the_others_left(fleet: Fleet, log: Log) -> None:
    waiters = [submit_work(running.trace, log=log.path, seconds=3, key="left", timeout=50) for _ in range(100)]
    log.wait_for("began")
    for waiter in waiters[1:]:
        waiter.cancel()
    assert waiters[0].result(timeout=7) == 1  # three for the run
    assert len(log.runs()) == 1


@pytest.mark.parametrize("policy", [pytest.param("join", marks=pytest.mark.slow), "replace"])
@pytest.mark.parametrize(
    ("processes", "count"), [(4, 120), pytest.param(8, 1000, marks=pytest.mark.slow)], ids=["4x30", "8x125"]
)
@prefork_first
def test_however_many_submit_one_key_at_once_one_run_is_made_at_a_time(
    fleet: Fleet, log: Log, caller: Callable[..., Caller], policy: str, processes: int, count: int
) -> None:
    callers = [caller(CROWD, log.path, count // processes, policy) for _ in range(processes)]
    for each in callers:
        assert each.line(within=30) == "ready"
    for each in callers:
        each.go_on()
    answers = [line.split() for each in callers for line in each.rest(within=55)]
    assert len(answers) == count, "every caller has an answer"
    eventually(lambda: not log.going_on(), what="all runs have ended")
    runs = log.runs()
    assert overlaps(runs, {}, by_key=True) == []
    assert max(Counter(run.work for run in runs).values()) == 1
    kinds = Counter(kind for _, kind in answers)
    if policy == "join":
        assert kinds == {"value": count}
    else:
        assert set(kinds) <= {"value", "WorkCancelled"}
        assert kinds["value"] >= 1, "the last one replaces all others and is replaced by none"
    completed = {run.work for run in runs if run.completed and fleet.lane.state(run.work) is State.COMPLETED}
    assert {id for id, kind in answers if kind == "value"} == completed


def test_a_replaced_run_that_does_not_stop_holds_the_new_one_up(fleet: Fleet, log: Log) -> None:
    old = submit_work(running.trace_deaf, log=log.path, seconds=0.8, key="held up")
    log.wait_for("began")
    new = submit_work(running.trace_deaf, log=log.path, seconds=0, key="held up", on_duplicate="replace")
    assert isinstance(old.exception(timeout=1), WorkCancelled)
    assert new.result(timeout=5) == 1
    assert overlaps(log.runs(), {}, by_key=True) == []
    assert [run.work for run in log.runs()] == [old.id, new.id]


@prefork_only
def test_a_replaced_run_that_has_to_be_killed_makes_way_for_the_new_one(fleet: Fleet, log: Log) -> None:
    submit_work(running.trace_deaf, log=log.path, key="killed")
    log.wait_for("began")
    new = submit_work(running.trace_deaf, log=log.path, seconds=0, key="killed", on_duplicate="replace")
    assert new.result(timeout=5) == 1


def test_joining_a_run_that_is_being_stopped_waits_for_a_new_one(fleet: Fleet, log: Log) -> None:
    old = submit_work(running.trace_deaf, log=log.path, seconds=0.8, key="stopping")
    log.wait_for("began")
    old.cancel()
    new = submit_work(running.trace_deaf, log=log.path, seconds=0, key="stopping", on_duplicate="join")
    assert new.id != old.id
    assert new.result(timeout=5) == 1
    assert overlaps(log.runs(), {}, by_key=True) == []


@threads_first
def test_a_caller_that_joins_just_before_the_deadline_of_the_others_gets_the_result(fleet: Fleet, log: Log) -> None:
    what = {"log": log.path, "seconds": 2.0}
    # A worker renews once a second: at some time in between.
    firsts = [submit_work(running.trace, **what, key=f"late {n}", timeout=1 + n / 4) for n in range(4)]
    seconds = []
    for first in firsts:
        eventually(lambda w=first: w.remaining() < 0.05, every=0.005, what="its deadline is near")
        seconds.append(submit_work(running.trace, **what, key=first.key, timeout=20))
    assert all(second.result() >= 1 for second in seconds)
