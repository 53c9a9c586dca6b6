"""The caretaker rings what was lost and ends what is over; as many as there are workers do so at once."""

import threading

import pytest

from askfirst.interest.ledger import Ledger, Policy
from askfirst.interest.line import Line
from askfirst.interest.states import Reason, State, Verdict
from tests.support.lanes import Lane
from tests.support.servers import RedisServer


def test_a_lost_message_is_rung_again_when_later_ones_were_heard(lane: Lane) -> None:
    lost = lane.submit()
    lane.let_pass(5, up=True, pulses=["alice"])
    later = lane.submit()
    lane.rung()
    lane.ask(later.id)
    lane.let_pass(6, up=True, pulses=["alice"])
    lane.tend()
    assert lane.rung() == [lost.id]


def test_a_lost_message_is_rung_again_for_an_idle_worker(lane: Lane) -> None:
    lost = lane.submit()
    lane.rung()
    lane.let_pass(11, up=True, pulses=["alice"])
    lane.tend(idle=True)
    assert lane.rung() == [lost.id]


def test_a_message_lost_from_a_queue_that_is_empty_is_rung_again_within_seconds(lane: Lane) -> None:
    lost = lane.submit()
    delayed = lane.submit(delay=20, timeout=60)
    lane.rung()
    lane.let_pass(1.5, up=True, pulses=["alice"])
    lane.tend(idle=True)
    assert lane.rung() == [], "it may be in a worker's hands"
    lane.let_pass(1, up=True, pulses=["alice"])
    lane.tend(idle=False)
    assert lane.rung() == [], "it may be in the hands of a worker that is busy"
    lane.tend(idle=True)
    assert lane.rung() == [lost.id]
    assert lane.state(delayed.id) is State.PENDING


def test_a_message_that_others_wait_behind_is_not_rung_again_for_an_idle_worker(lane: Lane) -> None:
    lane.submit()
    lane.let_pass(3, up=True, pulses=["alice"])
    lane.tend(idle=True)
    assert len(lane.rung()) == 1


def test_messages_that_an_idle_worker_comes_to_one_by_one_are_not_rung_again(lane: Lane) -> None:
    """It may be at dead ones before them: these take no slot."""
    works = [lane.submit(timeout=600) for _ in range(3)]
    lane.let_pass(11, up=True, pulses=["alice"])
    lane.tend(idle=True)
    assert lane.rung() == [work.id for work in works]
    lane.let_pass(2, up=True, pulses=["alice"])
    lane.tend(idle=True)
    assert sorted(lane.rung()) == sorted(work.id for work in works), "now they are lost, and all are rung at once"


def test_work_put_back_does_not_make_those_that_wait_behind_it_count_as_lost(lane: Lane) -> None:
    running = lane.running()
    waiting = lane.submit(timeout=600)
    lane.let_pass(5, up=True, pulses=["alice"])
    lane.release(running.id, 1, lost=True)
    assert lane.ask(running.id).verdict is Verdict.RUN
    lane.rung()
    lane.let_pass(6, up=True, pulses=["alice"])
    lane.tend()
    assert lane.rung() == []
    assert lane.state(waiting.id) is State.PENDING


def test_a_message_that_waits_in_a_long_queue_is_not_rung_again(lane: Lane) -> None:
    lane.submit(timeout=600)
    lane.rung()
    for _ in range(10):
        lane.let_pass(10, up=True, pulses=["alice"])
        lane.tend(idle=False)
    assert lane.rung() == []


def test_ringing_again_and_again_gets_rarer(lane: Lane) -> None:
    lane.submit(timeout=3000)
    lane.rung()
    rings = 0
    for _ in range(60):
        lane.let_pass(10, up=True, pulses=["alice"])
        lane.tend(idle=True)
        rings += len(lane.rung())
    assert 3 <= rings <= 8


def test_delayed_work_is_rung_when_it_is_due_and_not_before(lane: Lane) -> None:
    submission = lane.submit(delay=5, timeout=60)
    assert lane.rung() == []
    lane.let_pass(4, up=True, pulses=["alice"])
    assert 0 < lane.tend(idle=True) <= 1
    assert lane.rung() == []
    lane.let_pass(1.1, up=True, pulses=["alice"])
    lane.tend()
    assert lane.rung() == [submission.id]


def test_work_over_its_deadline_ends_without_being_asked_about(lane: Lane) -> None:
    submission = lane.submit(timeout=3)
    lane.let_pass(3.1, up=True, pulses=["alice"])
    lane.tend()
    status = lane.status(submission.id)
    assert (status.state, status.reason) == (State.EXPIRED, Reason.DEADLINE_PASSED)
    assert [outcome.state for outcome in lane.outcomes()] == [State.EXPIRED]


def test_a_run_without_a_lease_is_put_back(lane: Lane) -> None:
    submission = lane.running()
    lane.rung()
    lane.let_pass(13, up=True, pulses=["alice"])
    lane.tend()
    assert lane.state(submission.id) is State.PENDING
    assert lane.rung() == [submission.id]


def test_a_run_without_a_lease_gets_time_to_renew_after_an_outage(lane: Lane) -> None:
    submission = lane.running(timeout=300)
    lane.let_pass(60)
    lane.beat(worker="another")
    lane.tend()
    lane.let_pass(8, up=True, pulses=["alice"])
    lane.tend()
    assert lane.state(submission.id) is State.RUNNING
    lane.let_pass(4, up=True, pulses=["alice"])
    lane.tend()
    assert lane.state(submission.id) is State.PENDING


def test_a_round_is_limited_and_the_next_one_goes_on(lane: Lane) -> None:
    for _ in range(5):
        lane.submit(delay=1)
    lane.let_pass(2, up=True, pulses=["alice"])
    assert lane.tend(limit=3) == 0
    assert len(lane.rung()) == 3
    lane.tend(limit=3)
    assert len(lane.rung()) == 2


def test_the_next_round_is_due_when_the_next_work_is(lane: Lane) -> None:
    assert lane.tend() == 1.0
    lane.submit(delay=0.5)
    assert 0.4 < lane.tend() <= 0.5


def test_what_an_index_has_and_the_ledger_lost_is_swept(lane: Lane) -> None:
    waiting, run = lane.submit(), lane.running()
    lane.redis.delete(lane.keys.work(waiting.id), lane.keys.work(run.id))
    lane.let_pass(20, up=True, pulses=["alice"])
    lane.tend()
    assert lane.ledger.counts("default") == dict.fromkeys(State, 0)


@pytest.mark.parametrize("kind", ["delayed", "leases"])
def test_many_caretakers_at_once_do_everything_once(
    lane: Lane, redis_server: RedisServer, namespace: str, kind: str
) -> None:
    if kind == "delayed":
        ids = [lane.submit(delay=1).id for _ in range(30)]
        lane.let_pass(1.1)
    else:
        ids = [lane.running().id for _ in range(30)]
        lane.let_pass(13, up=True, pulses=["alice"])
    lane.rung()

    def tend() -> None:
        ledger = Ledger(Line(redis_server.url(), 5.0), namespace, Policy())
        for _ in range(5):
            ledger.tend("default", idle=False, limit=7)
        ledger.line.close()

    caretakers = [threading.Thread(target=tend) for _ in range(8)]
    for caretaker in caretakers:
        caretaker.start()
    for caretaker in caretakers:
        caretaker.join(20)
    assert sorted(lane.rung()) == sorted(ids)


def test_many_workers_that_ask_at_once_get_one_claim(lane: Lane, redis_server: RedisServer, namespace: str) -> None:
    submission = lane.submit()
    verdicts: list[Verdict] = []

    def ask() -> None:
        ledger = Ledger(Line(redis_server.url(), 5.0), namespace, Policy())
        answer = Lane(ledger, lane.redis).ask(submission.id)
        assert answer is not None
        verdicts.append(answer.verdict)
        ledger.line.close()

    workers = [threading.Thread(target=ask) for _ in range(10)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)
    assert sorted(verdicts) == [Verdict.DROP] * 9 + [Verdict.RUN]
