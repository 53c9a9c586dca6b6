"""A timeout of something that a work calls is its error; only a tripped token is a cancellation: "done when" 3."""

from collections.abc import Callable
from typing import Any

import pytest

from askfirst import Reason, State, WorkCancelled, WorkFailed, WorkTimeout, WorkWaiter, cancel, submit_work
from tests.support import running
from tests.support.eventually import eventually
from tests.support.fleet import Fleet
from tests.support.pools import threads_first
from tests.support.running import Log

OPERATION_TIMEOUT = "askfirst.tasks.limit.OperationTimeout"
DOWNSTREAM = {
    "socket": (running.read_from_slow_server, {"patience": 0.2}, "TimeoutError"),
    "socket within a limit": (running.read_within_limit, {"limit": 5, "patience": 0.2}, "TimeoutError"),
    "limit": (running.read_within_limit, {"limit": 0.2}, OPERATION_TIMEOUT),
    "asyncio": (running.await_within, {"patience": 0.2}, "TimeoutError"),
    "asyncio, cancelled by others": (running.await_cancelled_by_others, {}, "asyncio.exceptions.CancelledError"),
    "another context": (running.call_with_less_time, {}, "askfirst.tasks.token.InterestLost"),
}
WAITING = {
    "socket in steps": (running.read_in_steps, {}),
    "socket within a limit": (running.read_within_limit, {"limit": 5, "patience": 0.4}),
    "asyncio": (running.await_within, {"patience": 20}),
}

downstream = pytest.mark.parametrize("case", DOWNSTREAM)
waiting = pytest.mark.parametrize("case", WAITING)
each_parent = pytest.mark.parametrize("parent", [running.ask_child, running.await_child], ids=["sync", "async"])


def ended(fleet: Fleet, waiter: WorkWaiter) -> str:
    """How the ledger says it ended."""
    eventually(lambda: (state := fleet.lane.state(waiter.id)) and state.ended, what="it has ended")
    return fleet.reason(waiter.id)


@downstream
def test_a_downstream_timeout_fails_the_work_with_that_error(fleet: Fleet, log: Log, case: str) -> None:
    work, payload, kind = DOWNSTREAM[case]
    waiter = submit_work(work, log=log.path, **payload)
    error = waiter.exception()
    assert isinstance(error, WorkFailed)
    assert not isinstance(error, WorkTimeout | WorkCancelled)
    assert error.error_type == kind
    assert "running.py" in error.traceback
    assert ended(fleet, waiter) == State.FAILED


@waiting
def test_a_cancel_during_a_downstream_wait_cancels_the_work(fleet: Fleet, log: Log, case: str) -> None:
    work, payload = WAITING[case]
    waiter = submit_work(work, log=log.path, **payload)
    log.wait_for("began")
    cancel(waiter.id)
    error = waiter.exception(timeout=2)
    assert isinstance(error, WorkCancelled)
    assert error.reason == Reason.CANCELLED
    assert ended(fleet, waiter) == f"{State.CANCELLED}: {Reason.CANCELLED}"
    log.wait_for("stopped")


@waiting
@threads_first
def test_a_deadline_during_a_downstream_wait_expires_the_work(fleet: Fleet, log: Log, case: str) -> None:
    work, payload = WAITING[case]
    waiter = submit_work(work, log=log.path, timeout=0.6, **payload | ({"limit": 20} if "limit" in payload else {}))
    if case == "socket within a limit":
        waiter = submit_work(work, log=log.path, timeout=0.6, limit=20)  # the socket gets what is left of the work
    assert isinstance(waiter.exception(), WorkTimeout)
    assert ended(fleet, waiter) == f"{State.EXPIRED}: {Reason.DEADLINE_PASSED}"


@each_parent
def test_the_timeout_of_a_child_is_its_parents_error(fleet: Fleet, log: Log, parent: Callable[..., Any]) -> None:
    waiter = submit_work(parent, log=log.path, seconds=20, patience=0.4)
    error = waiter.exception()
    assert isinstance(error, WorkFailed)
    assert error.error_type == "askfirst.interest.errors.WorkTimeout"
    assert ended(fleet, waiter) == State.FAILED


@each_parent
def test_the_cancellation_of_a_child_is_its_parents_error(fleet: Fleet, log: Log, parent: Callable[..., Any]) -> None:
    waiter = submit_work(parent, log=log.path, seconds=20, patience=20)
    [began] = Log(log.path.with_name("child")).wait_for("began")
    cancel(began["work"])
    error = waiter.exception(timeout=5)
    assert isinstance(error, WorkFailed)
    assert error.error_type == "askfirst.interest.errors.WorkCancelled"
    assert ended(fleet, waiter) == State.FAILED


@each_parent
def test_a_cancel_while_it_waits_for_a_child_cancels_both(fleet: Fleet, log: Log, parent: Callable[..., Any]) -> None:
    waiter = submit_work(parent, log=log.path, seconds=20, patience=20)
    child = Log(log.path.with_name("child"))
    child.wait_for("began")
    waiter.cancel()
    assert ended(fleet, waiter) == f"{State.CANCELLED}: {Reason.WITHDRAWN}"
    [stop] = child.wait_for("stopped", within=1)
    assert stop["why"] == Reason.WITHDRAWN
