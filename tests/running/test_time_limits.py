"""Celery's own time limits, common in existing projects: the hard one ends the work, once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from askfirst import State, WorkFailed, submit_work
from askfirst.config import Settings
from askfirst.waiters.client import Client
from tests.support import running, works
from tests.support.fleet import Worker
from tests.support.lanes import Lane
from tests.support.running import Log

PROJECT = """
import askfirst
from celery import Celery
from tests.support import running, works

app = Celery("proj", broker={broker!r})
app.conf.task_time_limit = 1
askfirst.install(app)
"""


@pytest.mark.slow
def test_a_work_past_celerys_time_limit_fails_and_does_not_run_again(
    client: Client, lane: Lane, settings: Settings, start_worker: Callable[..., Worker], tmp_path: Path, log: Log
) -> None:
    (tmp_path / "proj.py").write_text(PROJECT.format(broker=settings.redis_url))
    command = ["-m", "celery", "-A", "proj", "worker", "-c", "1", "-l", "INFO", "-n", "w1@%h"]
    start_worker("w1", command=command, lanes=("default",))
    waiter = submit_work(running.trace_deaf, log=log.path, seconds=20)
    error = waiter.exception(timeout=8)
    assert isinstance(error, WorkFailed)
    assert error.error_type == "TimeLimitExceeded"
    assert submit_work(works.add, a=1).result(timeout=8) == 2, "the slot is free again"
    assert lane.state(waiter.id) is State.FAILED
    assert len(log.runs()) == 1
