"""How a caller's interest ends: by `cancel`, by the end of a `with` block or of the process, and by nothing else."""

import concurrent.futures
import gc
import os
import signal
from collections.abc import Callable

import pytest

from askfirst import LedgerUnavailable, Reason, State, WorkCancelled, WorkTimeout, attach, submit_work
from askfirst.waiters.client import Client, default_client
from tests.support import works
from tests.support.callers import Caller
from tests.support.eventually import eventually
from tests.support.lanes import Lane
from tests.support.servers import RedisServer

Start = Callable[..., Caller]


def test_cancelling_withdraws_and_fails_the_waiter(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1)
    assert waiter.cancel()
    assert lane.status(waiter.id).reason == Reason.WITHDRAWN
    assert waiter.cancelled()
    assert waiter.done()
    error = waiter.exception()
    assert isinstance(error, WorkCancelled)
    assert error.reason == Reason.WITHDRAWN


def test_cancelling_running_work_stops_it(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1)
    lane.verdict(waiter.id, worker="w1")
    waiter.cancel()
    assert [order["reason"] for order in lane.mail("w1")] == [Reason.WITHDRAWN]


def test_cancelling_twice_says_no_the_second_time(client: Client) -> None:
    waiter = submit_work(works.add, a=1)
    assert [waiter.cancel(), waiter.cancel()] == [True, False]


def test_cancelling_what_is_answered_says_no_and_keeps_the_answer(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1)
    lane.answer(waiter.id)
    assert waiter.result() == 42
    assert not waiter.cancel()
    assert not waiter.cancelled()
    assert waiter.result() == 42


def test_cancelling_after_the_deadline_says_no(client: Client) -> None:
    waiter = submit_work(works.add, a=1, timeout=0.3)
    with pytest.raises(WorkTimeout):
        waiter.result()
    assert not waiter.cancel()


def test_leaving_the_with_block_withdraws(client: Client, lane: Lane) -> None:
    with submit_work(works.add, a=1) as waiter:
        assert lane.state(waiter.id) is State.PENDING
    assert lane.status(waiter.id).reason == Reason.WITHDRAWN


def test_leaving_the_with_block_by_an_error_withdraws(client: Client, lane: Lane) -> None:
    with pytest.raises(ZeroDivisionError), submit_work(works.add, a=1) as waiter:
        raise ZeroDivisionError
    assert lane.state(waiter.id) is State.CANCELLED


def test_leaving_the_with_block_with_the_answer_changes_nothing(client: Client, lane: Lane) -> None:
    with submit_work(works.add, a=1) as waiter:
        lane.answer(waiter.id)
        assert waiter.result() == 42
    assert lane.state(waiter.id) is State.COMPLETED
    assert waiter.result() == 42


def test_dropping_the_handle_withdraws_nothing(client: Client, lane: Lane) -> None:
    id = submit_work(works.add, a=1).id
    gc.collect()
    assert lane.state(id) is State.PENDING
    assert lane.status(id).callers == 1


def test_detached_work_can_be_withdrawn_all_the_same(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1, detached=True)
    waiter.cancel()
    assert lane.state(waiter.id) is State.CANCELLED


def test_detaching_later_lets_the_work_live_without_its_caller(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1, timeout=60)
    waiter.detach()
    assert lane.status(waiter.id).callers == 1
    lane.let_pass(30, up=True)
    lane.answer(waiter.id)
    assert waiter.result() == 42


def test_detaching_twice_changes_nothing(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1)
    waiter.detach()
    waiter.detach()
    assert lane.status(waiter.id).callers == 1


def test_detaching_what_has_ended_changes_nothing(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1)
    lane.answer(waiter.id)
    waiter.result()
    waiter.detach()
    assert lane.state(waiter.id) is State.COMPLETED


def test_closing_a_client_withdraws_what_is_attached(client: Client, lane: Lane) -> None:
    attached, detached = submit_work(works.add, a=1), submit_work(works.add, a=1, detached=True)
    client.close()
    assert lane.status(attached.id).reason == Reason.WITHDRAWN
    assert lane.state(detached.id) is State.PENDING


def test_closing_a_client_leaves_nobody_waiting(client: Client) -> None:
    waiters = [submit_work(works.add, a=1, timeout=60, detached=detached) for detached in (False, True)]
    client.close()
    assert concurrent.futures.wait(waiters, timeout=2).done == set(waiters)
    assert {type(waiter.exception()) for waiter in waiters} == {WorkCancelled}


def test_closing_a_client_twice_does_no_harm(client: Client, redis: object) -> None:
    submit_work(works.add, a=1, timeout=0.3).exception()
    client.close()
    reading, writing = os.pipe()  # takes the numbers of the descriptors that were closed
    client.close()
    os.write(writing, b"x")
    assert os.read(reading, 1) == b"x"
    os.close(reading)
    os.close(writing)


# The end of a process


def test_a_process_that_exits_withdraws_and_warns_once(caller: Start, lane: Lane) -> None:
    leaving = caller(
        """
        waiters = submit_many(works.add, [{"a": n} for n in range(3)], timeout=60)
        say(*(waiter.id for waiter in waiters))
        """
    )
    ids = leaving.line().split()
    assert leaving.rest() == []
    assert {lane.status(id).reason for id in ids} == {Reason.WITHDRAWN}
    assert leaving.errors().count("3 work(s)") == 1
    assert len(leaving.errors().splitlines()) == 1


def test_a_process_that_exits_leaves_detached_and_answered_work_alone(caller: Start, lane: Lane) -> None:
    leaving = caller(
        """
        answered = submit_work(works.add, a=1)
        detached = submit_work(works.add, a=1, detached=True)
        say(answered.id, detached.id)
        answered.result()
        """
    )
    answered, detached = leaving.line().split()
    lane.answer(answered)
    leaving.rest()
    assert lane.state(detached) is State.PENDING
    assert lane.state(answered) is State.COMPLETED
    assert leaving.errors() == ""


def test_a_process_that_exits_makes_its_callbacks(caller: Start, lane: Lane) -> None:
    leaving = caller(
        """
        waiter = submit_work(works.add, a=1, timeout=20)
        waiter.add_done_callback(lambda _: (time.sleep(0.3), say("called back")))
        say(waiter.id)
        waiter.result()
        """
    )
    lane.answer(leaving.line())
    assert leaving.rest() == ["called back"]


def test_a_process_that_dies_of_an_exception_withdraws(caller: Start, lane: Lane) -> None:
    dying = caller("say(submit_work(works.add, a=1).id); 1 / 0")
    id = dying.line()
    assert dying.wait() == 1
    assert lane.status(id).reason == Reason.WITHDRAWN


def test_a_process_that_is_interrupted_withdraws(caller: Start, lane: Lane) -> None:
    interrupted = caller("waiter = submit_work(works.add, a=1); say(waiter.id); waiter.result()")
    id = interrupted.line()
    interrupted.process.send_signal(signal.SIGINT)
    assert interrupted.wait() != 0
    assert lane.status(id).reason == Reason.WITHDRAWN
    assert "KeyboardInterrupt" in interrupted.errors()


def test_a_killed_process_loses_its_interest_with_its_pulse(caller: Start, lane: Lane) -> None:
    killed = caller("waiter = submit_work(works.add, a=1); say(waiter.id); waiter.result()")
    id = killed.line()
    killed.kill()
    assert lane.state(id) is State.PENDING
    lane.let_pass(10, up=True)
    lane.tend()
    assert lane.status(id).reason == Reason.CALLER_GONE


def test_a_living_process_keeps_its_pulse(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1)
    caller = client.caller
    lane.redis.zadd(lane.keys.pulse, {caller: 1})
    eventually(lambda: lane.redis.zscore(lane.keys.pulse, caller) > 1, within=4, what="the next pulse")
    assert waiter.remaining() > 0


def test_a_process_that_exits_while_redis_is_down_says_so_and_leaves_in_time(
    caller: Start, redis_server: RedisServer
) -> None:
    server = RedisServer()
    leaving = caller(
        "waiter = submit_work(works.add, a=1); say(waiter.id); sys.stdin.readline()", redis_url=server.url()
    )
    leaving.line()
    server.kill()
    leaving.go_on()
    assert leaving.wait(6) == 0
    assert "lapse with this process's pulse" in leaving.errors()
    assert len(leaving.errors().splitlines()) == 1
    server.close()


# Withdrawing while the ledger is away


def test_withdrawing_is_durable(client: Client, lane: Lane) -> None:
    """The connection is gone and the ledger does not answer, now: it is told when it is back."""
    server = RedisServer()
    try:
        _withdraw_during_an_outage(server)
    finally:
        server.close()


def _withdraw_during_an_outage(server: RedisServer) -> None:
    from askfirst.config import Settings
    from askfirst.waiters import configure

    configure(Settings(redis_url=server.url(), namespace="n", connect_timeout=0.5))
    waiter = submit_work(works.add, a=1, timeout=30)
    server.kill()
    assert waiter.cancel()
    with pytest.raises(LedgerUnavailable):
        waiter.status()
    server.start()
    lane = Lane(default_client().ledger, server.client())
    eventually(lambda: lane.state(waiter.id) is State.CANCELLED, within=5, what="the withdrawal arrives")


def test_detaching_while_the_ledger_is_away_says_so(client: Client) -> None:
    waiter = submit_work(works.add, a=1)
    client.ledger.line.url = "redis://127.0.0.1:1/0"
    client.ledger.line.close()
    with pytest.raises(LedgerUnavailable):
        waiter.detach()
    assert not waiter.done()


# Attaching


def test_attaching_in_another_process_by_id_registers_its_own_interest(
    client: Client, caller: Start, lane: Lane
) -> None:
    waiter = submit_work(works.add, a=1)
    other = caller("waiter = attach(sys.argv[1]); say('attached'); say(waiter.result())", waiter.id)
    assert other.line() == "attached"
    waiter.cancel()
    assert lane.state(waiter.id) is State.PENDING
    lane.answer(waiter.id)
    assert other.rest() == ["42"]


def test_attaching_in_another_process_by_key(client: Client, caller: Start, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1, key="the key")
    other = caller("waiter = attach('the key'); say(waiter.id, waiter.key); say(waiter.result())")
    assert other.line() == f"{waiter.id} the key"
    lane.answer(waiter.id)
    assert other.rest() == ["42"]
    assert waiter.result() == 42


def test_attaching_to_ended_work_brings_its_result_at_once(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.make_thing, name="x")
    lane.answer(waiter.id, '{"name":"x","made_on":"2024-02-29","parts":[]}')
    again = attach(waiter.id)
    assert again.done()
    assert again.result().name == "x"


def test_an_attached_waiter_has_the_works_deadline_unless_told_otherwise(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1, timeout=20)
    assert 19 < attach(waiter.id).remaining() <= 20
    assert attach(waiter.id, timeout=5).remaining() <= 5
    assert 59 < attach(waiter.id, timeout="1m").remaining() <= 60


def test_an_attached_waiter_is_a_caller_of_its_own(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1)
    with attach(waiter.id) as other:
        assert lane.status(waiter.id).callers == 2
    assert other.cancelled()
    assert not waiter.done()
    assert lane.status(waiter.id).callers == 1


def test_attaching_does_not_need_the_works_function(client: Client, caller: Start, lane: Lane) -> None:
    waiter = submit_work(works.make_thing, name="x")
    bare = caller("import askfirst; say(askfirst.attach(sys.argv[1]).result())", waiter.id)
    lane.answer(waiter.id, '{"name":"x","made_on":"2024-02-29","parts":[]}')
    assert "2024" in bare.rest()[0]
