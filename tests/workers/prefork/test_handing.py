"""Celery's prefork pool is made to hand a job to an idle process without another turn of its event loop."""

from collections.abc import Iterator
from typing import Any

import pytest

from askfirst.workers.prefork.handing import hand_over_at_once
from tests.support.eventually import eventually
from tests.support.prefork import Pool, pool_on_a_loop


@pytest.fixture
def pool() -> Iterator[Pool]:
    with pool_on_a_loop() as pool:
        hand_over_at_once(pool.celerys)
        pool.listen()
        yield pool


def test_a_job_is_with_an_idle_process_before_the_loop_turns(pool: Pool) -> None:
    ended: list[Any] = []
    jobs = [pool.celerys.apply_async(len, ("ab",), callback=ended.append) for _ in range(3)]
    assert [job._write_to is not None for job in jobs] == [True, True, False]
    eventually(lambda: pool.turn() and len(ended) == 3, what="the third is run when a process is idle again")
    assert ended == [2, 2, 2]
