"""A run that nobody wants any more is told so, and says why it stopped."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from askfirst import Reason, State, WorkCancelled, WorkTimeout, WorkWaiter, submit_work
from askfirst.config import Settings
from tests.support import works
from tests.support.callers import Caller
from tests.support.eventually import eventually
from tests.support.fleet import Fleet, lines


@pytest.fixture
def settings(fleet: Fleet) -> Settings:
    """Other processes are callers of the same fleet."""
    return fleet.settings


@pytest.fixture
def proof(tmp_path: Path) -> Path:
    return tmp_path / "proof"


def start(proof: Path, **options: object) -> WorkWaiter:
    """Work that runs until it is told to stop."""
    waiter = submit_work(works.linger, proof=proof, **options)  # type: ignore[arg-type]  # as submit_work has them
    eventually(lambda: lines(proof), what="it runs")
    return waiter


def stopped(proof: Path, within: float = 3.0) -> str:
    """How the run came to its end."""
    eventually(lambda: len(lines(proof)) == 2, within=within, what="it stops")
    return lines(proof)[1]


def test_its_only_caller_withdraws(fleet: Fleet, proof: Path) -> None:
    waiter = start(proof)
    waiter.cancel()
    assert stopped(proof) == f"stopped: {Reason.WITHDRAWN}"
    eventually(lambda: fleet.lane.state(waiter.id) is State.CANCELLED)


def test_one_of_two_callers_withdraws_and_it_goes_on(fleet: Fleet, proof: Path) -> None:
    first = start(proof, key="k", timeout=20)
    second = submit_work(works.linger, proof=proof, key="k", timeout=20)
    first.cancel()
    with pytest.raises(TimeoutError):
        second.result(timeout=1.5)
    assert len(lines(proof)) == 1
    second.cancel()
    assert stopped(proof) == f"stopped: {Reason.WITHDRAWN}"


def test_its_deadline_passes(fleet: Fleet, proof: Path) -> None:
    waiter = start(proof, timeout=1)
    with pytest.raises(WorkTimeout):
        waiter.result()
    assert stopped(proof, within=0.5) == f"stopped: {Reason.DEADLINE_PASSED}"
    eventually(lambda: fleet.lane.state(waiter.id) is State.EXPIRED)


def test_another_caller_joins_with_a_later_deadline_and_it_goes_on(fleet: Fleet, proof: Path) -> None:
    first = start(proof, key="k", timeout=1.5)
    second = submit_work(works.linger, proof=proof, key="k", timeout=20)
    with pytest.raises(WorkTimeout):
        first.result()
    with pytest.raises(TimeoutError):
        second.result(timeout=0.5)
    assert len(lines(proof)) == 1
    second.cancel()
    assert stopped(proof) == f"stopped: {Reason.WITHDRAWN}"


def test_an_operator_cancels(fleet: Fleet, proof: Path) -> None:
    waiter = start(proof)
    fleet.ledger.cancel(waiter.id, Reason.CANCELLED)
    cancelled_at = time.monotonic()
    with pytest.raises(WorkCancelled):
        waiter.result()
    assert time.monotonic() - cancelled_at < 0.5
    assert stopped(proof) == f"stopped: {Reason.CANCELLED}"


def test_newer_work_of_its_key_replaces_it_and_starts_when_it_has_stopped(fleet: Fleet, proof: Path) -> None:
    old = start(proof, key="k")
    new = submit_work(works.linger, proof=proof, seconds=0, key="k", on_duplicate="replace")
    with pytest.raises(WorkCancelled):
        old.result()
    assert new.result(timeout=5) == "slept"
    began, why, began_again, ended = lines(proof)
    assert began.startswith("began")
    assert why == f"stopped: {Reason.REPLACED}"
    assert began_again.startswith("began")
    assert ended == "ended"


def test_its_caller_leaves_in_order(fleet: Fleet, proof: Path, caller: Callable[..., Caller]) -> None:
    process = caller("waiter = submit_work(works.linger, proof=sys.argv[1]); sys.stdin.readline()", proof)
    eventually(lambda: lines(proof), what="it runs")
    process.go_on()
    assert stopped(proof, within=5) == f"stopped: {Reason.WITHDRAWN}"


def test_the_slot_is_free_again_when_it_has_stopped(fleet: Fleet, tmp_path: Path) -> None:
    waiters = [start(tmp_path / f"proof{n}") for n in range(fleet.slots)]
    for waiter in waiters:
        waiter.cancel()
    assert submit_work(works.add, a=1).result(timeout=5) == 2
