"""One worker and one gateway for the whole session, in a database of their own, and their clients."""

from collections.abc import Iterator

import httpx
import pytest

from askfirst.config import Settings
from askfirst.waiters import configure
from tests.conftest import WORKERS
from tests.gateway.served import Served
from tests.support.fleet import Fleet, Worker
from tests.support.leaks import lasting_children
from tests.support.servers import RedisServer

_DATABASE = 9  # after those of the other rooms' shared workers


@pytest.fixture(scope="session")
def parts(
    redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Settings, Worker, Served]]:
    """Started at their first use, for the tests that leave them as they were."""
    url = redis_server.url(_DATABASE)
    settings = Settings(redis_url=url, namespace="web", retention=60.0, connect_timeout=1.0, prefetch=0)
    folder = tmp_path_factory.mktemp("gateway")
    worker = Worker(settings, folder, name="web", pool="prefork")
    served = Served(settings, folder, "tests.support.works.*")
    lasting_children.update((worker.pid, served.process.pid))
    fleet = Fleet(settings, redis_server.client(_DATABASE), worker, slots=2)  # waits until it is there
    fleet.close()
    yield settings, worker, served
    served.close()
    worker.close()


@pytest.fixture
def served(parts: tuple[Settings, Worker, Served]) -> Served:
    return parts[2]


@pytest.fixture
def fleet(
    request: pytest.FixtureRequest, redis_server: RedisServer, parts: tuple[Settings, Worker, Served]
) -> Iterator[Fleet]:
    """The worker with its two slots, and this process as another caller."""
    settings, worker, _ = parts
    request.node.stash[WORKERS] = [worker]
    fleet = Fleet(settings, redis_server.client(_DATABASE), worker, slots=2)
    configure(settings)
    yield fleet
    configure(settings)  # closes the client
    fleet.close()


@pytest.fixture
def web(served: Served) -> Iterator[httpx.Client]:
    """Alice."""
    with served.client() as client:
        yield client


@pytest.fixture
def bob(served: Served) -> Iterator[httpx.Client]:
    with served.client("bob") as client:
        yield client
