"""A worker of each pool type that knows the works of tests.support.running, and a log of their runs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from askfirst.config import Settings
from askfirst.waiters import configure
from tests.conftest import WORKERS
from tests.support.fleet import Fleet, Worker
from tests.support.leaks import lasting_children
from tests.support.running import Log
from tests.support.servers import RedisServer

IMPORTS = ("tests.support.works", "tests.support.running")
_SLOTS = 6
_FIRST_DATABASE = 5  # after those of the other rooms' shared workers

WorkerOf = Callable[[str], tuple[Settings, Worker]]


@pytest.fixture(scope="session")
def running_workers(redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerOf]:
    """Started at their first use, for the tests that leave them as they were."""
    started: dict[str, tuple[Settings, Worker]] = {}

    def worker_of(pool: str) -> tuple[Settings, Worker]:
        if pool not in started:
            url = redis_server.url(_FIRST_DATABASE + len(started))
            settings = Settings(redis_url=url, namespace=pool, retention=60.0, connect_timeout=1.0)
            folder = tmp_path_factory.mktemp(f"running-{pool}")
            worker = Worker(settings, folder, name=f"running-{pool}", pool=pool, concurrency=_SLOTS, imports=IMPORTS)
            lasting_children.add(worker.pid)
            started[pool] = settings, worker
        return started[pool]

    yield worker_of
    for _, worker in started.values():
        worker.process.terminate()
    for _, worker in started.values():
        worker.close()


@pytest.fixture(params=["prefork", "threads"])
def pool(request: pytest.FixtureRequest) -> str:
    """The suite is one, the pools are two."""
    return str(request.param)


@pytest.fixture
def fleet(
    request: pytest.FixtureRequest, redis_server: RedisServer, running_workers: WorkerOf, pool: str
) -> Iterator[Fleet]:
    """A shared worker with six slots, and this process as its caller."""
    settings, worker = running_workers(pool)
    request.node.stash[WORKERS] = [worker]
    database = int(str(settings.redis_url).rpartition("/")[2])
    fleet = Fleet(settings, redis_server.client(database), worker, slots=_SLOTS)
    configure(settings)
    yield fleet
    configure(settings)  # closes the client
    fleet.close()


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "runs")


@pytest.fixture
def start_traced(start_worker: Callable[..., Worker]) -> Callable[..., Worker]:
    """Starts a worker of the test's own that knows the works of tests.support.running."""

    def start(name: str = "w1", **how: object) -> Worker:
        return start_worker(name, **({"imports": IMPORTS, "lanes": ("default",)} | how))

    return start
