"""What a run knows of itself, and how it learns that nobody wants it any more."""

import contextlib
import logging
import threading
import time
from datetime import UTC, datetime

import pytest

from askfirst import InterestLost, Reason, WorkContext
from askfirst.interest.records import Progress
from askfirst.tasks import Token


def test_a_context_tells_the_time_left() -> None:
    ctx = WorkContext(timeout=10)
    assert 9 < ctx.remaining() <= 10
    assert 9 < (ctx.deadline - datetime.now(UTC)).total_seconds() <= 10


def test_a_wanted_run_passes_every_check() -> None:
    ctx = WorkContext(timeout=10)
    assert ctx.interested
    ctx.check()


def test_past_the_deadline_nobody_is_interested() -> None:
    ctx = WorkContext(timeout=0)
    assert not ctx.interested
    assert ctx.remaining() == 0
    with pytest.raises(InterestLost) as lost:
        ctx.check()
    assert lost.value.reason == Reason.DEADLINE_PASSED


def test_a_tripped_token_says_why() -> None:
    ctx = WorkContext(timeout=10)
    ctx.token.trip(Reason.REPLACED)
    assert not ctx.interested
    with pytest.raises(InterestLost) as lost:
        ctx.check()
    assert lost.value.reason == Reason.REPLACED


def test_the_first_reason_stands() -> None:
    token = Token()
    assert token.trip(Reason.REPLACED)
    assert not token.trip(Reason.CANCELLED)
    assert token.reason == Reason.REPLACED


def test_lost_interest_is_not_swallowed_by_a_broad_except() -> None:
    ctx = WorkContext(timeout=0)

    def swallow_all() -> None:
        with contextlib.suppress(Exception):
            ctx.check()

    with pytest.raises(InterestLost):
        swallow_all()


def test_a_deadline_can_move_while_the_work_runs() -> None:
    ctx = WorkContext(timeout=0.01)
    ctx.extend(10)
    assert ctx.remaining() > 9


def test_sleeping_takes_as_long_as_it_says() -> None:
    started_at = time.monotonic()
    WorkContext(timeout=10).sleep(0.1)
    assert 0.1 <= time.monotonic() - started_at < 0.5


def test_a_sleeper_wakes_when_interest_is_lost() -> None:
    ctx = WorkContext(timeout=10)
    timer = threading.Timer(0.05, ctx.token.trip, [Reason.CANCELLED])
    timer.start()
    started_at = time.monotonic()
    with pytest.raises(InterestLost):
        ctx.sleep(5)
    assert time.monotonic() - started_at < 1
    timer.join()


def test_a_sleeper_wakes_at_the_deadline() -> None:
    started_at = time.monotonic()
    with pytest.raises(InterestLost) as lost:
        WorkContext(timeout=0.1).sleep(5)
    assert lost.value.reason == Reason.DEADLINE_PASSED
    assert 0.1 <= time.monotonic() - started_at < 0.5


def test_progress_is_handed_on() -> None:
    told: list[Progress] = []
    WorkContext(report=told.append).progress(3, 4, note="nearly")
    assert told == [Progress(done=3, total=4, note="nearly")]


def test_progress_without_anybody_to_tell_is_no_error() -> None:
    WorkContext().progress(1)


def test_its_log_lines_tell_which_work_they_are_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        WorkContext(id="default.0", attempt=2).log.info("hello")
    [record] = caplog.records
    assert (record.work_id, record.attempt) == ("default.0", 2)  # type: ignore[attr-defined]  # extra fields
