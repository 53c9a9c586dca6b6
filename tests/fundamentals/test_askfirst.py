"""askfirst in ten minutes: each test is a page, to be read from top to bottom.

The worker is real: it was started as `askfirst worker --import tests.support.works`. Where a page says "the worker is
busy", all its slots are taken, and what is submitted waits.
"""

import asyncio
import concurrent.futures
from pathlib import Path

import pytest

from askfirst import InvalidPayload, WorkCancelled, WorkFailed, WorkTimeout, attach, status, submit_many, submit_work
from tests.support.callers import Caller
from tests.support.fleet import Fleet, lines
from tests.support.works import add, count_to, double, fail, prove

pytestmark = pytest.mark.parametrize("fleet", ["prefork"], indirect=True)


def test_1_ask_for_work_and_wait_for_its_result(fleet: Fleet) -> None:
    """`add` is a function declared with `@work(timeout=30)`. You hand over its arguments by name."""
    waiter = submit_work(add, a=40, b=2)
    assert waiter.result() == 42


def test_2_a_waiter_is_a_future(fleet: Fleet) -> None:
    """So all that works with futures works with it, asyncio too."""
    waiters = submit_many(add, [{"a": n} for n in range(5)])
    concurrent.futures.wait(waiters)
    assert [waiter.result() for waiter in waiters] == [1, 2, 3, 4, 5]

    async def main() -> int:
        result: int = await submit_work(double, x=21)
        return result

    assert asyncio.run(main()) == 42


def test_3_wrong_arguments_are_your_error_and_come_at_once(fleet: Fleet) -> None:
    with pytest.raises(InvalidPayload, match="b: Input should be a valid integer"):
        submit_work(add, a=1, b="two")


def test_4_an_error_of_the_work_comes_to_you_with_the_workers_traceback(fleet: Fleet) -> None:
    with pytest.raises(WorkFailed) as failed:
        submit_work(fail, text="on purpose").result()
    assert failed.value.error_type == "ValueError"
    assert "raise ValueError(text)" in failed.value.traceback


def test_5_you_never_wait_longer_than_you_said(fleet: Fleet, tmp_path: Path) -> None:
    """And work that is too late for you is not started: the worker asks first."""
    proof = tmp_path / "proof"
    with fleet.busy(tmp_path):
        waiter = submit_work(prove, proof=proof, timeout=0.2)
        with pytest.raises(WorkTimeout):
            waiter.result()
        fleet.wait_for_deadline(waiter.id)
    fleet.sweep(tmp_path)
    assert lines(proof) == []


def test_6_what_you_do_not_want_any_more_is_not_done(fleet: Fleet, tmp_path: Path) -> None:
    """`cancel`, or just leave the `with` block; a run that has begun is told to stop."""
    proof = tmp_path / "proof"
    with fleet.busy(tmp_path), submit_work(prove, proof=proof) as waiter:
        pass
    with pytest.raises(WorkCancelled):
        waiter.result()
    fleet.sweep(tmp_path)
    assert lines(proof) == []


def test_7_a_key_names_a_work_and_who_asks_for_the_same_shares_it(fleet: Fleet, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    with fleet.busy(tmp_path):
        yours = submit_work(prove, proof=proof, key="report of today")
        mine = submit_work(prove, proof=proof, key="report of today")
        assert yours.id == mine.id
        yours.cancel()  # mine goes on
    assert mine.result() == "ran"
    assert lines(proof) == ["ran"]


def test_8_work_that_shall_outlive_you_is_detached(fleet: Fleet, tmp_path: Path) -> None:
    """Another process asks and leaves. You find the work by its key, and get its result."""
    script = "submit_work(works.prove, proof=sys.argv[1], key='left behind', detached=True)"
    leaving = Caller(script, fleet.settings, tmp_path, [tmp_path / "proof"])
    assert leaving.rest() == []
    leaving.close()
    assert attach("left behind").result() == "ran"


def test_9_you_can_look_at_a_work_while_it_runs(fleet: Fleet) -> None:
    waiter = submit_work(count_to, total=5)
    updates = [progress.done for progress in waiter.progress()]
    assert updates[-1] == 5
    found = status(waiter.id)
    assert found is not None
    assert (found.state, found.name) == ("COMPLETED", "tests.support.works.count_to")
