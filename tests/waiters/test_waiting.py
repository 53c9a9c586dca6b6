"""A waiter in one thread: the value or the error, once, and at the deadline whatever happens."""

import copy
import pickle
import re
import threading
import time
from collections.abc import Callable
from datetime import date

import pytest

from askfirst import (
    Reason,
    State,
    UnknownWork,
    WorkCancelled,
    WorkError,
    WorkFailed,
    WorkLost,
    WorkTimeout,
    submit_work,
)
from askfirst.waiters.client import Client
from askfirst.waiters.waiter import WorkWaiter
from tests.support import works
from tests.support.eventually import eventually
from tests.support.lanes import Lane


def test_a_waiter_brings_the_value(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=40, b=2)
    assert not waiter.done()
    lane.answer(waiter.id, "42")
    assert waiter.result() == 42
    assert waiter.exception() is None
    assert waiter.done()
    assert not waiter.cancelled()


def test_the_value_comes_as_the_function_is_annotated(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.make_thing, name="box")
    lane.answer(waiter.id, '{"name":"box","made_on":"2024-02-29","parts":[]}')
    assert waiter.result() == works.Thing(name="box", made_on=date(2024, 2, 29))


def test_a_result_that_is_not_as_annotated_is_an_error(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1)
    lane.answer(waiter.id, '"no number"')
    with pytest.raises(WorkFailed, match=r"valid integer"):
        waiter.result()


def test_an_answer_that_came_before_anybody_waited_is_kept(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1)
    lane.answer(waiter.id)
    eventually(waiter.done, within=3)
    assert waiter.result(timeout=0) == 42


def test_thousands_in_one_process_wait_for_one_work_and_none_holds_up_the_others(client: Client, lane: Lane) -> None:
    first = submit_work(works.add, a=1, key="hot")
    crowd = [
        WorkWaiter(
            client,
            id=first.id,
            lane=first.lane,
            name=first.name,
            key="hot",
            interest=first.interest,
            timeout=60.0,
            decode=int,
        )
        for _ in range(5000)
    ]
    client._mailbox.register(crowd)
    began_at = time.thread_time()
    for waiter in crowd[:1000]:
        client.let_go(waiter)
    assert time.thread_time() - began_at < 1.0
    lane.answer(first.id)
    eventually(lambda: all(waiter.done() for waiter in crowd[1000:]), within=3)
    assert client._mailbox.outstanding() == []


def test_waiting_a_while_does_not_end_the_waiting(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1)
    for call in (waiter.result, waiter.exception):
        started_at = time.monotonic()
        with pytest.raises(TimeoutError) as error:
            call(timeout=0.05)
        assert not isinstance(error.value, WorkError)
        assert time.monotonic() - started_at < 0.5
    lane.answer(waiter.id)
    assert waiter.result() == 42


def test_a_failed_work_raises_what_went_wrong_with_the_workers_traceback(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1)
    lane.answer(waiter.id, state=State.FAILED)
    error = waiter.exception()
    assert isinstance(error, WorkFailed)
    assert not isinstance(error, WorkLost)
    assert (error.error_type, error.message, error.traceback) == ("ValueError", "no", "Traceback: no")
    assert str(error) == "ValueError: no"
    with pytest.raises(WorkFailed):
        waiter.result()


def test_a_work_lost_with_its_workers_says_so(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1)
    for attempt in (1, 2, 3):
        lane.verdict(waiter.id)
        lane.release(waiter.id, attempt, lost=True)
    with pytest.raises(WorkLost, match="3 times"):
        waiter.result()


def test_a_work_of_an_unknown_type_says_so(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1)
    failure = '{"type":"UnknownWork","message":"worker w1 does not know it","traceback":""}'
    lane.ledger.cancel(waiter.id, Reason.UNKNOWN_TYPE, state=State.FAILED, failure=failure)
    with pytest.raises(UnknownWork, match="worker w1 does not know it"):
        waiter.result()


@pytest.mark.parametrize("running", [False, True], ids=["pending", "running"])
def test_a_cancelled_work_fails_at_once_and_says_why(client: Client, lane: Lane, running: bool) -> None:
    waiter = submit_work(works.add, a=1)
    if running:
        lane.verdict(waiter.id)
    lane.ledger.cancel(waiter.id, Reason.CANCELLED)
    error = waiter.exception(timeout=3)
    assert isinstance(error, WorkCancelled)
    assert error.reason == Reason.CANCELLED
    assert not waiter.cancelled(), "it was not this caller's doing"


def test_a_work_dropped_for_want_of_time_is_a_timeout(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1)
    lane.verdict(waiter.id)
    lane.answer(waiter.id, state=State.EXPIRED, reason=Reason.NOT_ENOUGH_TIME)
    with pytest.raises(WorkTimeout):
        waiter.result(timeout=3)


def test_a_waiter_fails_by_itself_at_its_deadline(client: Client) -> None:
    waiter = submit_work(works.add, a=1, timeout=0.3)
    submitted_at = time.monotonic()
    error = waiter.exception()
    assert isinstance(error, WorkTimeout)
    assert isinstance(error, TimeoutError)
    assert 0.25 < time.monotonic() - submitted_at < 0.35
    assert waiter.done()
    assert waiter.remaining() == 0


def test_an_answer_after_the_deadline_changes_nothing(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1, key="k", timeout=0.2)
    other = submit_work(works.add, a=1, key="k", timeout=5)
    with pytest.raises(WorkTimeout):
        waiter.result()
    lane.answer(other.id)
    assert other.result() == 42
    with pytest.raises(WorkTimeout):
        waiter.result()


def test_the_time_left_counts_down(client: Client) -> None:
    waiter = submit_work(works.add, a=1, timeout=20)
    first = waiter.remaining()
    assert 19 < first <= 20
    eventually(lambda: waiter.remaining() < first, within=1)


def test_many_threads_may_wait_for_one_work(
    client: Client, lane: Lane, thread: Callable[..., threading.Thread]
) -> None:
    waiter = submit_work(works.add, a=1)
    results: list[int] = []
    threads = [thread(lambda: results.append(waiter.result())) for _ in range(8)]
    lane.answer(waiter.id)
    for each in threads:
        each.join(5)
    assert results == [42] * 8


def test_many_threads_may_submit_at_once(client: Client, lane: Lane, thread: Callable[..., threading.Thread]) -> None:
    results: list[int] = []

    def submit_and_wait(n: int) -> None:
        results.extend(submit_work(works.add, a=n, b=k).result() for k in range(5))

    threads = [thread(lambda n=n: submit_and_wait(n)) for n in range(8)]
    while any(each.is_alive() for each in threads):
        for id in lane.rung():
            lane.answer(id, "7")
    assert results == [7] * 40


def test_a_waiter_tells_its_works_status(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1, key="the key")
    status = waiter.status()
    assert status is not None
    assert (status.id, status.key, status.name) == (waiter.id, "the key", "tests.support.works.add")
    assert (status.state, status.callers, status.lane) == (State.PENDING, 1, "default")
    lane.answer(waiter.id)
    ended = waiter.status()
    assert ended is not None
    assert ended.state is State.COMPLETED


def test_progress_comes_as_it_is_made_until_the_end(
    client: Client, lane: Lane, thread: Callable[..., threading.Thread]
) -> None:
    waiter = submit_work(works.add, a=1)
    lane.verdict(waiter.id)
    seen: list[float] = []

    def follow() -> None:
        seen.extend(progress.done for progress in waiter.progress())

    following = thread(follow)
    for done in (1, 2, 3):
        lane.progress(waiter.id, 1, f'{{"done":{done},"total":3}}')
        eventually(lambda: bool(seen) and seen[-1] == done, within=3)  # noqa: B023  # called at once
    lane.answer(waiter.id)
    following.join(3)
    assert seen == [1, 2, 3]


def test_progress_ends_with_the_deadline(client: Client) -> None:
    waiter = submit_work(works.add, a=1, timeout=0.3)
    assert list(waiter.progress()) == []


def test_the_last_progress_is_not_missed_by_the_end(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1)
    lane.verdict(waiter.id)
    lane.progress(waiter.id, 1, '{"done":3,"total":3}')
    lane.answer(waiter.id)
    waiter.result()
    assert [progress.done for progress in waiter.progress()] == [3]


def test_a_waiter_says_what_it_waits_for(client: Client) -> None:
    waiter = submit_work(works.add, a=1, timeout=20)
    assert repr(waiter).startswith(f"<WorkWaiter tests.support.works.add [{waiter.id}] ")
    assert "s left" in repr(waiter)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_waiter_that_is_copied_says_what_to_do_instead(client: Client, copied: Callable[[object], object]) -> None:
    waiter = submit_work(works.add, a=1)
    with pytest.raises(TypeError, match=re.escape(f"attach('{waiter.id}')")):
        copied(waiter)


@pytest.mark.parametrize(
    "error",
    [
        WorkFailed("ValueError", "no", "trace"),
        WorkLost("WorkLost", "3 times"),
        WorkCancelled("it was", "revoked"),
        WorkTimeout("late"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_survive_being_pickled(error: WorkError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))
