"""A broker that delivers again what is not acknowledged in time runs nothing twice: "done when" 5."""

from collections.abc import Callable
from pathlib import Path

import pytest

from askfirst import submit_work
from askfirst.interest.ledger import Ledger
from askfirst.waiters.client import Client
from tests.support import running, works
from tests.support.eventually import eventually
from tests.support.fleet import Worker
from tests.support.pools import threads_first
from tests.support.running import Log
from tests.support.servers import RedisServer

PROJECT = """
import askfirst
from celery import Celery
from tests.support import running, works

app = Celery("proj", broker={broker!r})
app.conf.worker_prefetch_multiplier = 1
app.conf.broker_transport_options = {{
    "visibility_timeout": {visible}, "unacked_restore_interval": 1, "unacked_restore_throttle": 1,
}}
askfirst.install(app)
"""


@threads_first
@pytest.mark.parametrize(
    ("visible", "seconds"), [(1, 6), pytest.param(5, 60, marks=pytest.mark.slow)], ids=["1s", "5s"]
)
def test_a_work_that_takes_longer_than_the_brokers_visibility_timeout_runs_once(
    client: Client,
    ledger: Ledger,
    redis_server: RedisServer,
    start_worker: Callable[..., Worker],
    tmp_path: Path,
    log: Log,
    pool: str,
    visible: int,
    seconds: int,
) -> None:
    (tmp_path / "proj.py").write_text(PROJECT.format(broker=redis_server.url(), visible=visible))
    both = []
    for name in ("w1", "w2"):
        command = ["-m", "celery", "-A", "proj", "worker", "-P", pool, "-c", "2", "-l", "INFO", "-n", f"{name}@%h"]
        both.append(start_worker(name, heard=False, command=command, lanes=("default",)))
    for worker in both:
        worker.wait_until_heard(ledger)
    assert submit_work(works.add, a=1).result() == 2
    waiter = submit_work(running.trace, log=log.path, seconds=seconds, timeout=seconds + 30)

    def redelivered() -> int:
        return sum(worker.log().count(f"[{waiter.id}] received") for worker in both) - 1

    eventually(lambda: redelivered() > 0, within=visible + 10, what="the broker delivers it again")
    assert waiter.result() == 1
    assert redelivered() > 0
    assert len(log.runs()) == 1
    assert log.runs()[0].completed
