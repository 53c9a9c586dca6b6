"""A work that no process of the pool takes is freed: its process is replaced, or the work goes back."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from celery.signals import worker_process_init

from askfirst.config import Settings
from askfirst.workers.prefork import unheard
from askfirst.workers.prefork.exits import see_exits
from askfirst.workers.prefork.unheard import Unheard
from askfirst.workers.runtime import Claim, Runtime
from tests.support.eventually import eventually
from tests.support.prefork import Pool, pool_on_a_loop

SILENCE = 1.0


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    monkeypatch.setattr(unheard, "SILENCE", SILENCE)
    with pool_on_a_loop() as pool:
        see_exits(pool.celerys, pool.semaphore)
        pool.listen()
        yield pool


def runtime_of(pool: Pool) -> Runtime:
    """A worker that has a claim on work a."""
    runtime = Runtime(Settings(), None, own=True)
    runtime.pool, runtime.killable = pool.celerys, True
    runtime.add_claim(Claim("a", fence="1:a", deadline_at=0.0, grace=5.0, kill=lambda: None))
    return runtime


@pytest.fixture
def runtime(pool: Pool) -> Runtime:
    return runtime_of(pool)


def heard(pool: Pool, runtime: Runtime) -> Any:
    """Gives the pool work a, which is heard of when a process has taken it."""

    def accept(pid: int, _: float) -> None:
        for claim in runtime.claims():
            claim.pid = pid

    return pool.apply(time.sleep, 2 * SILENCE, correlation_id="a", accept_callback=accept)


def test_a_process_that_takes_nothing_is_replaced_and_another_does_the_work(pool: Pool, runtime: Runtime) -> None:
    hang = list(pool.pids)
    for pid in hang:
        os.kill(pid, signal.SIGSTOP)
    job = heard(pool, runtime)
    silent = Unheard(runtime, pool.hub)
    eventually(lambda: pool.turn() and (silent.rescue() or job.ready()), within=20, what="the work is done")
    (claim,) = runtime.claims()
    assert claim.pid not in (None, *hang)
    assert not claim.forgotten


def test_what_the_pool_has_lost_goes_back(pool: Pool, runtime: Runtime) -> None:
    silent = Unheard(runtime, pool.hub)
    silent.rescue()
    assert not runtime.claims()[0].forgotten
    eventually(lambda: pool.turn() and (silent.rescue() or runtime.claims()[0].forgotten), within=SILENCE + 5)


def test_a_work_that_waits_for_processes_at_other_works_is_left_in_peace(pool: Pool, runtime: Runtime) -> None:
    before = list(pool.pids)
    others = [pool.apply(time.sleep, 2 * SILENCE) for _ in before]
    eventually(lambda: pool.turn() and all(job._accepted for job in others), what="all processes are at work")
    pool.semaphore.release()
    job = heard(pool, runtime)
    silent = Unheard(runtime, pool.hub)
    eventually(lambda: pool.turn() and (silent.rescue() or job.ready()), what="its turn comes")
    assert pool.pids == before
    assert not runtime.claims()[0].forgotten


def test_a_work_that_runs_is_left_in_peace(pool: Pool, runtime: Runtime) -> None:
    before = list(pool.pids)
    job = heard(pool, runtime)
    silent = Unheard(runtime, pool.hub)
    eventually(lambda: pool.turn() and (silent.rescue() or job.ready()), what="it ends")
    assert pool.pids == before


def test_a_work_that_runs_is_left_in_peace_while_the_loop_hangs_and_hears_nothing_of_it(
    pool: Pool, runtime: Runtime
) -> None:
    """The loop hangs from when the work was sent: the broker does not answer, or cannot be reached."""
    before = list(pool.pids)
    job = heard(pool, runtime)
    eventually(lambda: pool.turn() and job._write_to is not None, what="it is sent")
    silent = Unheard(runtime, pool.hub)
    hangs_until = time.monotonic() + 2 * SILENCE
    while time.monotonic() < hangs_until:
        silent.rescue()
        time.sleep(SILENCE / 10)
    eventually(lambda: pool.turn() and (silent.rescue() or job.ready()), what="it ends")
    assert job.successful()
    assert pool.pids == before


def load_slowly(**_: Any) -> None:
    """As a process that reads a model into its memory before it is up."""
    time.sleep(3 * SILENCE)


def test_processes_that_are_not_up_yet_are_left_in_peace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unheard, "SILENCE", SILENCE)
    worker_process_init.connect(load_slowly)  # the processes inherit it
    try:
        with pool_on_a_loop() as pool:
            before = list(pool.pids)
            pool.celerys.register_with_event_loop(pool.hub)
            pool.hub.call_repeatedly(SILENCE / 20, lambda: None)  # as what happens in a worker, it makes the loop turn
            runtime = runtime_of(pool)
            job = heard(pool, runtime)
            silent = Unheard(runtime, pool.hub)
            eventually(lambda: pool.turn() and (silent.rescue() or job.ready()), within=20, what="it ends")
            assert job.successful()
            assert pool.pids == before
    finally:
        worker_process_init.disconnect(load_slowly)
