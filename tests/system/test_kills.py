"""What a fleet is for: somebody pulls the plug, and who waits gets an answer."""

import time
from pathlib import Path

import pytest
from pytest_celery import CeleryTestSetup

from askfirst import WorkTimeout, submit_many, submit_work
from tests.support import works
from tests.support.eventually import eventually
from tests.support.fleet import lines

pytestmark = pytest.mark.system


def test_the_worker_is_killed_in_the_middle_of_its_work(celery_setup: CeleryTestSetup, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    running = submit_work(works.linger, proof=proof, seconds=0.5)
    waiting = submit_many(works.add, [{"a": n} for n in range(20)])
    eventually(lambda: lines(proof), within=15, what="it runs")
    celery_setup.worker.kill()
    celery_setup.worker.restart()
    assert [waiter.result(timeout=15) for waiter in waiting] == list(range(1, 21))
    assert running.result(timeout=15) == "slept"


def test_the_broker_is_killed_and_comes_back(celery_setup: CeleryTestSetup, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    running = submit_work(works.linger, proof=proof, seconds=1)
    eventually(lambda: lines(proof), within=15, what="it runs")
    hopeless = submit_work(works.add, a=1, delay=0.5, timeout=0.8)
    waiting = submit_many(works.add, [{"a": n} for n in range(20)], delay=0.5)
    celery_setup.broker.kill()
    with pytest.raises(WorkTimeout):
        hopeless.result()
    assert time.monotonic() - hopeless.deadline_at < 0.5
    celery_setup.broker.restart()
    assert running.result(timeout=15) == "slept"
    assert [waiter.result(timeout=15) for waiter in waiting] == list(range(1, 21))
    assert submit_work(works.add, a=1).result(timeout=10) == 2
