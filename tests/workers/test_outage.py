"""The ledger is away while a work runs: its result is not lost, and nothing starts that might run elsewhere."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from askfirst import submit_work
from askfirst.config import Settings
from askfirst.interest import keys
from askfirst.interest.ledger import Ledger, Policy
from askfirst.interest.line import Line
from askfirst.waiters import configure
from askfirst.workers.runtime import Runtime
from tests.support import works
from tests.support.eventually import eventually, stays
from tests.support.fleet import Fleet, Worker, lines
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer, free_port


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
    with calling(settings):
        yield fleet
    fleet.close()
    worker.close()


@contextmanager
def calling(settings: Settings) -> Iterator[None]:
    """This process is a caller of that fleet."""
    configure(settings)
    yield
    configure(settings)  # closes what the first has opened


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
    assert "DUMP" not in own_fleet.worker.log()  # kombu's, to a file in /tmp, of the messages that it cannot put back


@pytest.mark.slow  # kombu looks every five seconds whether its consumer's connection lives
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_whose_connections_died_without_a_word_works_on(
    own_redis: RedisServer, tmp_path: Path, pool: str
) -> None:
    settings = Settings(redis_url=own_redis.url(), namespace="own", connect_timeout=0.5, retention=60.0)
    ledger = Ledger(Line(own_redis.url(), 2.0), "own", Policy())
    with closing(ledger.line), calling(settings), Proxy(own_redis.port) as road:
        behind = settings.model_copy(update={"redis_url": own_redis.url(port=road.port)})
        with closing(Worker(behind, tmp_path, pool=pool, concurrency=2)) as worker:
            worker.wait_until_heard(ledger)
            assert submit_work(works.add, a=1).result(10) == 2
            road.swallow()
            assert submit_work(works.add, a=1).result(25) == 2
            assert worker.stop() == 0


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


@pytest.mark.parametrize("pool", ["threads"])
def test_a_redis_that_lost_all_learns_at_once_what_there_is(own_fleet: Fleet, own_redis: RedisServer) -> None:
    """Until it does there are no limits, and no work types for those who ask by name."""
    types = keys.types("own")
    assert own_redis.client().exists(types)
    own_redis.kill()
    for log in own_redis.folder.rglob("appendonly*aof*"):
        log.unlink()
    own_redis.start()
    eventually(lambda: own_redis.client().exists(types), within=4, what="the work types are published")


def _demote(redis: Any) -> Callable[[], object]:
    """As after a failover, where clients go on to talk to the old primary."""
    redis.replicaof("127.0.0.1", free_port())
    return lambda: redis.replicaof("NO", "ONE")


def _fill(redis: Any) -> Callable[[], object]:
    redis.config_set("maxmemory", 1)
    return lambda: redis.config_set("maxmemory", 0)


def _be_busy(redis: Any) -> Callable[[], object]:
    """A script of somebody else's runs for a second and a half."""
    redis.config_set("lua-time-limit", 10)
    script = "local t = redis.call('TIME')[1] while redis.call('TIME')[1] - t < 2 do end return 1"
    thread = threading.Thread(target=redis.eval, args=(script, 0))
    thread.start()
    return thread.join


@pytest.mark.parametrize("pool", ["threads"])
@pytest.mark.parametrize("refuse", [_demote, _fill, _be_busy])
def test_a_worker_outlives_a_redis_that_refuses(
    own_fleet: Fleet, own_redis: RedisServer, tmp_path: Path, refuse: Callable[[Any], Callable[[], object]]
) -> None:
    """Celery recovers from lost connections by itself, but took an error of the server's for the end."""
    proof = tmp_path / "proof"
    waiter = submit_work(works.sleep_deaf, proof=proof, seconds=0.5, timeout=30)
    # One that is asked about, and goes back to its queue, while Redis refuses.
    submit_work(works.add, a=1, detached=True, timeout=30)
    eventually(lambda: lines(proof), what="it runs")
    accept = refuse(own_redis.client())
    eventually(lambda: lines(proof) == ["began", "ended"], what="it ends")
    stays(lambda: own_fleet.worker.process.poll() is None, during=1.0, what="the worker lives")
    accept()
    assert waiter.result(timeout=15) == "slept"
    assert submit_work(works.add, a=1, timeout=20).result() == 2
    assert own_fleet.worker.process.poll() is None


def test_a_worker_that_starts_before_its_redis_waits_for_it() -> None:
    """Between the command's own question and this step of the worker the ledger may go away."""
    settings = Settings(redis_url=f"redis://127.0.0.1:{free_port()}/0", connect_timeout=0.5)
    Runtime(settings, None, own=True).start("w1@here", ["askfirst.default"])
