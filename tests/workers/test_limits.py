"""Fleet-wide limits and importance, kept by real workers."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from askfirst import submit_many, submit_work
from askfirst.config.settings import LimitSettings
from askfirst.interest.ledger import Ledger
from askfirst.interest.limits import Limit, limits_of, set_limit
from tests.support import limited, works
from tests.support.eventually import eventually
from tests.support.fleet import Worker, lines
from tests.support.lanes import Lane
from tests.support.limited import most_at_once, spans


def running(ledger: Ledger) -> int:
    """How many works of the type with three at once have a permit."""
    return next(limit.running for limit in limits_of(ledger, "default") if limit.name == THREE)


pytestmark = pytest.mark.usefixtures("client")

StartWorker = Callable[..., Worker]
THREE = "tests.support.limited.three_at_once"


@pytest.fixture
def fleet_of_two(start_worker: StartWorker) -> list[Worker]:
    """Two workers, one of processes and one of threads, of four slots each."""
    imports = ("tests.support.limited", "tests.support.works")
    return [start_worker(pool, pool=pool, concurrency=4, imports=imports) for pool in ("prefork", "threads")]


@pytest.mark.usefixtures("fleet_of_two")
def test_no_more_run_at_once_than_allowed_and_all_that_may(tmp_path: Path) -> None:
    for waiter in submit_many(limited.three_at_once, [{"proof": tmp_path / "proof"}] * 40):
        waiter.result()
    runs = spans(tmp_path / "proof")
    assert len(runs) == 40
    assert most_at_once(runs) == 3


@pytest.mark.usefixtures("fleet_of_two")
def test_held_work_keeps_no_slot_from_others(tmp_path: Path) -> None:
    held = submit_many(limited.three_at_once, [{"proof": tmp_path / "held", "seconds": 0.3}] * 12)
    free = submit_many(limited.unlimited, [{"proof": tmp_path / "free"}] * 10)
    for waiter in free:
        waiter.result(timeout=5)
    assert not held[-1].done()
    for waiter in held:
        waiter.result(timeout=20)
    assert most_at_once(spans(tmp_path / "held")) == 3


@pytest.mark.usefixtures("fleet_of_two")
def test_a_partition_with_much_work_does_not_hold_up_one_with_little(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    many = submit_many(limited.one_for_each, [{"proof": proof, "tenant": "big"}] * 30)
    few = submit_many(limited.one_for_each, [{"proof": proof, "tenant": "small"}] * 3)
    for waiter in few:
        waiter.result(timeout=10)
    assert not many[-1].done()
    for waiter in many:
        waiter.result(timeout=20)
    assert most_at_once(spans(tmp_path / "proof.big")) == 1
    assert most_at_once(spans(tmp_path / "proof.small")) == 1


@pytest.mark.usefixtures("fleet_of_two")
def test_no_more_start_in_a_period_than_allowed(tmp_path: Path) -> None:
    waiters = submit_many(limited.five_a_second, [{"proof": tmp_path / "proof"}] * 13)
    for waiter in waiters:
        waiter.result(timeout=20)
    assert len(spans(tmp_path / "proof")) == 13
    # By the ledger's clock: from there to the function's first line takes now more, now less.
    starts = sorted(status.started_at for waiter in waiters if (status := waiter.status()) and status.started_at)
    assert timedelta(seconds=2) <= starts[-1] - starts[0] <= timedelta(seconds=4)
    assert min(later - start for start, later in zip(starts, starts[5:], strict=False)) >= timedelta(seconds=1)


@pytest.mark.usefixtures("fleet_of_two")
def test_an_operators_limit_holds_within_a_second(ledger: Ledger, tmp_path: Path) -> None:
    waiters = submit_many(limited.three_at_once, [{"proof": tmp_path / "proof", "seconds": 0.2}] * 30)
    eventually(lambda: len(spans(tmp_path / "proof")) >= 3, what="some have run")
    set_limit(ledger, "default", THREE, None, Limit(max_concurrent=6))
    eventually(lambda: running(ledger) == 6, within=1.0, what="the limit is raised")
    for waiter in waiters:
        waiter.result(timeout=20)
    assert most_at_once(spans(tmp_path / "proof")) == 6


def test_a_killed_worker_takes_no_permit_with_it(
    ledger: Ledger, fleet_of_two: list[Worker], start_worker: StartWorker, tmp_path: Path
) -> None:
    waiters = submit_many(limited.three_at_once, [{"proof": tmp_path / "proof", "seconds": 0.4}] * 9)
    eventually(lambda: running(ledger) == 3, what="as many run as may")
    for worker in fleet_of_two:
        worker.kill()
    start_worker("heir", concurrency=4, imports=("tests.support.limited",))
    for waiter in waiters:
        waiter.result(timeout=40)
    assert most_at_once(spans(tmp_path / "proof")) <= 3
    assert running(ledger) == 0


def test_settings_limit_what_a_type_does_not(start_worker: StartWorker, tmp_path: Path) -> None:
    limits = {"tests.support.limited.unlimited": LimitSettings(max_concurrent=2)}
    start_worker(imports=("tests.support.limited",), concurrency=4, changed={"limits": limits})
    for waiter in submit_many(limited.unlimited, [{"proof": tmp_path / "proof"}] * 12):
        waiter.result()
    assert most_at_once(spans(tmp_path / "proof")) == 2


def test_critical_work_goes_first_and_sheddable_work_last(
    lane: Lane, start_worker: StartWorker, tmp_path: Path
) -> None:
    order = ["sheddable", "normal", "critical", "normal", "critical", "sheddable"]
    proof = tmp_path / "proof"
    waiters = [submit_work(works.prove, proof=proof, line=each, importance=each, timeout=30) for each in order]
    start_worker(concurrency=1, pool="threads")
    for waiter in waiters:
        waiter.result()
    assert lines(proof) == ["critical"] * 2 + ["normal"] * 2 + ["sheddable"] * 2
