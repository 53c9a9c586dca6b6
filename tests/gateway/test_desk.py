"""The desk at awkward moments: answers that come too late, and a ledger that goes away between two steps."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from askfirst import LedgerUnavailable, State, WorkStatus
from askfirst.config import Settings
from askfirst.gateway import gateway_app
from askfirst.gateway.desk import Desk
from askfirst.interest.ledger import Ledger
from askfirst.interest.records import is_attached
from askfirst.interest.script import script
from askfirst.waiters.client import Client, configure
from askfirst.waiters.options import Options
from askfirst.waiters.submitting import callee_of
from askfirst.waiters.waiter import WorkWaiter
from tests.support import works
from tests.support.eventually import eventually

ADD = f"/v1/work/{works.__name__}.add"
OPTIONS = Options(timeout=30.0, key=None, on_duplicate="join", detached=False, delay=0.0, importance="normal")


class ByHand(Executor):
    """Answers when the test does."""

    def submit(self, call: Any, /, *_: Any, **__: Any) -> Future[Any]:
        self.promised: Future[Any] = Future()
        return self.promised


@pytest.fixture
def app(client: Client) -> Iterator[FastAPI]:
    """A gateway in this process, of which no worker hears."""
    app = gateway_app(client.settings.model_copy(update={"gateway_expose": (f"{works.__name__}.*",)}))
    yield app
    app.state.routes.desk.close()


def ask(app: FastAPI, method: str, path: str, **how: Any) -> httpx.Response:
    """One request, by its own event loop."""

    async def exchange() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=20) as web:
            return await web.request(method, path, **how)

    return asyncio.run(exchange())


@pytest.fixture
def threads() -> ByHand:
    """The threads in which the ledger is asked."""
    return ByHand()


@pytest.fixture
def desk(client: Client, threads: ByHand) -> Desk:
    """One whose ledger answers when the test does."""
    desk = Desk([])
    desk.close()
    desk._threads = threads  # type: ignore[assignment]  # as far as the desk asks of it
    return desk


def test_an_answer_that_comes_as_its_client_leaves_is_undone(desk: Desk, threads: ByHand) -> None:
    undone: list[str] = []

    async def leave() -> None:
        asking = asyncio.create_task(desk.run(lambda: "work", undone.append))
        await asyncio.sleep(0)
        threads.promised.set_result("work")
        await asyncio.sleep(0)  # it is there, and was not taken yet
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.sleep(0)

    asyncio.run(leave())
    assert undone == ["work"]


def test_an_answer_that_comes_as_the_patience_ends_is_undone_and_no_bug(
    desk: Desk, threads: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    undone: list[str] = []
    monkeypatch.setattr(desk, "_patience", lambda: 0.0)

    async def wait() -> None:
        asking = asyncio.create_task(desk.run(lambda: "work", undone.append))
        await asyncio.sleep(0)
        threads.promised.set_result("work")
        with pytest.raises(LedgerUnavailable):
            await asking
        await asyncio.sleep(0)

    asyncio.run(wait())
    assert undone == ["work"]


@pytest.mark.parametrize("query", ["", "?wait=20"])
def test_who_submits_is_answered_by_the_deadline_though_the_desk_is_stuck(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    desk = app.state.routes.desk
    assert ask(app, "POST", ADD, json={"a": 1}).status_code == 202
    threads, desk._threads = desk._threads, ByHand()
    monkeypatch.setattr(desk, "_patience", lambda: 1.0)
    answer = ask(app, "POST", f"{ADD}{query}", json={"a": 1}, headers={"Request-Timeout": "0.1"})
    desk._threads = threads
    assert (answer.status_code, answer.json()["type"]) == (504, "urn:askfirst:deadline-passed")


def away(*_: Any) -> Any:
    raise LedgerUnavailable("away")


def test_a_work_whose_client_is_told_of_an_error_is_not_wanted(
    app: FastAPI, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Desk, "look", away)
    answer = ask(app, "POST", ADD, json={"a": 1})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    eventually(lambda: ledger.counts("default")[State.CANCELLED] == 1, what="it is withdrawn")


def test_who_has_waited_is_told_where_the_work_is_though_the_ledger_is_away(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Desk, "look", away)
        patched.setattr(Desk, "statuses", away)
        answer = ask(app, "POST", f"{ADD}?wait=0.05", json={"a": 1})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert ask(app, "GET", answer.headers["Location"]).json()["state"] == "PENDING"


def test_all_who_leave_together_take_a_few_round_trips(
    app: FastAPI, client: Client, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiters = client.submit(callee_of(client, works.add), [{"a": 1}] * 150, OPTIONS, many=True)
    redis.script_flush()
    redis.script_load(script("withdraw").text)  # so that it comes first where all are sent at once
    parted: list[int] = []
    part = Desk.part

    def counted(desk: Desk, waiters: Sequence[WorkWaiter]) -> dict[str, WorkStatus]:
        parted.append(len(waiters))
        return part(desk, waiters)

    monkeypatch.setattr(Desk, "part", counted)

    async def leave() -> list[WorkStatus | None]:
        return await asyncio.gather(*map(app.state.routes.leaving.leave, waiters))

    found = asyncio.run(leave())
    assert {(status.state, status.callers) for status in found if status is not None} == {(State.PENDING, 1)}
    assert (sum(parted), len(parted)) == (150, 2)
    assert not any(is_attached(waiter.interest) for waiter in waiters)


def test_all_who_leave_are_told_at_once_that_the_ledger_is_away(
    app: FastAPI, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiters = client.submit(callee_of(client, works.add), [{"a": 1}] * 150, OPTIONS, many=True)
    asked: list[int] = []
    monkeypatch.setattr(Desk, "part", lambda *_: away(asked.append(1)))

    async def leave() -> list[object]:
        return await asyncio.gather(*map(app.state.routes.leaving.leave, waiters), return_exceptions=True)

    assert {type(error) for error in asyncio.run(leave())} == {LedgerUnavailable}
    assert asked == [1]
    assert all(is_attached(waiter.interest) for waiter in waiters)


def test_a_work_type_that_was_tampered_with_does_not_hide_the_others(
    settings: Settings, ledger: Ledger, client: Client, app: FastAPI
) -> None:
    ledger.publish_types({f"{works.__name__}.forged": "{}"})
    configure(settings.model_copy(update={"signing_key": (SecretStr("0123456789abcdef"),)}))
    answer = ask(app, "GET", "/v1/types")
    names = [each["name"] for each in answer.json().get("types", ())]
    assert (answer.status_code, f"{works.__name__}.add" in names) == (200, True)
    assert f"{works.__name__}.forged" not in names
