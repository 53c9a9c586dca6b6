"""A worker that was stopped and goes on finds its work taken over, and stops itself: "done when" 9."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from askfirst import Reason, State, submit_work
from askfirst.waiters.client import Client
from tests.support import running
from tests.support.eventually import eventually
from tests.support.fleet import Worker
from tests.support.lanes import Lane
from tests.support.pools import threads_first
from tests.support.running import Log


@threads_first
@pytest.mark.parametrize(
    ("lease", "stopped"), [(1.0, 2.0), pytest.param(10.0, 30.0, marks=pytest.mark.slow)], ids=["2s", "30s"]
)
@pytest.mark.parametrize("kind", ["sync", pytest.param("async", marks=pytest.mark.slow)])
def test_a_stopped_workers_work_is_done_once_by_another_and_its_own_run_stops_when_it_wakes(
    client: Client,
    lane: Lane,
    start_traced: Callable[..., Worker],
    log: Log,
    pool: str,
    lease: float,
    stopped: float,
    kind: str,
) -> None:
    gate = log.path.with_name("gate")
    changed = {"lease": lease}
    first = start_traced("w1", pool=pool, concurrency=1, changed=changed)
    waiter = submit_work(running.GATED[kind], log=log.path, gate=gate, timeout=59)
    log.wait_for("began")
    os.killpg(first.pid, signal.SIGSTOP)
    stopped_at = time.monotonic()
    try:
        start_traced("w2", pool=pool, concurrency=1, changed=changed)
        log.wait_for("began", 2, within=15)
        eventually(lambda: time.monotonic() > stopped_at + stopped, within=stopped + 1, every=0.05)
    finally:
        os.killpg(first.pid, signal.SIGCONT)
    [stop] = log.wait_for("stopped", within=1)
    assert stop["attempt"] == 1
    if kind == "sync":
        assert stop["why"] == Reason.LEASE_LOST
    eventually(lambda: "its result is refused" in first.log(), what="its result is refused")
    status = waiter.status()
    assert status is not None
    assert (status.state, status.attempt) == (State.RUNNING, 2), "the other goes on"
    gate.touch()
    assert waiter.result() == 2
    assert len(log.runs()) == 2
    assert lane.ledger.totals("default") == {"COMPLETED": 1}


@threads_first
@pytest.mark.slow
def test_a_result_that_comes_after_the_takeover_is_refused(
    client: Client, lane: Lane, start_traced: Callable[..., Worker], log: Log, pool: str
) -> None:
    """The zombie wakes up when its run is at its end: it returns a value before anybody can tell it to stop."""
    changed = {"lease": 1.0}
    first = start_traced("w1", pool=pool, concurrency=1, changed=changed)
    waiter = submit_work(running.trace_deaf, log=log.path, seconds=1.5, timeout=59)
    log.wait_for("began")
    os.killpg(first.pid, signal.SIGSTOP)
    try:
        start_traced("w2", pool=pool, concurrency=1, changed=changed)
        log.wait_for("began", 2)
    finally:
        os.killpg(first.pid, signal.SIGCONT)
    assert waiter.result() == 2
    eventually(lambda: "its result is refused" in first.log(), what="its result is refused")
    assert lane.ledger.totals("default") == {"COMPLETED": 1}
