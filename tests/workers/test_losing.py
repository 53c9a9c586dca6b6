"""What gets lost, and is not lost: messages, pool processes, workers."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from askfirst import State, WorkFailed, WorkLost, submit_many, submit_work
from askfirst.interest.ledger import Ledger
from askfirst.waiters.client import Client
from tests.support import works
from tests.support.eventually import eventually
from tests.support.fleet import Fleet, Worker, lines
from tests.support.lanes import Lane

StartWorker = Callable[..., Worker]


@pytest.fixture
def proof(tmp_path: Path) -> Path:
    return tmp_path / "proof"


# Messages


def test_a_lost_message_is_rung_again(fleet: Fleet, proof: Path, tmp_path: Path) -> None:
    """Popped from the queue and gone, as with a worker that dies at the wrong moment."""
    with fleet.busy(tmp_path):
        waiter = submit_work(works.prove, proof=proof, timeout=30)
        assert fleet.redis.lpop(fleet.lane.keys.queues[1]) is not None
        fleet.redis.zadd(fleet.lane.keys.index("PENDING"), {waiter.id: 0})  # ten seconds later
    assert waiter.result(timeout=8) == "ran"
    assert lines(proof) == ["ran"]


# Pool processes (prefork)


@pytest.mark.parametrize("fleet", ["prefork"], indirect=True)
def test_a_work_that_kills_its_process_is_lost_in_the_end_and_harms_no_other(fleet: Fleet, tmp_path: Path) -> None:
    others = submit_many(works.linger, [{"proof": tmp_path / "other", "seconds": 1.5}])
    waiter = submit_work(works.die, proof=tmp_path / "proof")
    error = waiter.exception(timeout=20)
    assert isinstance(error, WorkLost)
    assert isinstance(error, WorkFailed)
    assert "2 times" in error.message
    assert lines(tmp_path / "proof") == ["began"] * 2
    assert [other.result() for other in others] == ["slept"]
    assert lines(tmp_path / "other")[0].startswith("began attempt 1")
    assert submit_work(works.add, a=1).result() == 2


@pytest.mark.parametrize("fleet", ["prefork"], indirect=True)
def test_a_work_whose_process_was_killed_runs_again(fleet: Fleet, proof: Path) -> None:
    waiter = submit_work(works.linger, proof=proof, seconds=1)
    eventually(lambda: lines(proof), what="it runs")
    os.kill(int(lines(proof)[0].split()[-1]), signal.SIGKILL)
    assert waiter.result(timeout=10) == "slept"
    assert [line.rpartition(" in ")[0] for line in lines(proof)[:2]] == ["began attempt 1", "began attempt 2"]


@pytest.mark.parametrize("fleet", ["prefork"], indirect=True)
def test_a_work_that_stumbles_when_its_process_is_told_to_end_runs_again(fleet: Fleet, proof: Path) -> None:
    waiter = submit_work(works.stumble_on_the_way_out, proof=proof)
    eventually(lambda: lines(proof), what="it runs")
    os.kill(int(lines(proof)[0].split()[-1]), signal.SIGTERM)
    assert waiter.result(timeout=10) is None
    assert [line.rpartition(" in ")[0] for line in lines(proof)] == ["attempt 1", "attempt 2"]


# Workers


@pytest.mark.slow
def test_the_work_of_a_killed_worker_is_completed_by_another_within_fifteen_seconds(
    client: Client, lane: Lane, start_worker: StartWorker, proof: Path
) -> None:
    first = start_worker("w1", concurrency=1)
    waiter = submit_work(works.linger, proof=proof, seconds=1)
    eventually(lambda: lines(proof), what="it runs")
    waiting = submit_work(works.prove, proof=proof)
    start_worker("w2", pool="threads", concurrency=1, heard=False)
    first.kill()
    killed_at = time.monotonic()
    assert waiting.result(timeout=15) == "ran"
    assert waiter.result(timeout=15) == "slept"
    assert time.monotonic() - killed_at < 15
    status = waiter.status()
    assert status is not None
    assert status.worker is not None
    assert (status.attempt, status.worker.split("@")[0]) == (2, "w2")


def test_a_lease_is_renewed_more_than_once_before_it_lapses_however_short(
    client: Client, lane: Lane, start_worker: StartWorker
) -> None:
    start_worker(pool="threads", changed={"lease": 1.0})
    heard: set[float] = set()

    def beats() -> int:
        heard.update(at for _, at in lane.redis.zrange(lane.keys.workers, 0, -1, withscores=True))
        return len(heard)

    eventually(lambda: beats() >= 8, within=5, every=0.05)


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_that_is_asked_to_end_lets_its_work_end_and_leaves_the_rest_to_others(
    client: Client, ledger: Ledger, start_worker: StartWorker, proof: Path, pool: str
) -> None:
    worker = start_worker(pool=pool, concurrency=1)
    waiter = submit_work(works.linger, proof=proof, seconds=1.0)
    waiting = submit_many(works.add, [{"a": n} for n in range(3)])
    eventually(lambda: lines(proof), what="it runs")
    assert worker.stop() == 0
    assert waiter.result(timeout=2) == "slept"
    assert ledger.workers("default") == {}
    start_worker("w2", pool="threads")
    assert [each.result(timeout=10) for each in waiting] == [1, 2, 3]


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_that_is_ended_at_once_does_not_fail_its_work(
    client: Client, lane: Lane, start_worker: StartWorker, proof: Path, pool: str
) -> None:
    worker = start_worker("w1", pool=pool, concurrency=1)
    waiter = submit_work(works.linger, proof=proof, timeout=40)
    eventually(lambda: lines(proof), what="it runs")
    os.kill(worker.pid, signal.SIGQUIT)
    worker.process.wait(10)
    assert "Traceback" not in worker.log()
    assert lane.state(waiter.id) in (State.PENDING, State.RUNNING)


@pytest.mark.slow
def test_a_worker_whose_process_was_frozen_cannot_finish_what_another_has_taken_over(
    client: Client, lane: Lane, start_worker: StartWorker, proof: Path
) -> None:
    """The lease lapses while the first worker is stopped; when it wakes up, its result is refused."""
    first = start_worker("w1", pool="threads", concurrency=1)
    waiter = submit_work(works.sleep_deaf, proof=proof, seconds=2)
    eventually(lambda: lines(proof), what="it runs")
    os.killpg(first.pid, signal.SIGSTOP)
    try:
        start_worker("w2", pool="threads", concurrency=1)
        lane.redis.zadd(lane.keys.index("RUNNING"), {waiter.id: 1})  # ten seconds later
        lane.redis.hset(lane.keys.evidence, "since", 1)
        eventually(lambda: lines(proof).count("began") == 2, what="the other runs it")
    finally:
        os.killpg(first.pid, signal.SIGCONT)
    assert waiter.result(timeout=10) == "slept"
    eventually(lambda: lines(proof).count("ended") == 2, what="both ended")
    eventually(lambda: "its result is refused" in first.log(), what="the first one's result is refused")
    status = waiter.status()
    assert status is not None
    assert (status.state, status.attempt) == (State.COMPLETED, 2)
