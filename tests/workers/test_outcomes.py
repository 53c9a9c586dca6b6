"""What a worker makes of the ways in which a run ends."""

import sys
from collections.abc import Callable
from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded

from askfirst import InterestLost, Reason, State, WorkContext, work
from askfirst.config import Settings
from askfirst.interest.errors import LedgerUnavailable
from askfirst.interest.records import Outcome
from askfirst.tasks import work_type_of
from askfirst.workers.dropped import Dropped
from askfirst.workers.running import Product, Run, _insist, _run_and_normalise, _tell_celery
from askfirst.workers.runtime import Runtime


@work(timeout=5, name="outcomes.call_another")
def call_another() -> None:
    """As the plain function that it is, with a context that has no time left."""
    WorkContext(timeout=0).check()


@work(timeout=5, name="outcomes.exit_when_told")
def exit_when_told(ctx: WorkContext) -> None:
    ctx.token.trip(Reason.SHUTDOWN)
    sys.exit(3)


@work(timeout=5, name="outcomes.stumble")
def stumble() -> None:
    raise OSError("rollback on a closed connection")


def product_of(function: Callable[..., Any]) -> Product:
    return _run_and_normalise(Runtime(Settings(), None, own=True), work_type_of(function), WorkContext(timeout=5), {})


def test_lost_interest_of_another_context_is_the_works_error() -> None:
    product = product_of(call_another)
    assert isinstance(product.error, InterestLost)
    assert product.lost == ""


def test_a_work_that_was_told_to_stop_may_leave_by_exit() -> None:
    assert product_of(exit_when_told).lost == Reason.SHUTDOWN


def test_no_error_of_a_process_that_is_told_to_end_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("askfirst.workers.running.terminate_handler_fired", lambda: True)
    product = product_of(stumble)
    assert product.lost == Reason.SHUTDOWN
    with pytest.raises(Dropped, match=r"^worker shuts down$"):
        _tell_celery(product, Outcome("a", State.PENDING, Reason.SHUTDOWN), WorkContext())


def test_celerys_soft_time_limit_does_not_take_a_result_along() -> None:
    """The function has returned when its signal comes, and the result waits for the ledger."""
    ends = iter([LedgerUnavailable("away"), SoftTimeLimitExceeded()])

    def write() -> str:
        for error in ends:
            raise error
        return "written"

    assert _insist(write, Run("default.a", None, "", 60.0, "1:a", 0.0, 0)) == "written"
