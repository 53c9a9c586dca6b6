"""The way to the ledger breaks while work is awaited: no answer is missed, nothing wanted is withdrawn."""

import time
from collections.abc import Callable, Iterator
from threading import Thread

import pytest

from askfirst import LedgerUnavailable, State, submit_many, submit_work
from askfirst.config import Settings
from askfirst.waiters import configure
from askfirst.waiters.client import Client, default_client
from tests.support import works
from tests.support.eventually import eventually
from tests.support.lanes import Lane
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer


@pytest.fixture
def proxy(redis_server: RedisServer) -> Iterator[Proxy]:
    with Proxy(redis_server.port) as proxy:
        yield proxy


@pytest.fixture
def far_client(proxy: Proxy, settings: Settings, redis_server: RedisServer) -> Iterator[None]:
    """This process as a caller that reaches the ledger through the proxy only."""
    far = settings.model_copy(
        update={"redis_url": redis_server.url(port=proxy.port), "connect_timeout": 0.3, "pulse_interval": 0.3}
    )
    configure(far)
    yield
    configure(settings)


def wait_until_connected(proxy: Proxy) -> None:
    eventually(lambda: proxy.connections == 2, within=5, what="the mailbox is connected")


def test_an_outcome_during_a_cut_is_looked_up_afterwards(far_client: None, proxy: Proxy, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1, timeout=20)
    wait_until_connected(proxy)
    proxy.refuse()
    lane.answer(waiter.id)
    lane.outcomes(lane.redis.zrange(lane.keys.pulse, 0, -1)[0])  # the letter is lost, with its reader
    assert not waiter.done()
    proxy.accept()
    assert waiter.result(timeout=5) == 42


def test_a_letter_lost_in_a_cut_connection_is_looked_up(far_client: None, proxy: Proxy, lane: Lane) -> None:
    """Popped from the list by Redis, and never arrived."""
    waiter = submit_work(works.add, a=1, timeout=20)
    wait_until_connected(proxy)
    proxy.swallow()
    lane.answer(waiter.id)
    eventually(lambda: not lane.redis.keys(lane.keys.mail("*")), within=3, what="the letter is on its way")
    proxy.cut()
    assert waiter.result(timeout=5) == 42


def test_a_connection_that_broke_without_a_word_is_noticed(far_client: None, proxy: Proxy, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1, timeout=20)
    wait_until_connected(proxy)
    proxy.swallow()
    lane.answer(waiter.id)
    assert waiter.result(timeout=8) == 42


def test_progress_outlives_a_cut(
    far_client: None, proxy: Proxy, lane: Lane, thread: Callable[[Callable[[], object]], Thread]
) -> None:
    waiter = submit_work(works.add, a=1, timeout=20)
    lane.verdict(waiter.id)
    wait_until_connected(proxy)
    seen: list[float] = []
    proxy.refuse()
    thread(lambda: seen.extend(progress.done for progress in waiter.progress()))
    with pytest.raises(TimeoutError):
        waiter.result(timeout=0.6)  # longer than from one look to the next
    proxy.accept()
    lane.progress(waiter.id, 1, '{"done":1,"total":3}')
    eventually(lambda: seen == [1], within=5)
    lane.answer(waiter.id)


def test_progress_ends_with_the_deadline_while_the_ledger_is_silent(
    settings: Settings, far_client: None, proxy: Proxy, redis_server: RedisServer
) -> None:
    configure(settings.model_copy(update={"redis_url": redis_server.url(port=proxy.port), "connect_timeout": 5.0}))
    waiter = submit_work(works.add, a=1, timeout=1.0)
    wait_until_connected(proxy)
    proxy.swallow()
    assert list(waiter.progress()) == []
    assert time.monotonic() - waiter.deadline_at < 0.5
    proxy.cut()  # the answer to the withdrawal would be waited for


def test_the_pulse_returns_after_a_cut(far_client: None, proxy: Proxy, lane: Lane) -> None:
    submit_work(works.add, a=1, timeout=20)
    wait_until_connected(proxy)
    proxy.cut()
    [(caller, _)] = lane.redis.zrange(lane.keys.pulse, 0, -1, withscores=True)
    lane.redis.zadd(lane.keys.pulse, {caller: 1})
    eventually(lambda: lane.redis.zscore(lane.keys.pulse, caller) > 1, within=5, what="a pulse after the cut")


def test_many_waiters_survive_many_cuts(far_client: None, proxy: Proxy, lane: Lane) -> None:
    waiters = submit_many(works.add, [{"a": n} for n in range(60)], timeout=30)
    for start in range(0, 60, 20):
        for waiter in waiters[start : start + 20]:
            lane.answer(waiter.id, str(start))
        proxy.cut()
    assert [waiter.result(timeout=10) for waiter in waiters] == [0] * 20 + [20] * 20 + [40] * 20


def test_submitting_over_a_cut_connection_works_at_once(far_client: None, proxy: Proxy, lane: Lane) -> None:
    submit_work(works.add, a=1, timeout=20)
    wait_until_connected(proxy)
    proxy.cut()
    waiter = submit_work(works.add, a=2, timeout=20)
    assert lane.state(waiter.id) is State.PENDING


def test_a_connection_lost_while_nobody_waits_is_made_anew_for_the_next(
    far_client: None, proxy: Proxy, lane: Lane
) -> None:
    first = submit_work(works.add, a=1, timeout=20)
    wait_until_connected(proxy)
    lane.answer(first.id)
    assert first.result(timeout=5) == 42
    proxy.cut()
    eventually(lambda: default_client()._mailbox._wire is None, within=3, what="the cut is noticed")
    second = submit_work(works.add, a=2, timeout=20)  # its deadline is later than the one that is left of the first
    lane.answer(second.id)
    assert second.result(timeout=5) == 42


def test_threads_that_could_not_be_started_are_started_later(
    client: Client, lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, refused = Thread.start, ["askfirst-mailbox", "askfirst-connect"]

    def refuse_once(thread: Thread) -> None:
        if thread.name in refused:
            refused.remove(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(Thread, "start", refuse_once)
    with pytest.raises(RuntimeError):
        submit_work(works.add, a=1, timeout=20)
    waiter = submit_work(works.add, a=1, timeout=20)
    lane.answer(waiter.id)
    assert waiter.result(timeout=5) == 42
    assert refused == []


def test_submitting_while_the_ledger_is_away_fails_and_leaves_nothing_wanted(
    far_client: None, proxy: Proxy, lane: Lane
) -> None:
    """Whether a submission that got no reply arrived is not known: then it is withdrawn when that is possible."""
    submit_work(works.add, a=1, timeout=20, detached=True)
    wait_until_connected(proxy)
    proxy.swallow()
    with pytest.raises(LedgerUnavailable):
        submit_work(works.add, a=2, timeout=20)
    proxy.cut()
    eventually(lambda: lane.ledger.counts("default")[State.PENDING] <= 1, within=5, what="nobody wants it")


def test_waiters_of_two_lanes_are_served_by_one_process(far_client: None, proxy: Proxy, lane: Lane) -> None:
    first = submit_work(works.add, a=1, timeout=20)
    wait_until_connected(proxy)
    second = submit_work(works.in_another_lane, proof="/dev/null", timeout=20)
    other = Lane(lane.ledger, lane.redis, "io")
    other.answer(second.id, '"io"')
    lane.answer(first.id)
    assert (first.result(timeout=5), second.result(timeout=5)) == (42, "io")
    third = submit_work(works.in_another_lane, proof="/dev/null", timeout=20)
    other.answer(third.id, '"io"')
    assert third.result(timeout=5) == "io"
    assert proxy.connections == 2
