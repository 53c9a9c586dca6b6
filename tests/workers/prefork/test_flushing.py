"""A prefork pool whose worker lost its broker keeps what its processes have, and gives back the rest."""

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from askfirst.config import Settings
from askfirst.workers.prefork.flushing import flush_in_order
from askfirst.workers.runtime import Claim, Runtime
from tests.support.eventually import eventually
from tests.support.prefork import PROCESSES, Pool, pool_on_a_loop


@pytest.fixture
def runtime() -> Runtime:
    """A worker that has claims on works a, b and c."""
    runtime = Runtime(Settings(), None, own=True)
    for id in "abc":
        runtime.add_claim(Claim(id, fence=f"1:{id}", deadline_at=0.0, grace=5.0, kill=lambda: None))
    return runtime


@pytest.fixture
def pool(runtime: Runtime) -> Iterator[Pool]:
    with pool_on_a_loop() as pool:
        flush_in_order(runtime, pool.celerys, pool.semaphore)
        pool.listen()
        yield pool


def forgotten(runtime: Runtime) -> list[str]:
    return [claim.id for claim in runtime.claims() if claim.forgotten]


def test_what_was_sent_is_kept_and_told_when_it_has_run(pool: Pool, runtime: Runtime) -> None:
    ended: list[float] = []
    job = pool.apply(abs, -1.0, callback=ended.append, correlation_id="a")
    eventually(lambda: pool.turn() and job._write_to is not None, what="it is sent")
    pool.semaphore.clear()  # Celery's consumer takes all slots for free
    pool.celerys.flush()
    assert not forgotten(runtime)
    assert ended or pool.semaphore.value == PROCESSES - 1
    eventually(lambda: pool.turn() and ended == [1.0], what="its result is heard")
    assert pool.semaphore.value == PROCESSES


def test_a_slot_whose_work_runs_on_stays_taken(pool: Pool) -> None:
    job = pool.apply(time.sleep, 1.0)
    eventually(lambda: pool.turn() and job._accepted, what="it runs")
    pool.semaphore.clear()
    pool.celerys.flush()
    assert pool.semaphore.value == PROCESSES - 1
    eventually(lambda: pool.turn() and job.ready(), what="it ends")
    assert pool.semaphore.value == PROCESSES


def test_what_was_not_sent_is_forgotten_and_goes_back(pool: Pool, runtime: Runtime) -> None:
    pool.apply(abs, 1, correlation_id="a")
    pool.apply(abs, 1, correlation_id="an ordinary task")
    pool.semaphore.clear()
    pool.celerys.flush()
    assert forgotten(runtime) == ["a"]
    assert not pool.processes._cache
    assert pool.semaphore.value == PROCESSES


def test_an_older_run_of_what_is_forgotten_is_not_forgotten_with_it(pool: Pool, runtime: Runtime) -> None:
    runtime.add_claim(Claim("a", fence="0:a", deadline_at=0.0, grace=5.0, kill=lambda: None, pid=1234))
    pool.apply(abs, 1, correlation_id="a")
    pool.celerys.flush()
    assert [claim.fence for claim in runtime.claims() if claim.forgotten] == ["1:a"]


def test_what_was_sent_to_a_process_that_died_goes_back(pool: Pool, runtime: Runtime) -> None:
    for pid in pool.pids:
        os.kill(pid, signal.SIGSTOP)  # takes nothing any more
    job = pool.apply(abs, 1, correlation_id="a")
    eventually(lambda: pool.turn() and job._write_to is not None, what="it is sent")
    for pid in pool.pids:
        os.kill(pid, signal.SIGKILL)
    for process in pool.processes._pool:
        process.join(5)
    pool.celerys.flush()
    assert forgotten(runtime) == ["a"]
    assert not pool.processes._cache


class PoolThatNeverFlushes:
    flush: Callable[[], None] | None = None


def test_a_pool_without_a_flush_is_left_as_it_is(runtime: Runtime) -> None:
    pool = PoolThatNeverFlushes()
    flush_in_order(runtime, pool, None)
    assert pool.flush is None
