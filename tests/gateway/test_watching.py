"""Event streams end with their work, whatever happens to the ledger meanwhile."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar, cast

import pytest

from askfirst import LedgerUnavailable, State, WorkStatus
from askfirst.gateway.desk import Desk
from askfirst.gateway.events import Watch
from askfirst.gateway.problems import no_such_work
from askfirst.gateway.showing import View

Answer = TypeVar("Answer")
ID = "default." + "0" * 32


def seen(state: State) -> View:
    now = datetime.now(UTC)
    return View(
        WorkStatus(
            id=ID, key=None, name="t", lane="default", state=state, reason=None, submitted_at=now, started_at=now,
            finished_at=None, deadline=now, attempt=1, worker=None, callers=1, progress=None, error=None,
        ),
        "1",
    )  # fmt: skip


class Stage:
    """A desk that knows one work, or none any more, and is away for so many looks at it."""

    def __init__(self, view: View | None) -> None:
        self.view = view
        self.away = 0

    async def run(self, call: Callable[[], Answer]) -> Answer:
        return call()

    def look(self, id: str, owner: str) -> View:
        if self.away:
            self.away -= 1
            raise LedgerUnavailable("away")
        if self.view is None:
            raise no_such_work(id)
        return self.view

    def statuses(self, ids: list[str]) -> dict[str, WorkStatus]:
        return {ID: self.view.status} if self.view is not None else {}


def told(stage: Stage, then: Callable[[], object]) -> str:
    """All that a stream tells until it ends by itself; `then` happens after its first event."""

    async def listen() -> str:
        text = ""
        async with asyncio.timeout(5):
            async for part in Watch(cast(Desk, stage)).stream(cast(View, stage.view), "alice", ""):
                text += part
                if "event:" in part and "RUNNING" in part:
                    then()
        return text

    return asyncio.run(listen())


def test_an_outcome_is_told_though_the_ledger_was_away_when_it_came() -> None:
    stage = Stage(seen(State.RUNNING))

    def end() -> None:
        stage.view, stage.away = seen(State.COMPLETED), 2

    assert "event: outcome" in told(stage, end)


@pytest.mark.parametrize("away", [0, 1])
def test_a_stream_of_a_work_that_is_forgotten_ends(away: int) -> None:
    stage = Stage(seen(State.RUNNING))

    def forget() -> None:
        stage.view, stage.away = None, away

    assert "outcome" not in told(stage, forget)
