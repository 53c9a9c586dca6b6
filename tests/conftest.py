"""What all tests share: a real Redis, a ledger in it, workers, and a look behind everybody who leaves."""

import signal
import sys
import threading
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # `pytest` alone, unlike `python -m pytest`, doesn't find tests.support

# ruff: noqa: E402  # the path comes before what is found on it
from askfirst.config import Settings
from askfirst.interest.ledger import Ledger, Policy
from askfirst.interest.line import Line
from askfirst.waiters.client import Client, configure, default_client
from tests.support.callers import Caller
from tests.support.fleet import Fleet, Worker
from tests.support.lanes import Lane
from tests.support.leaks import Leaks, lasting_children
from tests.support.servers import RedisServer

# Started in the background by a shell this process ignores Ctrl-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes is for bench/ to say: beside other tests it takes longer.
hypothesis_settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("untimed")

WORKERS = pytest.StashKey[list[Worker]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows with a failure what the workers logged."""
    report = yield
    if report.failed:
        for worker in item.stash.get(WORKERS, []):
            report.sections.append((f"Log of worker {worker.name}", worker.log()[-6000:]))
    return report


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """The Redis of the whole session. Tests that freeze or kill one start their own."""
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that leaves keys without a TTL, threads or processes behind."""
    if not {"redis_server", "own_redis"} & set(request.fixturenames):
        yield  # it has nothing of ours to leave
        return
    server = request.getfixturevalue("redis_server")
    leaks = Leaks(server)
    yield
    leaks.check()


@pytest.fixture
def redis(redis_server: RedisServer) -> Any:
    """A plain client of an empty database of the session's Redis, for looking and tampering."""
    client = redis_server.client()
    client.flushdb()
    return client


@pytest.fixture
def namespace() -> str:
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def ledger(redis_server: RedisServer, redis: Any, namespace: str) -> Iterator[Ledger]:
    """A ledger in a namespace of its own, in an empty database."""
    ledger = Ledger(Line(redis_server.url(), connect_timeout=2.0), namespace, Policy())
    yield ledger
    ledger.line.close()


@pytest.fixture
def lane(ledger: Ledger, redis: Any) -> Lane:
    """The lane "default" of the ledger, with its clock in the test's hand."""
    return Lane(ledger, redis)


@pytest.fixture
def settings(redis_server: RedisServer, redis: Any, namespace: str) -> Settings:
    """What callers and workers of this test go by."""
    return Settings(redis_url=redis_server.url(), namespace=namespace, retention=60.0, connect_timeout=1.0)


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    """This process as a caller: what `submit_work` and its kin use."""
    configure(settings)
    yield default_client()
    configure(settings)  # closes it


@pytest.fixture
def caller(settings: Settings, tmp_path: Path) -> Iterator[Callable[..., Caller]]:
    """Starts other processes as callers, with scripts of their own."""
    started: list[Caller] = []

    def start(script: str, *arguments: object, **changed: Any) -> Caller:
        folder = tmp_path / f"caller{len(started)}"
        folder.mkdir()
        started.append(Caller(script, settings.model_copy(update=changed), folder, arguments))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def start_worker(
    settings: Settings, ledger: Ledger, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Worker]]:
    """Starts workers of the test's own and waits until they beat; they are stopped when it is over."""
    workers = request.node.stash.setdefault(WORKERS, [])

    def start(name: str = "w1", *, heard: bool = True, changed: dict[str, Any] | None = None, **how: Any) -> Worker:
        worker = Worker(settings.model_copy(update=changed or {}), tmp_path, name=name, **how)
        workers.append(worker)
        if heard:
            worker.wait_until_heard(ledger)
        return worker

    yield start
    for worker in workers:
        worker.close()


@pytest.fixture(scope="session")
def shared_workers(
    redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], tuple[Settings, Worker]]]:
    """A worker of each pool type for the tests that harm none, in a database of its own, from its first use on."""
    started: dict[str, tuple[Settings, Worker]] = {}

    def worker_of(pool: str) -> tuple[Settings, Worker]:
        if pool not in started:
            url = redis_server.url(1 + len(started))
            # Nothing is taken ahead: the tests find in the queue what they put there while all slots are taken.
            settings = Settings(
                redis_url=url, namespace=pool, retention=60.0, connect_timeout=1.0, max_deliveries=2, prefetch=0
            )
            worker = Worker(settings, tmp_path_factory.mktemp(pool), name=f"shared-{pool}", pool=pool)
            lasting_children.add(worker.pid)
            started[pool] = settings, worker
        return started[pool]

    yield worker_of
    for _, worker in started.values():
        worker.process.terminate()  # all of them first: each takes a second or two
    for _, worker in started.values():
        assert worker.stop() == 0
        worker.close()


@pytest.fixture(params=["prefork", "threads"])
def fleet(
    request: pytest.FixtureRequest,
    redis_server: RedisServer,
    shared_workers: Callable[[str], tuple[Settings, Worker]],
) -> Iterator[Fleet]:
    """A shared worker with two slots, once of each pool type, and this process as its caller."""
    settings, worker = shared_workers(request.param)
    request.node.stash[WORKERS] = [worker]
    database = int(str(settings.redis_url).rpartition("/")[2])
    fleet = Fleet(settings, redis_server.client(database), worker, slots=2)
    configure(settings)
    yield fleet
    configure(settings)  # closes the client
    fleet.close()


@pytest.fixture
def thread() -> Iterator[Callable[[Callable[[], object]], threading.Thread]]:
    """Starts functions in threads of their own, and waits for them when the test is over."""
    started: list[threading.Thread] = []

    def start(function: Callable[[], object]) -> threading.Thread:
        started.append(threading.Thread(target=function))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.join(20)
        assert not each.is_alive(), "a thread of the test hangs"
