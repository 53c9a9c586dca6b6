"""What a worker makes of wanted work: one test, each on a prefork and on a thread pool."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from askfirst import State, WorkFailed, WorkTimeout, submit_many, submit_work
from tests.support import works
from tests.support.fleet import Fleet, lines


def test_work_runs_and_its_result_comes_back(fleet: Fleet) -> None:
    waiter = submit_work(works.add, a=40, b=2)
    assert waiter.result() == 42
    status = waiter.status()
    assert status is not None
    assert (status.state, status.attempt) == (State.COMPLETED, 1)
    assert status.worker is not None
    assert status.worker.startswith(fleet.worker.name)


def test_work_runs_by_name_alone(fleet: Fleet) -> None:
    assert submit_work("tests.support.works.add", a=2).result() == 3


def test_many_works_run_each_once(fleet: Fleet, tmp_path: Path) -> None:
    waiters = submit_many(works.prove, [{"proof": tmp_path / "proof", "line": str(n)} for n in range(60)])
    assert [waiter.result() for waiter in waiters] == [str(n) for n in range(60)]
    assert sorted(lines(tmp_path / "proof"), key=int) == [str(n) for n in range(60)]


def test_arguments_arrive_as_what_they_are(fleet: Fleet) -> None:
    waiter = submit_work(
        works.describe,
        thing=works.Thing(name="box", made_on=datetime(2024, 2, 29, tzinfo=UTC).date()),
        point=works.Point(1, 2.5),
        colour=works.Colour.RED,
        path=Path("/tmp"),
        at=datetime.now(UTC),
        price=Decimal("1.10"),
        id=uuid4(),
        raw=b"\x00\xff",
        pause=timedelta(seconds=1.5),
    )
    assert waiter.result() == {
        "thing": "Thing",
        "point": "Point",
        "colour": "Colour",
        "path": "PosixPath",
        "at": "datetime",
        "price": "Decimal",
        "id": "UUID",
        "raw": "bytes",
        "pause": "timedelta",
        "wish": "NoneType",
    }


def test_a_model_comes_back_as_one(fleet: Fleet) -> None:
    thing = submit_work(works.make_thing, name="box").result()
    assert isinstance(thing, works.Thing)
    assert thing.parts[0].name == "part"


def test_async_work_runs(fleet: Fleet) -> None:
    waiters = submit_many(works.double, [{"x": n} for n in range(5)])
    assert [waiter.result() for waiter in waiters] == [0, 2, 4, 6, 8]


def test_work_knows_itself(fleet: Fleet) -> None:
    waiter = submit_work(works.who, key="the key", timeout=20)
    said = waiter.result()
    assert (said["id"], said["key"], said["attempt"]) == (waiter.id, "the key", 1)
    assert 15 < said["left"] <= 20


def test_work_hands_a_part_on_and_waits_for_it_no_longer_than_it_lives_itself(fleet: Fleet) -> None:
    said = submit_work(works.ask_for_more, a=1, timeout=20).result()
    assert said["sum"] == 2
    assert said["left for the part"] <= said["left"] + 0.1


def test_progress_arrives_while_the_work_runs(fleet: Fleet) -> None:
    waiter = submit_work(works.count_to, total=8)
    seen = list(waiter.progress())
    assert len(seen) >= 2
    assert seen == sorted(seen, key=lambda progress: progress.done)
    assert (seen[-1].done, seen[-1].total, seen[-1].note) == (8, 8, "at 8")
    assert waiter.result() == 8


def test_delayed_work_starts_when_it_is_due(fleet: Fleet, tmp_path: Path) -> None:
    waiter = submit_work(works.prove, proof=tmp_path / "proof", delay=0.6, timeout=10)
    waiter.result()
    status = waiter.status()
    assert status is not None
    assert status.started_at is not None
    assert 0.6 <= (status.started_at - status.submitted_at).total_seconds() < 2


def test_works_of_another_lane_run_too(fleet: Fleet, tmp_path: Path) -> None:
    assert submit_work(works.in_another_lane, proof=tmp_path / "proof").result() == "io"


# Errors


def test_an_error_comes_back_with_type_text_and_traceback(fleet: Fleet) -> None:
    error = submit_work(works.fail, text="on purpose").exception()
    assert isinstance(error, WorkFailed)
    assert (error.error_type, error.message) == ("ValueError", "on purpose")
    assert "works.py" in error.traceback
    assert "raise ValueError(text)" in error.traceback


def test_an_error_that_does_not_survive_pickling_comes_back(fleet: Fleet) -> None:
    error = submit_work(works.fail_strangely).exception()
    assert isinstance(error, WorkFailed)
    assert (error.error_type, error.message) == ("tests.support.works.Strange", "1 and 2")


def test_a_timeout_of_something_the_work_called_is_that_works_error(fleet: Fleet) -> None:
    error = submit_work(works.time_out_by_itself).exception()
    assert isinstance(error, WorkFailed)
    assert not isinstance(error, WorkTimeout)
    assert error.error_type == "TimeoutError"


@pytest.mark.parametrize(
    ("work", "text"),
    [
        (works.return_a_socket, "cannot be carried as JSON"),
        (works.return_not_a_number, "NaN is no JSON"),
        (works.break_a_promise, "valid integer"),
        (works.return_much, "at most 1024 bytes"),
    ],
    ids=["no JSON", "NaN", "not as annotated", "too large"],
)
def test_a_result_that_cannot_be_carried_fails_that_work_and_the_worker_goes_on(
    fleet: Fleet, work: Callable[..., Any], text: str
) -> None:
    error = submit_work(work).exception()
    assert isinstance(error, WorkFailed)
    assert "InvalidResult" in error.error_type
    assert text in error.message
    assert submit_work(works.add, a=1).result() == 2


def test_sys_exit_fails_that_work_and_takes_nothing_along(fleet: Fleet) -> None:
    processes = fleet.worker.children
    error = submit_work(works.leave).exception()
    assert isinstance(error, WorkFailed)
    assert (error.error_type, error.message) == ("SystemExit", "3")
    assert submit_work(works.add, a=1).result() == 2
    assert fleet.worker.children == processes


def test_an_error_that_is_the_pools_word_is_the_works_own_and_costs_no_slot(fleet: Fleet) -> None:
    for _ in range(2 * fleet.slots):
        error = submit_work(works.raise_the_pools_word).exception(timeout=10)
        assert isinstance(error, WorkFailed)
        assert error.error_type == "billiard.exceptions.TimeLimitExceeded"
    assert submit_work(works.add, a=1).result(timeout=10) == 2


# Retries


def test_a_failed_run_is_tried_again_as_declared(fleet: Fleet, tmp_path: Path) -> None:
    waiter = submit_work(works.succeed_at_third, proof=tmp_path / "proof")
    assert waiter.result() == 3
    assert lines(tmp_path / "proof") == ["attempt 1", "attempt 2", "attempt 3"]
    status = waiter.status()
    assert status is not None
    assert (status.state, status.attempt, status.error) == (State.COMPLETED, 3, None)


def test_an_error_of_another_kind_is_not_tried_again(fleet: Fleet, tmp_path: Path) -> None:
    assert isinstance(submit_work(works.fail_unretried, proof=tmp_path / "proof").exception(), WorkFailed)
    assert lines(tmp_path / "proof") == ["ran"]


def test_work_that_always_fails_is_given_up(fleet: Fleet, tmp_path: Path) -> None:
    error = submit_work(works.fail_every_time, proof=tmp_path / "proof").exception()
    assert isinstance(error, WorkFailed)
    assert error.message == "never"
    assert lines(tmp_path / "proof") == ["ran", "ran"]


def test_an_error_that_asks_for_an_endless_pause_ends_the_work(fleet: Fleet, tmp_path: Path) -> None:
    error = submit_work(works.fail_for_long, proof=tmp_path / "proof").exception()
    assert isinstance(error, WorkFailed)
    assert error.error_type == "tests.support.works.Patience"
    assert lines(tmp_path / "proof") == ["ran"]


# Work must not wait for a tick of some clock


def test_one_work_after_the_other_takes_milliseconds(fleet: Fleet) -> None:
    submit_work(works.add, a=1).result()
    tries = []
    for _ in range(20):
        started_at = time.monotonic()
        submit_work(works.add, a=1).result()
        tries.append(time.monotonic() - started_at)
    assert sorted(tries)[len(tries) // 2] < 0.1
