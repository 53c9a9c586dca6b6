"""Workers that are killed lose nothing and run nothing twice at once: "done when" 4."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from askfirst import State, WorkLost, submit_many, submit_work
from askfirst.interest.ledger import Ledger
from askfirst.waiters.client import Client
from tests.support import running, works
from tests.support.eventually import eventually
from tests.support.fleet import Worker, lines
from tests.support.lanes import Lane
from tests.support.running import Log, overlaps

StartWorker = Callable[..., Worker]

VICTIMS = {"prefork": ("parent", "child", "both"), "threads": ("both",)}
SLOTS = {"prefork": 20, "threads": 100}  # of each of two workers, for 200 works
WITHIN = 15.0  # seconds
CASES = [
    pytest.param(pool, victim, marks=() if (pool, victim) == ("prefork", "both") else pytest.mark.slow)
    for pool, victims in VICTIMS.items()
    for victim in victims
]


def children_of(pid: int) -> list[int]:
    """The pool processes of a worker."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def kill(worker: Worker, victim: str, log: Log) -> dict[int, float]:
    """Kills by process id what the case says; which process when, as far as it ran works."""
    killed = []
    pool = children_of(worker.pid)
    if victim == "child":
        killed = [run.pid for run in log.going_on() if run.pid in pool][:1]
        os.kill(killed[0], signal.SIGKILL)
    elif victim == "parent":
        os.kill(worker.pid, signal.SIGKILL)
        killed = [worker.pid, *pool]  # they end with it: nobody could tell them to stop, nor renew their leases
    else:
        worker.kill()
        killed = [worker.pid, *pool]
    return dict.fromkeys(killed, time.monotonic())


@pytest.mark.parametrize(
    ("count", "lease"),
    [pytest.param(30, 2.0, id="30"), pytest.param(200, 10.0, id="200", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize(("pool", "victim"), CASES)
def test_whatever_is_killed_every_work_completes_once_in_time_and_no_two_runs_of_it_overlap(
    client: Client,
    lane: Lane,
    start_traced: StartWorker,
    log: Log,
    pool: str,
    victim: str,
    count: int,
    lease: float,
) -> None:
    slots = 4 if count == 30 else SLOTS[pool]
    pair = [
        start_traced(name, pool=pool, concurrency=slots, changed={"lease": lease}, heard=False) for name in ("w1", "w2")
    ]
    for each in pair:
        each.wait_until_heard(lane.ledger)
    first = pair[0]
    waiters = submit_many(
        running.trace, [{"log": log.path, "seconds": 0.5 if count == 30 else 1.0}] * count, timeout=55
    )
    mine = children_of(first.pid) if pool == "prefork" else [first.pid]
    eventually(lambda: len([run for run in log.going_on() if run.pid in mine]) > slots / 2, what="it runs many")
    killed_at = time.monotonic()
    killed = kill(first, victim, log)
    answers = [waiter.result(timeout=killed_at + WITHIN - time.monotonic()) for waiter in waiters]
    answered_in = time.monotonic() - killed_at
    again = [run.began_at - killed_at for run in log.runs() if run.attempt > 1]
    print(f"{len(again)} begun again within {max(again, default=0):.1f} s, all answered within {answered_in:.1f} s")
    eventually(lambda: not [run for run in log.going_on() if run.pid not in killed], what="no run goes on")
    assert lane.ledger.counts("default")[State.COMPLETED] == count
    assert lane.ledger.totals("default")["COMPLETED"] == count, "each of them once"
    assert overlaps(log.runs(), killed) == []
    completed = [(run.work, run.attempt) for run in log.runs() if run.completed]
    for waiter, attempt in zip(waiters, answers, strict=True):
        assert (waiter.id, attempt) in completed
        status = waiter.status()
        assert status is not None
        assert status.attempt == attempt, "the attempt whose result is in the ledger is the last"


@pytest.mark.slow
def test_a_pool_process_ends_with_its_worker(client: Client, start_traced: StartWorker, log: Log) -> None:
    """Nobody renews its leases any more, nor can tell it to stop: a run that went on would overlap with the next."""
    worker = start_traced("w1", concurrency=2)
    submit_work(running.trace_deaf, log=log.path)
    log.wait_for("began")
    pool = children_of(worker.pid)
    os.kill(worker.pid, signal.SIGKILL)
    eventually(lambda: not [pid for pid in pool if Path(f"/proc/{pid}").exists()], within=3, what="they are gone")


@pytest.mark.slow
def test_a_work_that_takes_its_process_down_is_given_up_and_harms_no_other(
    client: Client, start_traced: StartWorker, log: Log, tmp_path: Path
) -> None:
    start_traced(concurrency=3)
    others = submit_many(running.trace, [{"log": log.path, "seconds": 2}] * 2)
    log.wait_for("began", 2)
    error = submit_work(works.die, proof=tmp_path / "proof").exception()
    assert isinstance(error, WorkLost)
    assert [other.result() for other in others] == [1, 1]
    assert lines(tmp_path / "proof") == ["began"] * 3


@pytest.mark.slow
def test_many_caretakers_at_once_do_no_harm(
    client: Client, ledger: Ledger, lane: Lane, start_traced: StartWorker, log: Log
) -> None:
    first = start_traced("w1", pool="threads", concurrency=6, changed={"lease": 1.5})
    waiters = submit_many(running.trace, [{"log": log.path, "seconds": 1}] * 6, timeout=30)
    log.wait_for("began", 6)
    for number in range(3):
        start_traced(f"c{number}", pool="threads", concurrency=4, changed={"lease": 1.5}, heard=False)
    for number in range(3):
        eventually(lambda n=number: any(w.startswith(f"c{n}@") for w in ledger.workers("default")), within=20)
    again = submit_many(running.trace, [{"log": log.path, "seconds": 3}] * 6, timeout=30)
    eventually(lambda: any(run.pid == first.pid for run in log.going_on()), what="the first runs some")
    first.kill()
    killed = {first.pid: time.monotonic()}
    assert all(waiter.result() for waiter in [*waiters, *again])
    assert overlaps(log.runs(), killed) == []
    assert lane.ledger.totals("default")["COMPLETED"] == 12
    assert max(run.attempt for run in log.runs()) <= 2
