"""The ledger is away while a work runs: its result is not lost, and nothing starts that might run elsewhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from askfirst import submit_work
from askfirst.config import Settings
from askfirst.waiters import configure
from tests.support import works
from tests.support.eventually import eventually
from tests.support.fleet import Fleet, Worker, lines
from tests.support.servers import RedisServer


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis that this test may freeze and kill."""
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture
def own_fleet(own_redis: RedisServer, tmp_path: Path, pool: str) -> Iterator[Fleet]:
    """A worker on that Redis, and this process as its caller."""
    settings = Settings(redis_url=own_redis.url(), namespace="own", connect_timeout=0.5, retention=60.0)
    worker = Worker(settings, tmp_path, pool=pool, concurrency=2)
    fleet = Fleet(settings, own_redis.client(), worker, slots=2)
    configure(settings)
    yield fleet
    configure(settings)
    fleet.close()
    worker.close()


@pytest.mark.parametrize("pool", ["prefork"])
def test_a_result_made_during_an_outage_arrives_after_it(
    own_fleet: Fleet, own_redis: RedisServer, tmp_path: Path
) -> None:
    proof = tmp_path / "proof"
    waiter = submit_work(works.sleep_deaf, proof=proof, seconds=1.0, timeout=30)
    eventually(lambda: lines(proof), what="it runs")
    own_redis.kill()
    eventually(lambda: lines(proof) == ["began", "ended"], what="it ends")
    own_redis.start()
    assert waiter.result(timeout=15) == "slept"
    assert lines(proof) == ["began", "ended"]
    assert submit_work(works.add, a=1, timeout=20).result() == 2


@pytest.mark.parametrize("pool", ["threads"])
def test_a_freeze_is_survived(own_fleet: Fleet, own_redis: RedisServer, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    waiter = submit_work(works.linger, proof=proof, seconds=2.0, timeout=30)
    eventually(lambda: lines(proof), what="it runs")
    own_redis.pause()
    eventually(lambda: lines(proof)[-1] == "ended", what="it ends")
    own_redis.resume()
    assert waiter.result(timeout=15) == "slept"
    assert len(lines(proof)) == 2
    assert submit_work(works.add, a=1, timeout=20).result() == 2
