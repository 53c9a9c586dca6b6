"""A limit holds whoever dies: many processes claim, and are killed in between."""

import contextlib
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from askfirst.interest.limits import Declaration, Limit, declare
from askfirst.interest.states import State
from tests.support.claimer import LEASE
from tests.support.eventually import eventually
from tests.support.lanes import Lane
from tests.support.servers import RedisServer

LIMIT = 5
PROCESSES = 8
ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(lane: Lane, redis_server: RedisServer, tmp_path: Path) -> Iterator[Callable[[], "subprocess.Popen[str]"]]:
    """Starts claimers; what they complain about is in the folder."""
    started: list[subprocess.Popen[str]] = []

    def start_one() -> "subprocess.Popen[str]":
        name = f"claimer{len(started)}"
        command = [sys.executable, "-m", "tests.support.claimer", redis_server.url(), lane.ledger.namespace, name]
        with (tmp_path / name).open("w") as output:
            process = subprocess.Popen([*command, str(LIMIT)], stdout=output, stderr=output, cwd=ROOT, text=True)
        started.append(process)
        return process

    yield start_one
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait(10)


@pytest.mark.parametrize("works", [600, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_limit_is_never_exceeded_and_no_permit_is_lost(
    lane: Lane, start: Callable[[], "subprocess.Popen[str]"], tmp_path: Path, works: int
) -> None:
    declare(lane.ledger, lane.name, {"t": Declaration(Limit(max_concurrent=LIMIT))}, None)
    detached = ([lane.submission(detached=True, timeout=900) for _ in range(100)] for _ in range(works // 100))
    lane.ledger.submit_many(detached, 10.0)
    claimers = [start() for _ in range(PROCESSES)]
    random.seed(4)
    kills = 0
    give_up_at = time.monotonic() + 30 + works / 300
    while (done := lane.ledger.counts(lane.name)[State.COMPLETED]) < works:
        assert time.monotonic() < give_up_at, f"only {done} of {works} works are done"
        time.sleep(0.05 if works < 10_000 else 1.0)
        if done > kills * works / 10:
            victim = random.randrange(PROCESSES)
            claimers[victim].kill()
            claimers[victim] = start()
            kills += 1
    assert kills >= 3
    assert [output.read_text() for output in sorted(tmp_path.iterdir()) if output.read_text()] == []
    eventually(lambda: lane.redis.zcard(lane.keys.permits("t")) == 0, within=2 * LEASE, what="every permit is back")
