"""What a caller sees when its work is refused at the door."""

import asyncio
import time
from collections.abc import Callable
from threading import Thread

import pytest

from askfirst import InvalidPayload, WorkRejected, asubmit_work, submit_many, submit_work
from askfirst.interest.limits import declare
from askfirst.waiters.client import Client
from tests.support import works
from tests.support.eventually import eventually
from tests.support.lanes import Lane

NAME = "tests.support.works.add"


@pytest.fixture
def overloaded(client: Client, lane: Lane) -> Lane:
    """A lane whose only slot is taken for another ten seconds."""
    lane.redis.hset(lane.keys.runtimes, NAME, f"10000.000 0.000 {lane.now()}")
    lane.beat(slots=1)
    lane.running(name=NAME, timeout=600)
    lane.messages()
    return lane


@pytest.fixture
def full(client: Client, lane: Lane) -> Lane:
    """A lane that takes in one work, and has it."""
    declare(lane.ledger, lane.name, {}, max_pending=1)
    lane.submit()
    lane.messages()
    return lane


def test_overload_is_told_at_once_with_the_time_to_come_again(overloaded: Lane) -> None:
    with pytest.raises(WorkRejected, match=r"add: rejected \(overloaded\).*try again in \d") as caught:
        submit_work(works.add, a=1, timeout=5)
    assert caught.value.reason == "overloaded"
    assert 10 < caught.value.retry_after < 16
    assert overloaded.rung() == []


def test_a_full_lane_is_told_as_that(full: Lane) -> None:
    with pytest.raises(WorkRejected, match="its lane is full") as caught:
        submit_work(works.add, a=1)
    assert caught.value.reason == "full"


async def _submit() -> None:
    await asubmit_work(works.add, a=1, timeout=5)


def test_in_asyncio_too(overloaded: Lane) -> None:
    with pytest.raises(WorkRejected):
        asyncio.run(_submit())


def test_of_many_each_is_told_by_its_waiter(client: Client, lane: Lane) -> None:
    declare(lane.ledger, lane.name, {}, max_pending=3)
    waiters = submit_many(works.add, [{"a": n} for n in range(250)])
    assert lane.rung() == [waiter.id for waiter in waiters[:3]]
    assert not any(waiter.done() for waiter in waiters[:3])
    for waiter in waiters[3:]:
        assert isinstance(waiter.exception(0), WorkRejected)


def test_of_many_that_are_but_one_too(full: Lane) -> None:
    [waiter] = submit_many(works.add, [{"a": 1}])
    assert isinstance(waiter.exception(0), WorkRejected)


def test_a_rejected_work_is_no_work(overloaded: Lane, client: Client) -> None:
    before = overloaded.ledger.counts("default")
    with pytest.raises(WorkRejected):
        submit_work(works.add, a=1, timeout=5, key="k")
    assert overloaded.ledger.counts("default") == before
    assert overloaded.ledger.ids_of_key("k") == []
    assert client.withdraw_all() is None


def test_who_waits_for_room_gets_in_when_there_is_some(
    full: Lane, thread: Callable[[Callable[[], object]], Thread]
) -> None:
    submitted = []
    thread(lambda: submitted.append(submit_work(works.add, a=1, timeout=20, wait_for_room=True)))
    time.sleep(0.3)  # long enough to have been refused at least once
    assert submitted == []
    declare(full.ledger, full.name, {}, max_pending=2)
    eventually(lambda: submitted, within=5)
    assert 0 < submitted[0].remaining() < 20


def test_the_time_that_one_waits_for_room_comes_off_the_delay_too(
    full: Lane, thread: Callable[[Callable[[], object]], Thread]
) -> None:
    submitted = []
    due_at = full.now() + 5000
    thread(lambda: submitted.append(submit_work(works.add, a=1, timeout=20, delay=5, wait_for_room=True)))
    eventually(lambda: full.ledger.totals("default").get("REJECTED: full", 0) >= 20, within=10)
    declare(full.ledger, full.name, {}, max_pending=2)
    eventually(lambda: submitted, within=5)
    assert abs(int(full.redis.hget(full.keys.work(submitted[0].id), "due")) - due_at) <= 300


def test_who_waits_for_room_in_vain_is_rejected_by_the_deadline(full: Lane) -> None:
    begun_at = time.monotonic()
    with pytest.raises(WorkRejected, match="full"):
        submit_work(works.add, a=1, timeout=1, wait_for_room=True)
    assert time.monotonic() - begun_at <= 1.05


def test_who_is_cancelled_while_waiting_for_room_stops_at_once(full: Lane) -> None:
    async def main() -> None:
        waiting = asyncio.ensure_future(asubmit_work(works.add, a=1, timeout=20, wait_for_room=True))
        await asyncio.to_thread(eventually, lambda: full.ledger.totals("default").get("REJECTED: full"), within=5)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    begun_at = time.monotonic()
    asyncio.run(main())  # which waits for the threads of its executor
    assert time.monotonic() - begun_at < 5


def test_waiting_for_room_is_a_yes_or_no(client: Client) -> None:
    with pytest.raises(InvalidPayload, match="wait_for_room to be True or False, got 5"):
        submit_work(works.add, a=1, wait_for_room=5)
