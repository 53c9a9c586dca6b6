"""A waiter is a future: of concurrent.futures, and of asyncio."""

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Callable

import pytest

from askfirst import (
    DuplicateWork,
    InvalidPayload,
    Reason,
    State,
    WorkCancelled,
    WorkTimeout,
    asubmit_work,
    submit_many,
    submit_work,
)
from askfirst.waiters.client import Client
from tests.support import works
from tests.support.eventually import eventually
from tests.support.lanes import Lane


def test_wait_tells_the_done_from_the_others(client: Client, lane: Lane) -> None:
    waiters = submit_many(works.add, [{"a": n} for n in range(3)])
    lane.answer(waiters[1].id)
    done, not_done = concurrent.futures.wait(waiters, timeout=5, return_when=concurrent.futures.FIRST_COMPLETED)
    assert done == {waiters[1]}
    assert not_done == {waiters[0], waiters[2]}


def test_wait_ends_with_the_deadlines(client: Client) -> None:
    waiters = submit_many(works.add, [{"a": n} for n in range(3)], timeout=0.3)
    done, not_done = concurrent.futures.wait(waiters, timeout=2)
    assert (done, not_done) == (set(waiters), set())
    assert {type(waiter.exception()) for waiter in done} == {WorkTimeout}


def test_as_completed_brings_them_in_the_order_of_their_ends(client: Client, lane: Lane) -> None:
    waiters = submit_many(works.add, [{"a": n} for n in range(3)])
    completed = concurrent.futures.as_completed(waiters, timeout=5)
    seen = []
    for n in (2, 0, 1):
        lane.answer(waiters[n].id, str(n))
        seen.append(next(completed).result())
    assert seen == [2, 0, 1]


def test_a_done_callback_is_called_once_there_is_an_answer(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1)
    called: list[object] = []
    waiter.add_done_callback(called.append)
    lane.answer(waiter.id)
    eventually(lambda: called == [waiter], within=3)


def test_a_done_callback_may_ask_for_more_work(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1)
    more: list[concurrent.futures.Future[int]] = []
    waiter.add_done_callback(lambda _: more.append(submit_work(works.add, a=2)))
    lane.answer(waiter.id)
    eventually(lambda: more, within=3)
    lane.answer(lane.rung()[-1])
    assert more[0].result(timeout=3) == 42


def test_a_done_callback_that_fails_harms_nobody(client: Client, lane: Lane) -> None:
    waiters = submit_many(works.add, [{"a": n} for n in range(2)])
    waiters[0].add_done_callback(lambda _: 1 / 0)
    for waiter in waiters:
        lane.answer(waiter.id)
    assert [waiter.result(timeout=3) for waiter in waiters] == [42, 42]


def test_a_waiter_can_be_wrapped_for_asyncio(client: Client, lane: Lane) -> None:
    async def main() -> int:
        waiter = submit_work(works.add, a=1)
        lane.answer(waiter.id)
        result: int = await asyncio.wait_for(asyncio.wrap_future(waiter), 3)
        return result

    assert asyncio.run(main()) == 42


def test_cancelling_the_wrapping_future_withdraws(client: Client, lane: Lane) -> None:
    async def main() -> str:
        waiter = submit_work(works.add, a=1)
        wrapped = asyncio.wrap_future(waiter)
        wrapped.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wrapped
        return waiter.id

    id = asyncio.run(main())
    eventually(lambda: lane.state(id) is State.CANCELLED, within=5)  # the event loop does not wait for the ledger


# asyncio


def test_a_waiter_can_be_awaited(client: Client, lane: Lane) -> None:
    async def main() -> int:
        waiter = await asubmit_work(works.add, a=1, timeout=5)
        lane.answer(waiter.id)
        result: int = await waiter
        return result

    assert asyncio.run(main()) == 42


def test_awaiting_a_waiter_that_is_done_brings_its_value(client: Client, lane: Lane) -> None:
    async def main(waiter: "concurrent.futures.Future[int]") -> list[int]:
        return [await waiter, await waiter]  # type: ignore[misc]  # a WorkWaiter

    waiter = submit_work(works.add, a=1)
    lane.answer(waiter.id)
    waiter.result()
    assert asyncio.run(main(waiter)) == [42, 42]


def test_awaiting_ends_at_the_deadline(client: Client) -> None:
    async def main() -> float:
        waiter = await asubmit_work(works.add, a=1, timeout=0.3)
        started_at = time.monotonic()
        with pytest.raises(WorkTimeout):
            await waiter
        return time.monotonic() - started_at

    assert asyncio.run(main()) < 0.35


def test_a_callback_that_blocks_holds_up_no_await(client: Client, lane: Lane) -> None:
    over = threading.Event()
    other = submit_work(works.add, a=1)
    other.add_done_callback(lambda _: over.wait(10))

    async def main() -> None:
        waiters = [await asubmit_work(works.add, a=1, timeout=5), await asubmit_work(works.add, a=1, timeout=0.5)]
        lane.answer(other.id)
        other.result()
        lane.answer(waiters[0].id)
        assert await asyncio.wait_for(waiters[0], 3) == 42
        with pytest.raises(WorkTimeout):
            await asyncio.wait_for(waiters[1], 3)

    try:
        asyncio.run(main())
    finally:
        over.set()


def test_the_loop_runs_on_while_work_is_awaited(client: Client, lane: Lane) -> None:
    async def main() -> int:
        waiters = [await asubmit_work(works.add, a=n) for n in range(5)]
        answers = asyncio.gather(*waiters)
        ticks = 0
        for waiter in waiters:
            await asyncio.sleep(0.01)
            ticks += 1
            lane.answer(waiter.id, "1")
        assert sum(await answers) == 5
        return ticks

    assert asyncio.run(main()) == 5


def test_cancelling_the_awaiting_task_withdraws(client: Client, lane: Lane) -> None:
    async def main() -> str:
        waiter = await asubmit_work(works.add, a=1)
        task = asyncio.ensure_future(asyncio.wait_for(waiter, 60))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert waiter.cancelled()
        return waiter.id

    id = asyncio.run(main())
    assert lane.status(id).reason == Reason.WITHDRAWN


def test_a_timeout_around_the_await_withdraws(client: Client, lane: Lane) -> None:
    async def main() -> str:
        waiter = await asubmit_work(works.add, a=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await waiter
        return waiter.id

    id = asyncio.run(main())
    eventually(lambda: lane.state(id) is State.CANCELLED, within=5)  # the event loop does not wait for the ledger


def test_one_of_two_awaiting_tasks_is_cancelled(client: Client, lane: Lane) -> None:
    """As with any future that is awaited twice: cancelling one await cancels the future, for the other too."""

    async def main() -> None:
        waiter = await asubmit_work(works.add, a=1)

        async def wait() -> int:
            result: int = await waiter
            return result

        first, second = asyncio.create_task(wait()), asyncio.create_task(wait())
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        with pytest.raises(WorkCancelled):
            await second

    asyncio.run(main())


def test_errors_of_a_submission_come_from_the_await(client: Client) -> None:
    async def main() -> None:
        with pytest.raises(InvalidPayload):
            await asubmit_work(works.add, b=1)

    asyncio.run(main())


def test_cancelling_a_submission_on_its_way_leaves_no_work_that_nobody_wants(client: Client, lane: Lane) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(asubmit_work(works.add, a=1))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    eventually(lambda: lane.ledger.counts("default")[State.PENDING] == 0, within=3)


def test_a_submission_that_finds_no_thread_fails_at_the_deadline_and_is_never_made(client: Client, lane: Lane) -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, time.sleep, 2.0)
        started_at = time.monotonic()
        with pytest.raises(WorkTimeout):
            await asubmit_work(works.add, a=1, timeout=0.3)
        took = time.monotonic() - started_at
        await busy
        return took

    assert asyncio.run(main()) < 1.0
    assert lane.ledger.counts("default") == dict.fromkeys(State, 0)


def test_an_option_that_is_wrong_is_said_in_asyncio_too(client: Client) -> None:
    async def main(wrong: float | str) -> None:
        with pytest.raises(InvalidPayload):
            await asubmit_work(works.add, a=1, timeout=wrong)

    for wrong in (0, -1, "soon", float("nan")):
        asyncio.run(main(wrong))


# submit_many


def test_many_works_are_submitted_in_order_in_a_few_round_trips(client: Client, lane: Lane) -> None:
    client.ledger.lanes()
    before = lane.redis.info("stats")["total_net_input_bytes"]
    waiters = submit_many(works.add, ({"a": n} for n in range(250)), timeout=60)
    assert lane.rung() == [waiter.id for waiter in waiters]
    assert len({waiter.id for waiter in waiters}) == 250
    assert (lane.redis.info("stats")["total_net_input_bytes"] - before) / 250 < 2000


def test_no_work_at_all_is_submitted_if_one_payload_is_wrong(client: Client, lane: Lane) -> None:
    with pytest.raises(InvalidPayload, match="a: is missing"):
        submit_many(works.add, [{"a": 1}, {"b": 2}])
    assert lane.rung() == []


def test_no_payloads_give_no_waiters(client: Client) -> None:
    assert submit_many(works.add, []) == []


def test_a_payload_that_is_no_mapping_is_named(client: Client) -> None:
    with pytest.raises(InvalidPayload):
        submit_many(works.add, [{"a": 1}, 2])  # type: ignore[list-item]  # that is the point


# Keys


def test_two_callers_of_a_key_share_one_work(client: Client, lane: Lane) -> None:
    first, second = submit_work(works.add, a=1, key="k"), submit_work(works.add, a=1, key="k")
    assert first.id == second.id
    assert first.key == second.key == "k"
    lane.answer(first.id)
    assert first.result() == second.result() == 42


def test_one_of_two_callers_may_leave(client: Client, lane: Lane) -> None:
    first, second = submit_work(works.add, a=1, key="k"), submit_work(works.add, a=1, key="k")
    assert first.cancel()
    lane.answer(second.id)
    assert second.result() == 42
    with pytest.raises(WorkCancelled):
        first.result()


def test_a_joined_work_that_ends_meanwhile_is_not_missed(
    client: Client, lane: Lane, thread: Callable[..., threading.Thread]
) -> None:
    results: list[int] = []
    for n in range(20):
        first = submit_work(works.add, a=1, key=f"k{n}")
        answering = thread(lambda first=first: lane.answer(first.id))
        results.append(submit_work(works.add, a=1, key=f"k{n}", timeout=2).exception() is None)
        answering.join()
        if first.id in lane.rung():  # the second came too late to join: a work of its own
            results[-1] = True
    assert all(results)


def test_a_taken_key_is_refused_with_the_holders_id(client: Client) -> None:
    first = submit_work(works.add, a=1, key="k")
    with pytest.raises(DuplicateWork) as refused:
        submit_work(works.add, a=2, key="k", on_duplicate="reject")
    assert refused.value.id == first.id
    assert "'k'" in str(refused.value)
    assert not first.done()


def test_replaced_work_tells_its_caller(client: Client, lane: Lane) -> None:
    old = submit_work(works.add, a=1, key="k")
    new = submit_work(works.add, a=2, key="k", on_duplicate="replace")
    error = old.exception(timeout=3)
    assert isinstance(error, WorkCancelled)
    assert error.reason == Reason.REPLACED
    lane.answer(new.id)
    assert new.result() == 42
