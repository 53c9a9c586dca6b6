"""It stays Celery: events for Flower, revoking, plain calls, and unknown types."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from celery import Celery

from askfirst import Reason, State, UnknownWork, WorkCancelled, WorkWaiter, submit_work
from askfirst.waiters.client import Client
from tests.support import works
from tests.support.events import Events
from tests.support.eventually import eventually
from tests.support.fleet import Fleet, Worker, lines


@pytest.fixture
def proof(tmp_path: Path) -> Path:
    return tmp_path / "proof"


def start(proof: Path) -> WorkWaiter:
    """Work that runs until it is told to stop."""
    waiter = submit_work(works.linger, proof=proof)
    eventually(lambda: lines(proof), what="it runs")
    return waiter


# Events


def test_a_finished_work_shows_with_its_name_arguments_and_result(fleet: Fleet, app: Celery) -> None:
    with Events(app) as events:
        waiter = submit_work(works.add, a=40, b=2)
        waiter.result()
        received = events.of(waiter.id, "task-received")
        assert received["name"] == "tests.support.works.add"
        assert json.loads(received["kwargs"]) == {"a": 40, "b": 2}
        assert events.of(waiter.id, "task-succeeded")["result"] == "42"
    assert events.kinds(waiter.id) == ["task-received", "task-started", "task-succeeded"]


def test_a_failed_work_shows_with_its_error(fleet: Fleet, app: Celery) -> None:
    with Events(app) as events:
        waiter = submit_work(works.fail, text="on purpose")
        waiter.exception()
        assert events.of(waiter.id, "task-failed")["exception"] == "ValueError('on purpose')"


def test_a_dropped_work_shows_with_its_reason(fleet: Fleet, app: Celery, tmp_path: Path) -> None:
    with Events(app) as events:
        with fleet.busy(tmp_path):
            waiter = submit_work(works.prove, proof=tmp_path / "proof")
            waiter.cancel()
        dropped = events.of(waiter.id, "task-dropped")
        assert dropped["result"] == dropped["exception"] == Reason.WITHDRAWN
        fleet.sweep(tmp_path)
    assert events.kinds(waiter.id) == ["task-received", "task-dropped"]


def test_a_stopped_work_shows_as_dropped_with_its_reason(fleet: Fleet, app: Celery, proof: Path) -> None:
    with Events(app) as events:
        waiter = start(proof)
        waiter.cancel()
        assert events.of(waiter.id, "task-dropped")["result"] == Reason.WITHDRAWN


def test_a_retried_work_shows_every_try(fleet: Fleet, app: Celery, proof: Path) -> None:
    with Events(app) as events:
        waiter = submit_work(works.succeed_at_third, proof=proof)
        waiter.result()
        events.of(waiter.id, "task-succeeded")
    assert events.kinds(waiter.id).count("task-started") == 3
    assert events.kinds(waiter.id)[-1] == "task-succeeded"


def test_flowers_state_of_a_dropped_work_is_dropped(fleet: Fleet, app: Celery, tmp_path: Path) -> None:
    flower = app.events.State()
    with Events(app) as events:
        with fleet.busy(tmp_path):
            waiter = submit_work(works.prove, proof=tmp_path / "proof")
            waiter.cancel()
        for kind in ("task-received", "task-dropped"):
            flower.event(events.of(waiter.id, kind))
    task = flower.tasks[waiter.id]
    assert (task.state, task.name, task.exception) == ("DROPPED", "tests.support.works.prove", Reason.WITHDRAWN)


# Revoking, as Flower's buttons do


@pytest.mark.parametrize("terminate", [False, True], ids=["revoke", "terminate"])
def test_revoking_queued_work_reaches_its_caller_and_it_does_not_run(
    fleet: Fleet, app: Celery, tmp_path: Path, terminate: bool
) -> None:
    proof = tmp_path / "proof"
    with fleet.busy(tmp_path):
        waiter = submit_work(works.prove, proof=proof)
        app.control.revoke(waiter.id, terminate=terminate)
        error = waiter.exception(timeout=5)
        assert isinstance(error, WorkCancelled)
        assert error.reason == Reason.REVOKED
    fleet.sweep(tmp_path)
    assert lines(proof) == []


@pytest.mark.parametrize("terminate", [False, True], ids=["revoke", "terminate"])
def test_revoking_running_work_reaches_its_caller_and_it_stops(
    fleet: Fleet, app: Celery, proof: Path, terminate: bool
) -> None:
    waiter = start(proof)
    app.control.revoke(waiter.id, terminate=terminate)
    error = waiter.exception(timeout=5)
    assert isinstance(error, WorkCancelled)
    assert error.reason == Reason.REVOKED
    eventually(lambda: fleet.lane.state(waiter.id) is State.CANCELLED, what="the run has ended")
    assert "ended" not in lines(proof)
    assert submit_work(works.add, a=1).result(timeout=10) == 2


def test_revoking_does_not_spread_to_others(fleet: Fleet, app: Celery, proof: Path) -> None:
    waiter, other = start(proof), submit_work(works.linger, proof=proof.with_name("other"), seconds=1)
    app.control.revoke(waiter.id, terminate=True)
    assert other.result(timeout=10) == "slept"
    assert isinstance(waiter.exception(), WorkCancelled)


# Plain calls


def test_a_plain_call_of_a_work_type_runs_it(fleet: Fleet, app: Celery, proof: Path) -> None:
    app.tasks["tests.support.works.prove"].apply_async(kwargs={"proof": str(proof)})
    eventually(lambda: lines(proof) == ["ran"], what="it runs")


def test_a_plain_call_of_a_work_type_with_a_context_runs_it(fleet: Fleet, app: Celery, proof: Path) -> None:
    app.tasks["tests.support.works.linger"].apply_async(kwargs={"proof": str(proof), "seconds": 0.1})
    eventually(lambda: lines(proof)[-1:] == ["ended"], what="it runs to its end")


def test_a_plain_call_of_an_async_work_type_runs_it(fleet: Fleet, app: Celery) -> None:
    with Events(app) as events:
        result = app.tasks["tests.support.works.double"].apply_async(kwargs={"x": 21})
        assert events.of(result.id, "task-succeeded")["result"] == "42"


def test_a_plain_call_that_outlasts_its_deadline_fails_as_any_other(fleet: Fleet, app: Celery) -> None:
    with Events(app) as events:
        result = app.tasks["tests.support.works.linger_too_long"].apply_async()
        said = events.of(result.id, "task-failed")["exception"]
    assert said == "WorkTimeout('tests.support.works.linger_too_long: deadline passed')"


def test_a_plain_call_can_expire_and_be_revoked_as_ever(fleet: Fleet, app: Celery, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    with Events(app) as events:
        with fleet.busy(tmp_path):
            task = app.tasks["tests.support.works.prove"]
            expired = task.apply_async(kwargs={"proof": str(proof)}, expires=0.01)
            revoked = task.apply_async(kwargs={"proof": str(proof)})
            revoked.revoke()
            time.sleep(0.02)
        assert events.of(expired.id, "task-revoked")["expired"]
        events.of(revoked.id, "task-revoked")
    assert lines(proof) == []


# Works that a worker doesn't know


def test_a_work_type_that_the_worker_does_not_know_fails_clearly(
    client: Client, start_worker: Callable[..., Worker]
) -> None:
    start_worker(imports=["tests.support.few_works"])
    waiter = submit_work(works.add, a=1)
    error = waiter.exception(timeout=5)
    assert isinstance(error, UnknownWork)
    assert "w1@" in str(error)
    assert "'tests.support.works.add'" in str(error)
    assert "--import" in str(error)
    assert submit_work("tests.support.few_works.greet", name="you", timeout=5).result() == "hello you"
