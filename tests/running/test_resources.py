"""What a run was given is given back once, on every way out: "done when" 10."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from askfirst import WorkWaiter, cancel, submit_work
from askfirst.waiters.client import Client
from tests.support import running
from tests.support.fleet import Worker
from tests.support.running import USES, Log

HELD = {"sync": ("pool", "session"), "interrupt": ("pool", "session"), "async": ("client", "session")}


@pytest.fixture
def opened(tmp_path: Path) -> Log:
    """What the resources say of themselves."""
    return Log(tmp_path / "resources")


@pytest.fixture
def worker(
    client: Client, start_traced: Callable[..., Worker], opened: Log, monkeypatch: pytest.MonkeyPatch, pool: str
) -> Worker:
    monkeypatch.setenv("RESOURCE_LOG", str(opened.path))
    return start_traced(pool=pool, concurrency=2, changed={"drain": 0.5, "grace": 2.0})


def _answered(waiter: WorkWaiter, worker: Worker) -> None:
    waiter.exception()


WAYS_OUT: dict[str, Callable[[WorkWaiter, Worker], object]] = {
    "success": _answered,
    "error": _answered,
    "exit": _answered,
    "withdrawn": lambda waiter, worker: waiter.cancel(),
    "cancelled": lambda waiter, worker: cancel(waiter.id),
    "deadline": _answered,
    "shutdown": lambda waiter, worker: worker.process.terminate(),
}


@pytest.mark.parametrize(
    ("pool", "kind"),
    [
        pytest.param(pool, kind, marks=() if (pool, kind) == ("prefork", "sync") else pytest.mark.slow)
        for pool in ("prefork", "threads")
        for kind in USES
    ],
    indirect=["pool"],
)
def test_on_each_way_out_everything_is_closed_once(worker: Worker, opened: Log, tmp_path: Path, kind: str) -> None:
    """Success, error, lost interest, an operator's cancel, the deadline, shutdown: all on one worker, in a row."""
    work = USES[kind]
    for number, (way, finish) in enumerate(WAYS_OUT.items()):
        log = Log(tmp_path / f"runs {way}")
        wish = 1.0 if way == "deadline" else 30.0
        does = way if way in ("success", "error", "exit") else "wait"
        waiter = submit_work(work, log=log.path, way=does, timeout=wish)
        log.wait_for("began")
        finish(waiter, worker)
        opened.wait_for("closed", (number + 1) * len(HELD[kind]), within=5)
        counts = Counter((line["event"], line["resource"]) for line in opened.lines())
        assert set(counts.values()) == {number + 1}, way
        last = [line["resource"] for line in opened.lines()][-2 * len(HELD[kind]) :]
        assert last == last[::-1], f"{way}: the last opened is closed first"
    assert worker.process.wait(10) == 0


@pytest.mark.slow
def test_one_for_the_process_is_opened_once_and_closed_when_it_ends(worker: Worker, opened: Log, log: Log) -> None:
    pids = {submit_work(running.use_process, log=log.path).result() for _ in range(8)}
    assert len(opened.events("opened")) == len(pids)
    assert opened.events("closed") == []
    assert worker.stop() == 0
    assert {line["pid"] for line in opened.events("closed")} == pids
    assert len(opened.events("closed")) == len(pids)


@pytest.mark.slow
def test_one_for_the_process_survives_works_that_fail_or_are_cancelled(worker: Worker, opened: Log, log: Log) -> None:
    pids = {submit_work(running.use_process, log=log.path).result() for _ in range(4)}
    waiter = submit_work(running.trace, log=log.path)
    log.wait_for("began", 5)
    waiter.cancel()
    pids |= {submit_work(running.use_process, log=log.path).result() for _ in range(4)}
    assert len(opened.events("opened")) == len(pids)
    assert os.getpid() not in pids
