"""What all tests share: a real Redis, a ledger in it, workers, and a look behind everybody who leaves."""

import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # `pytest` alone, unlike `python -m pytest`, doesn't find tests.support

from askfirst.config import Settings  # noqa: E402  # the path comes first
from askfirst.interest.ledger import Ledger, Policy  # noqa: E402
from askfirst.interest.line import Line  # noqa: E402
from askfirst.waiters.client import Client, configure, default_client  # noqa: E402
from tests.support.callers import Caller  # noqa: E402
from tests.support.lanes import Lane  # noqa: E402
from tests.support.leaks import Leaks  # noqa: E402
from tests.support.servers import RedisServer  # noqa: E402


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
