"""Dropped before the start, and not dropped: on a real worker and a real Redis, the function shown to run or not."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from askfirst import Reason, State, WorkCancelled, WorkTimeout, submit_work
from askfirst.config import Settings
from askfirst.waiters import configure
from tests.support import works
from tests.support.callers import Caller
from tests.support.eventually import eventually
from tests.support.fleet import Fleet, Worker, lines
from tests.support.servers import RedisServer

StartCaller = Callable[..., Caller]


@pytest.fixture
def settings(fleet: Fleet) -> Settings:
    """Other processes are callers of the same fleet."""
    return fleet.settings


# Dropped


def test_work_whose_deadline_passed_in_the_queue_does_not_run(fleet: Fleet, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    with fleet.busy(tmp_path):
        waiter = submit_work(works.prove, proof=proof, timeout=0.3)
        with pytest.raises(WorkTimeout):
            waiter.result()
        fleet.wait_for_deadline(waiter.id)
    fleet.sweep(tmp_path)
    assert lines(proof) == []
    assert fleet.reason(waiter.id) == f"{State.EXPIRED}: {Reason.DEADLINE_PASSED}"


def test_work_that_its_caller_cancelled_does_not_run(fleet: Fleet, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    with fleet.busy(tmp_path):
        waiter = submit_work(works.prove, proof=proof)
        waiter.cancel()
    fleet.sweep(tmp_path)
    assert lines(proof) == []
    assert fleet.reason(waiter.id) == f"{State.CANCELLED}: {Reason.WITHDRAWN}"


def test_work_whose_with_block_was_left_does_not_run(fleet: Fleet, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    with fleet.busy(tmp_path), submit_work(works.prove, proof=proof):
        pass
    fleet.sweep(tmp_path)
    assert lines(proof) == []


def test_work_that_an_operator_cancelled_does_not_run(fleet: Fleet, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    with fleet.busy(tmp_path):
        waiter = submit_work(works.prove, proof=proof)
        fleet.ledger.cancel(waiter.id, Reason.CANCELLED)
        with pytest.raises(WorkCancelled):
            waiter.result(timeout=2)
    fleet.sweep(tmp_path)
    assert lines(proof) == []


def test_work_that_was_replaced_in_the_queue_does_not_run(fleet: Fleet, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    with fleet.busy(tmp_path):
        submit_work(works.prove, proof=proof, line="old", key="k")
        new = submit_work(works.prove, proof=proof, line="new", key="k", on_duplicate="replace")
    assert new.result() == "new"
    fleet.sweep(tmp_path)
    assert lines(proof) == ["new"]


def test_the_works_of_a_killed_caller(fleet: Fleet, caller: StartCaller, tmp_path: Path) -> None:
    """Within ten seconds its run is told to stop and what it had queued is dropped; what it detached runs."""
    running, queued, detached = (tmp_path / name for name in ("running", "queued", "detached"))
    process = caller(
        """
        running, queued, detached = sys.argv[1:]
        submit_work(works.linger, proof=running)
        say(submit_work(works.prove, proof=queued, delay=0.5).id)
        submit_work(works.prove, proof=detached, delay=0.5, detached=True)
        time.sleep(60)
        """,
        running,
        queued,
        detached,
    )
    id = process.line()
    eventually(lambda: lines(running), what="it runs")
    with fleet.busy(tmp_path, slots=fleet.slots - 1):
        process.kill()
        killed_at = time.monotonic()
        eventually(lambda: len(lines(running)) == 2, within=10, what="the run stops")
        assert lines(running)[1] == f"stopped: {Reason.CALLER_GONE}"
        eventually(lambda: fleet.lane.state(id) is State.CANCELLED, within=10, what="the queued work is dropped")
        assert time.monotonic() - killed_at < 10
        eventually(lambda: lines(detached) == ["ran"], what="the detached work runs")
    fleet.sweep(tmp_path)
    assert lines(queued) == []
    assert fleet.reason(id) == f"{State.CANCELLED}: {Reason.CALLER_GONE}"


def test_a_message_delivered_twice_runs_once(fleet: Fleet, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    with fleet.busy(tmp_path):
        waiter = submit_work(works.prove, proof=proof)
        [message] = fleet.redis.lrange(fleet.lane.keys.queues[1], 0, -1)
        fleet.redis.lpush(fleet.lane.keys.queues[1], message, message)
    assert waiter.result() == "ran"
    fleet.sweep(tmp_path)
    assert lines(proof) == ["ran"]


# Not dropped


def test_work_whose_record_the_ledger_lost_runs(fleet: Fleet, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    with fleet.busy(tmp_path):
        waiter = submit_work(works.prove, proof=proof)
        keys = fleet.lane.keys
        assert fleet.redis.delete(keys.work(waiter.id), keys.interests(waiter.id)) == 2
        fleet.redis.zrem(keys.index("PENDING"), waiter.id)
    assert waiter.result(timeout=10) == "ran"
    assert lines(proof) == ["ran"]


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.close()


def outage(server: RedisServer, seconds: float, tmp_path: Path, pulses: dict[str, Any] | None = None) -> list[str]:
    """Attached work waits for a slot while the ledger is away for so long, its caller alive; what ran afterwards."""
    settings = Settings(redis_url=server.url(), namespace="own", connect_timeout=0.5, retention=60.0, **pulses or {})
    worker = Worker(settings, tmp_path, concurrency=1)
    fleet = Fleet(settings, server.client(), worker, slots=1)
    configure(settings)
    proof = tmp_path / "proof"
    try:
        with fleet.busy(tmp_path):
            waiter = submit_work(works.prove, proof=proof, timeout=seconds + 60)
            server.kill()
            time.sleep(seconds)
            server.start()
        assert waiter.result(timeout=30) == "ran"
        assert fleet.ledger.totals("default").get(f"CANCELLED: {Reason.CALLER_GONE}") is None
        return lines(proof)
    finally:
        configure(settings)
        fleet.close()
        worker.close()


def test_attached_work_runs_after_an_outage_longer_than_the_pulses(own_redis: RedisServer, tmp_path: Path) -> None:
    assert outage(own_redis, 3.0, tmp_path, {"pulse_interval": 0.3, "pulse_timeout": 1.0}) == ["ran"]


@pytest.mark.slow
def test_attached_work_runs_after_an_outage_of_half_a_minute(own_redis: RedisServer, tmp_path: Path) -> None:
    assert outage(own_redis, 30.0, tmp_path) == ["ran"]
