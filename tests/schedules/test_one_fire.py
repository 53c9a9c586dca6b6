"""Exactly one run of each instant, with real schedulers that die, stall and come back, and a real worker."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from askfirst.config import Settings
from askfirst.interest.ledger import Ledger, Policy
from askfirst.interest.line import Line
from askfirst.schedules import Every, Schedule, Status
from askfirst.schedules.entries import as_moment
from askfirst.schedules.managing import Manager
from askfirst.waiters.client import Client, configure, default_client
from tests.support.eventually import eventually
from tests.support.fleet import Worker
from tests.support.running import Log
from tests.support.scheduled import note
from tests.support.schedulers import SchedulerProcess
from tests.support.servers import RedisServer

START = Callable[..., SchedulerProcess]
LATE = 2.0  # seconds

#: Does one thing of a scheduler's own once, then what it is told to do to itself.
SCRIPT = """
import os, signal, sys, threading
from askfirst.schedules import scheduler
from askfirst.waiters.client import default_client

def strike(*_, **__):
    print("struck", flush=True)
    os.kill(os.getpid(), getattr(signal, sys.argv[2]))

one = scheduler.Scheduler(default_client())
place = {"before": (default_client().ledger, "submit_each"), "after": (one.store, "published")}[sys.argv[1]]
plainly = getattr(*place)

def struck(*arguments):
    setattr(*place, plainly)
    if arguments[0]:
        strike()
    return plainly(*arguments)

setattr(*place, struck)
print("ready", flush=True)
one.run(threading.Event())
"""


@pytest.fixture
def start(settings: Settings, tmp_path: Path) -> Iterator[START]:
    started: list[SchedulerProcess] = []

    def begin(*command: str, changed: Settings | None = None) -> SchedulerProcess:
        started.append(SchedulerProcess(changed or settings, tmp_path, f"scheduler{len(started)}", command))
        return started[-1]

    yield begin
    for each in started:
        each.close()


@pytest.fixture
def manager(client: Client) -> Iterator[Manager]:
    manager = Manager(client)
    yield manager
    for status in manager.page(tag=None, prefix="", after="", limit=100):
        manager.delete(status.id, "test")


@pytest.fixture
def worker(start_worker: Callable[..., Worker]) -> Worker:
    return start_worker(imports=("tests.support.scheduled",), lanes=("default",), concurrency=2)


def every_second(log: Log, **fields: Any) -> Schedule:
    given: dict[str, Any] = {"overlap": "allow_all", "misfire": "all"} | fields
    return Schedule(id="s", work=note, payload={"log": str(log.path)}, triggers=Every(1), **given)


def ran(log: Log) -> list[datetime]:
    return [datetime.fromisoformat(line["nominal"]) for line in log.events("began")]


@pytest.mark.parametrize("seconds", [20, pytest.param(600, marks=pytest.mark.slow)])
def test_four_schedulers_killed_and_started_again_at_random(
    manager: Manager, start: START, worker: Worker, tmp_path: Path, seconds: int
) -> None:
    log = Log(tmp_path / "runs")
    schedulers = [start() for _ in range(4)]
    for each in schedulers:
        each.wait_until_ready()
    manager.put(every_second(log))
    dice = random.Random(6)
    began_at = manager.store.now()
    over_at = time.monotonic() + seconds
    kills = 0
    while time.monotonic() < over_at:
        time.sleep(dice.uniform(0.1, 1.5))
        alive = [each for each in schedulers if each.process.poll() is None]
        # One that still starts, for a second and more, does not live yet.
        living = [each for each in alive if each.is_ready()]
        if len(living) > 1:
            spared = dice.choice(living)
            dice.choice([each for each in alive if each is not spared]).kill()
            kills += 1
        if len(alive) <= 4:
            schedulers.append(start())
    for each in schedulers:
        if each.process.poll() is None:
            each.wait_until_ready()
    ended_at = manager.store.now()
    eventually(lambda: ran(log) and max(ran(log)) >= as_moment(ended_at), within=10, what="the last second runs")
    manager.pause("s", "over", "test")
    runs = Counter(ran(log))
    first = as_moment(began_at - began_at % 1000 + 1000)
    expected = [first + timedelta(seconds=n) for n in range(int((as_moment(ended_at) - first).total_seconds()) + 1)]
    assert kills >= seconds // 4
    assert [instant for instant in expected if runs[instant] != 1] == []
    assert [instant for instant, count in runs.items() if count != 1] == []
    found = manager.history("s", since=first, until=as_moment(ended_at), status=None, limit=10_000)
    assert {entry.status for entry in found} == {Status.FIRED}
    late = [entry for entry in found if (entry.decided_at - entry.nominal_time).total_seconds() > LATE]
    assert late == []
    claims = manager.store.history("s", began_at, ended_at, 0, 10_000)
    assert [entry for entry in claims if entry.published_at - entry.nominal > (LATE + 3) * 1000] == []


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_scheduler_that_dies_before_or_after_it_publishes_is_completed_within_five_seconds(
    manager: Manager, start: START, worker: Worker, tmp_path: Path, place: str
) -> None:
    log = Log(tmp_path / "runs")
    dying = start("-c", SCRIPT, place, "SIGKILL").wait_until_ready()
    manager.put(every_second(log))
    dying.process.wait(10)
    peer = start().wait_until_ready()
    ready_at = manager.store.now()
    oldest = manager.store.history("s", None, None, 0, 100)[-1]
    eventually(lambda: as_moment(oldest.nominal) in ran(log), within=5, what="the peer has it run")
    entry = manager.store.entries("s", [oldest.instant])[0]
    assert entry.published_at - max(oldest.claimed_at, ready_at) <= 5000
    eventually(lambda: len(ran(log)) >= 4, what="it goes on")
    assert max(Counter(ran(log)).values()) == 1
    assert peer.process.poll() is None


@pytest.mark.parametrize("place", ["before", "after"])
def test_a_scheduler_that_stalls_and_wakes_when_a_peer_has_completed_its_claim_doubles_nothing(
    manager: Manager, start: START, worker: Worker, tmp_path: Path, place: str
) -> None:
    log = Log(tmp_path / "runs")
    stalling = start("-c", SCRIPT, place, "SIGSTOP").wait_until_ready()
    start().wait_until_ready()
    manager.put(every_second(log))
    eventually(lambda: "struck" in stalling.log(), what="it stalls")
    eventually(lambda: len(ran(log)) >= 5, what="the peer goes on")
    stalling.resume()
    begun = len(ran(log))
    eventually(lambda: len(ran(log)) >= begun + 2, what="both go on")
    runs = sorted(Counter(ran(log)).items())
    assert {count for _, count in runs} == {1}
    instants = [instant for instant, _ in runs]
    assert instants == [instants[0] + timedelta(seconds=n) for n in range(len(instants))]


def test_redis_restarts_and_no_instant_is_doubled_or_lost(tmp_path: Path) -> None:
    """Schedulers and worker go on by themselves; what Redis had not written yet is fired again as the same work."""
    server = RedisServer(appendfsync="always")
    settings = Settings(redis_url=server.url(), namespace="restarts", retention=60.0, connect_timeout=1.0)
    started: list[Any] = []
    configure(settings)
    try:
        ledger = Ledger(Line(server.url(), 2.0), settings.namespace, Policy())
        started.append(Worker(settings, tmp_path, imports=("tests.support.scheduled",), lanes=("default",)))
        started[0].wait_until_heard(ledger)
        started += [SchedulerProcess(settings, tmp_path, f"s{n}").wait_until_ready() for n in range(2)]
        log = Log(tmp_path / "runs")
        manager = Manager(default_client())
        manager.put(every_second(log))
        eventually(lambda: len(ran(log)) >= 3, what="it fires")
        begun = len(ran(log))
        server.kill()
        time.sleep(1.2)  # a second's instant passes by
        server.start()
        eventually(lambda: len(ran(log)) >= begun + 3, within=20, what="it goes on")
        runs = sorted(Counter(ran(log)).items())
        assert {count for _, count in runs} == {1}
        instants = [instant for instant, _ in runs]
        assert instants == [instants[0] + timedelta(seconds=n) for n in range(len(instants))]
    finally:
        for each in reversed(started):
            each.close()
        configure(settings)
        server.close()
        ledger.line.close()


def test_a_scheduler_ends_when_it_is_told_to(start: START) -> None:
    scheduler = start().wait_until_ready()
    assert scheduler.stop() == 0


def test_celerys_beat_is_a_scheduler_too(
    manager: Manager, start: START, worker: Worker, tmp_path: Path, settings: Settings
) -> None:
    log = Log(tmp_path / "runs")
    (tmp_path / "proj.py").write_text("from askfirst import create_app\napp = create_app()\n")
    command = ("-m", "celery", "-A", "proj", "beat", "-S", "askfirst.schedules:LedgerScheduler")
    beats = [start(*command, "--pidfile", "", "--loglevel", "info") for _ in range(2)]
    for beat in beats:
        beat.wait_until_ready("beat: Starting...")
    manager.put(every_second(log))
    eventually(lambda: len(ran(log)) >= 4, what="it fires")
    assert max(Counter(ran(log)).values()) == 1
    assert [each.stop() for each in beats] == [0, 0]


def test_what_waits_in_the_queue_of_a_paused_schedule_never_runs(
    manager: Manager, start: START, start_worker: Callable[..., Worker], tmp_path: Path
) -> None:
    log = Log(tmp_path / "runs")
    start().wait_until_ready()
    manager.put(every_second(log))
    eventually(
        lambda: len(manager.history("s", since=None, until=None, status=Status.FIRED, limit=9)) >= 2, what="it queues"
    )
    manager.pause("s", "why", "me")
    start_worker(imports=("tests.support.scheduled",), lanes=("default",))
    manager.resume("s")
    resumed_at = as_moment(manager.store.now())
    eventually(lambda: ran(log), what="it fires again")
    assert min(ran(log)) >= resumed_at - timedelta(milliseconds=1)
