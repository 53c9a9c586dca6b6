"""SIGTERM under load: nothing wanted is lost, the worker ends in time and in order: "done when" 6."""

import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from askfirst import Reason, State, submit_many, submit_work
from askfirst.config import Settings
from askfirst.interest.ledger import Ledger
from askfirst.waiters.client import Client
from askfirst.workers import create_app
from tests.support import running
from tests.support.eventually import eventually, stays
from tests.support.fleet import Worker
from tests.support.lanes import Lane
from tests.support.pools import prefork_first
from tests.support.running import Log, overlaps

DRAIN, GRACE = 1.0, 1.0
SLACK = 2.0  # seconds
# With nothing to wait for, Celery's pool takes up to 0.8 s for its supervisor, 1 for its processes, 0.5 for its timers.
CLOSING = 4.0
HURRY = {"drain": DRAIN, "grace": GRACE}

PROJECT = """
import askfirst
from celery import Celery
from tests.support import running

app = Celery("proj", broker={broker!r})
app.conf.worker_prefetch_multiplier = 1
askfirst.install(app)
"""

StartWorker = Callable[..., Worker]


@pytest.fixture(params=["askfirst worker", pytest.param("celery worker", marks=pytest.mark.slow)])
def start(
    request: pytest.FixtureRequest,
    start_traced: StartWorker,
    start_worker: StartWorker,
    settings: Settings,
    tmp_path: Path,
) -> StartWorker:
    """Starts a worker in each of the ways that operators do."""

    def start_by_celery(name: str = "w1", *, pool: str = "prefork", concurrency: int = 2, **how: object) -> Worker:
        (tmp_path / "proj.py").write_text(PROJECT.format(broker=settings.redis_url))
        options = ["-P", pool, "-c", str(concurrency), "-l", "INFO", "-n", f"{name}@%h"]
        return start_worker(name, command=["-m", "celery", "-A", "proj", "worker", *options], lanes=("default",), **how)

    return start_traced if request.param == "askfirst worker" else start_by_celery


def ended_within(worker: Worker, seconds: float, since: float) -> int:
    """The exit code of a worker that was told to end at `since`."""
    code = worker.process.wait(since + seconds + 10 - time.monotonic())
    took = time.monotonic() - since
    print(f"ended after {took:.2f} s of {seconds:g} s")
    assert took <= seconds, f"it took {took:.2f} s"
    return code


@prefork_first
def test_under_load_it_ends_in_time_and_nothing_wanted_is_lost(
    client: Client, lane: Lane, start: StartWorker, log: Log, pool: str
) -> None:
    first = start("w1", pool=pool, concurrency=4, changed=HURRY)
    short = submit_many(running.trace, [{"log": log.path, "seconds": 0.4}] * 10, timeout=50)
    long = [submit_work(work, log=log.path, seconds=2, timeout=50) for work in running.TRACES.values()]
    eventually(lambda: {waiter.id for waiter in long} <= {run.work for run in log.going_on()}, what="the long ones run")
    queued = submit_many(running.trace, [{"log": log.path, "seconds": 0.4}] * 10, timeout=50)
    first.process.terminate()
    told_at = time.monotonic()
    assert ended_within(first, DRAIN + GRACE + SLACK, told_at) == 0
    died_at = time.monotonic()
    whys = {run.why for run in log.runs() if run.why}
    start("w2", pool=pool, concurrency=4, changed=HURRY)
    assert all(waiter.result() for waiter in [*short, *queued])
    begun = Counter(run.work for run in log.runs())
    assert [begun[waiter.id] for waiter in [*short, *queued]] == [1] * 20, "none of them was interrupted"
    assert [waiter.result() for waiter in long] == [2] * len(long), "interrupted, and completed by the other"
    assert lane.ledger.counts("default")[State.COMPLETED] == 23
    assert overlaps(log.runs(), {first.pid: died_at}) == []
    assert whys <= {Reason.SHUTDOWN, ""}
    for waiter in long:
        assert waiter.id in first.log(), "a line of the log for each"
    assert lane.redis.hget(lane.keys.work(long[0].id), "losses") in (None, "0"), "put back in order: no loss"


@pytest.mark.parametrize("pool", ["prefork", "threads"])
@pytest.mark.slow
def test_a_work_that_does_not_stop_does_not_hold_it_up_and_completes_elsewhere(
    client: Client, lane: Lane, start_traced: StartWorker, log: Log, pool: str
) -> None:
    first = start_traced("w1", pool=pool, concurrency=2, changed=HURRY)
    waiter = submit_work(running.trace_deaf, log=log.path, seconds=6, timeout=50)
    pid = log.wait_for("began")[0]["pid"]
    first.process.terminate()
    assert ended_within(first, DRAIN + GRACE + SLACK, time.monotonic()) == 0
    died_at = time.monotonic()
    assert lane.state(waiter.id) is State.PENDING, "put back at once, not when its lease lapses"
    start_traced("w2", pool=pool, concurrency=2, changed=HURRY)
    assert waiter.result() == 2
    assert overlaps(log.runs(), {pid: died_at}) == []


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_second_sigterm_skips_the_drain(
    client: Client, start_traced: StartWorker, log: Log, lane: Lane, pool: str
) -> None:
    worker = start_traced("w1", pool=pool, concurrency=2, changed={"drain": 30.0, "grace": GRACE})
    waiter = submit_work(running.trace, log=log.path, timeout=50)
    log.wait_for("began")
    worker.process.terminate()
    stays(lambda: log.going_on(), during=1.5, what="it has its drain time")
    worker.process.terminate()
    assert ended_within(worker, GRACE + SLACK, time.monotonic()) == 0
    assert [run.why for run in log.runs()] == [Reason.SHUTDOWN]
    assert lane.state(waiter.id) is State.PENDING


UNAWARE = """
from celery.worker.request import Request

Request.cancel = lambda *arguments, **options: None
"""


def test_sigquit_skips_the_drain_even_of_a_run_that_celery_has_not_heard_of_yet(
    client: Client, lane: Lane, start_traced: StartWorker, log: Log, tmp_path: Path
) -> None:
    (tmp_path / "unaware.py").write_text(UNAWARE)
    imports = ("tests.support.running", "unaware")
    worker = start_traced("w1", changed={"drain": 30.0, "grace": GRACE}, imports=imports)
    waiter = submit_work(running.trace, log=log.path, timeout=50)
    log.wait_for("began")
    worker.process.send_signal(signal.SIGQUIT)
    ended_within(worker, CLOSING, time.monotonic())
    assert [run.why for run in log.runs()] == [Reason.SHUTDOWN]
    assert lane.state(waiter.id) is State.PENDING


@pytest.mark.parametrize("pool", ["prefork", "threads"])
@pytest.mark.slow
def test_it_takes_no_more_work_while_it_drains(
    client: Client, start_traced: StartWorker, log: Log, ledger: Ledger, pool: str
) -> None:
    worker = start_traced("w1", pool=pool, concurrency=2, changed={"drain": 10.0, "grace": GRACE})
    running_on = submit_work(running.trace, log=log.path, seconds=3, timeout=50)
    log.wait_for("began")
    worker.process.terminate()
    stays(lambda: log.going_on(), during=1, what="it begins to end")
    late = submit_many(running.trace, [{"log": log.path, "seconds": 0}] * 5, timeout=50)
    assert running_on.result() == 1, "it drains"
    assert ended_within(worker, CLOSING, time.monotonic()) == 0
    assert {run.work for run in log.runs()} == {running_on.id}
    start_traced("w2", pool=pool, changed=HURRY)
    assert [waiter.result() for waiter in late] == [1] * 5


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_works_that_come_and_go_at_that_moment_do_not_hold_it_up(
    client: Client, lane: Lane, start_traced: StartWorker, log: Log, pool: str
) -> None:
    worker = start_traced("w1", pool=pool, concurrency=4, changed={"drain": 20.0})
    waiters = submit_many(running.trace, [{"log": log.path, "seconds": 0}] * 500, timeout=50)
    log.wait_for("ended", 20)
    worker.process.terminate()
    assert ended_within(worker, CLOSING, time.monotonic()) == 0
    assert not log.going_on()
    counts = lane.ledger.counts("default")
    assert counts[State.RUNNING] == 0, "what was not started is not held"
    assert counts[State.COMPLETED] == len(log.runs())
    for waiter in waiters:
        waiter.cancel()


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_flowers_button_ends_it_as_sigterm_does(
    client: Client, lane: Lane, settings: Settings, start_traced: StartWorker, log: Log, pool: str
) -> None:
    worker = start_traced("w1", pool=pool, concurrency=2, changed=HURRY)
    waiter = submit_work(running.trace, log=log.path, timeout=50)
    log.wait_for("began")
    with create_app(settings) as app:
        app.control.shutdown()
    assert ended_within(worker, DRAIN + GRACE + SLACK, time.monotonic()) == 0
    assert [run.why for run in log.runs()] == [Reason.SHUTDOWN]
    assert lane.state(waiter.id) is State.PENDING


@pytest.mark.slow
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_idle_it_ends_at_once(client: Client, start_traced: StartWorker, pool: str) -> None:
    worker = start_traced("w1", pool=pool, changed={"drain": 30.0})
    worker.process.send_signal(signal.SIGTERM)
    assert ended_within(worker, CLOSING, time.monotonic()) == 0
