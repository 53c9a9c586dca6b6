"""Messages are taken ahead while runs are short, and never at the cost of works that another worker could start."""

from collections.abc import Callable
from pathlib import Path

from kombu.common import QoS

from askfirst import submit_many, submit_work
from askfirst.interest.ledger import Ledger
from askfirst.waiters.client import Client
from askfirst.workers.prefetch import Prefetch
from tests.support import works
from tests.support.eventually import eventually
from tests.support.fleet import Worker, lines
from tests.support.lanes import Lane

StartWorker = Callable[..., Worker]


def in_queue(lane: Lane) -> int:
    return sum(int(lane.redis.llen(queue)) for queue in lane.keys.queues)


def short_runs(count: int = 40) -> None:
    for waiter in submit_many(works.add, [{"a": n} for n in range(count)]):
        waiter.result()


def taken_ahead(lane: Lane, folder: Path) -> int:
    """How many messages the worker takes while its two slots are busy, of ten; they are answered then."""
    gate, proof = folder / "gate", folder / "busy"
    holders = submit_many(works.wait_for, [{"gate": gate, "proof": proof}] * 2)
    eventually(lambda: lines(proof) == ["began"] * 2, what="the slots are taken")
    waiters = submit_many(works.add, [{"a": n} for n in range(10)])
    eventually(lambda: in_queue(lane) < 10 or lane.redis.hget(lane.keys.load, "waiting:normal") == "10", within=2)
    left = in_queue(lane)
    gate.touch()
    for waiter in (*waiters, *holders):
        waiter.result(timeout=10)
    proof.unlink()
    gate.unlink()
    return 10 - left


def test_a_worker_takes_ahead_what_its_settings_allow_once_runs_are_known_to_be_short(
    client: Client, lane: Lane, start_worker: StartWorker, tmp_path: Path
) -> None:
    start_worker(changed={"prefetch": 1})
    assert taken_ahead(lane, tmp_path) == 0
    eventually(lambda: (short_runs(), taken_ahead(lane, tmp_path))[1] in (1, 2), within=15, what="it takes ahead")


def test_a_consumer_that_starts_anew_takes_as_much_as_before_and_never_less_than_there_are_slots() -> None:
    prefetch, slots = Prefetch(2), 4

    def consumer() -> QoS:
        return QoS(lambda prefetch_count: None, slots)

    def taken(qos: QoS) -> int:
        prefetch.adjust(qos, slots)
        return int(qos.value)

    prefetch.note_run(0.01)
    assert taken(consumer()) == 12
    again = consumer()
    assert [taken(again), taken(again)] == [12, 12]
    again.value = slots  # Celery gives back what it took away while the runs from before the loss went on
    assert taken(again) == 12
    for _ in range(100):
        prefetch.note_run(5.0)
    assert [taken(again), taken(consumer())] == [4, 4]


def test_what_a_busy_worker_took_ahead_is_offered_to_an_idle_one(
    client: Client, ledger: Ledger, lane: Lane, start_worker: StartWorker, tmp_path: Path
) -> None:
    start_worker("first", changed={"prefetch": 2})
    short_runs()
    eventually(lambda: (short_runs(), taken_ahead(lane, tmp_path))[1] > 0, within=15, what="it takes ahead")
    gate, proof = tmp_path / "gate", tmp_path / "busy"
    holders = submit_many(works.wait_for, [{"gate": gate, "proof": proof}] * 2, timeout=60)
    eventually(lambda: lines(proof) == ["began"] * 2, what="the slots are taken")
    stuck = submit_many(works.add, [{"a": 1}] * 2, timeout=60)
    start_worker("second")
    assert [waiter.result(timeout=5) for waiter in stuck] == [2, 2]
    gate.touch()
    assert [holder.result(timeout=10) for holder in holders] == ["passed"] * 2


def test_what_was_taken_ahead_is_not_lost_with_an_orderly_end(
    client: Client, lane: Lane, start_worker: StartWorker, tmp_path: Path
) -> None:
    first = start_worker("first", changed={"prefetch": 2, "drain": 1.0})
    eventually(lambda: (short_runs(), taken_ahead(lane, tmp_path))[1] > 0, within=15, what="it takes ahead")
    runs = [submit_work(works.linger, proof=tmp_path / f"run{n}", seconds=0.5, timeout=60) for n in range(6)]
    eventually(lambda: lines(tmp_path / "run0"), what="it runs")
    assert first.stop() == 0
    start_worker("second")
    assert [run.result(timeout=15) for run in runs] == ["slept"] * 6
    for n in range(6):
        assert lines(tmp_path / f"run{n}").count("ended") == 1
