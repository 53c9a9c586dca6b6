"""A prefork pool sees the end of its processes at once, and knows how many of them are free."""

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from billiard.pool import EX_RECYCLE

from askfirst.workers.prefork.exits import see_exits
from tests.support.eventually import eventually
from tests.support.prefork import PROCESSES, Pool, pool_on_a_loop


@pytest.fixture
def pool() -> Iterator[Pool]:
    with pool_on_a_loop() as pool:
        see_exits(pool.celerys, pool.semaphore)
        pool.listen()
        yield pool


def killed(pool: Pool, pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: pool.turn() and len(set(pool.pids) - {pid}) == PROCESSES, within=2, what="its place is filled")


def too_early(pool: Pool, monkeypatch: pytest.MonkeyPatch, times: int) -> list[int]:
    """So many looks at who has ended come before Linux has it told; the numbers of the looks."""
    looks: list[int] = []
    celerys = pool.processes.maintain_pool

    def maintain_pool() -> None:
        looks.append(len(looks))
        if len(looks) > times:
            celerys()

    monkeypatch.setattr(pool.processes, "maintain_pool", maintain_pool)
    return looks


@pytest.mark.parametrize("times", [0, 1, 4])
def test_a_process_that_ends_is_replaced_before_the_timer_comes_round(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    looks = too_early(pool, monkeypatch, times)
    began_at = time.monotonic()
    killed(pool, pool.pids[0])
    assert time.monotonic() - began_at < 2  # Celery's timer: five
    assert len(looks) > times


def test_the_end_of_an_idle_process_frees_no_slot(pool: Pool) -> None:
    running = pool.apply(time.sleep, 1.0)
    eventually(lambda: pool.turn() and running._accepted, what="it runs")
    idle = next(pid for pid in pool.pids if pid != running._worker_pid)
    killed(pool, idle)
    assert pool.semaphore.value == PROCESSES - 1


def test_the_end_of_a_busy_process_frees_its_slot(pool: Pool) -> None:
    failed: list[Any] = []
    running = pool.apply(time.sleep, 20.0, error_callback=failed.append)
    eventually(lambda: pool.turn() and running._accepted, what="it runs")
    killed(pool, running._worker_pid)
    eventually(lambda: pool.turn() and failed, what="its end is told")
    assert pool.semaphore.value == PROCESSES


def test_a_process_that_ends_after_its_last_job_frees_its_slot_once(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next job has taken the slot when the last one ended, and others wait."""
    asked: list[int] = []
    running = [pool.apply(time.sleep, 1.0) for _ in range(PROCESSES)]
    pool.semaphore.acquire(asked.append, 1)
    monkeypatch.setattr(pool.processes, "_join_exited_workers", lambda shutdown=False: [EX_RECYCLE])
    monkeypatch.setattr(pool.processes, "_repopulate_pool", lambda exitcodes: None)
    pool.processes.maintain_pool()
    assert asked == []
    monkeypatch.undo()
    eventually(lambda: pool.turn() and running[0].ready(), what="one ends")
    assert asked == [1]


def test_the_end_of_a_busy_process_lets_the_next_ask(pool: Pool) -> None:
    asked: list[int] = []
    running = [pool.apply(time.sleep, 20.0, error_callback=lambda _: None) for _ in range(PROCESSES)]
    eventually(lambda: pool.turn() and all(job._accepted for job in running), what="they run")
    for number in range(PROCESSES):
        pool.semaphore.acquire(asked.append, number)
    killed(pool, running[0]._worker_pid)
    eventually(lambda: pool.turn() and asked, what="its slot is taken")
    assert asked == [0]
