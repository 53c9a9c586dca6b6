"""The caller gets its answer by the deadline, within 50 ms, whatever is down."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from askfirst import WorkTimeout, submit_many, submit_work
from askfirst.config import Settings
from askfirst.waiters import configure
from askfirst.waiters.client import Client
from tests.support import works
from tests.support.callers import Caller
from tests.support.servers import RedisServer

TIMEOUT = 0.6
ALLOWED = 0.05


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis that this test may freeze and kill."""
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture
def own_client(own_redis: RedisServer) -> Iterator[None]:
    """This process as a caller of that Redis."""
    settings = Settings(redis_url=own_redis.url(), namespace="own", connect_timeout=0.5)
    configure(settings)
    yield
    configure(settings)


def lateness_of_one_work() -> float:
    """By how many seconds a waiter misses its deadline; submitted before, waited for now."""
    waiter = submit_work(works.add, a=1, timeout=TIMEOUT)
    deadline_at = time.monotonic() + waiter.remaining()
    with pytest.raises(WorkTimeout):
        waiter.result()
    return time.monotonic() - deadline_at


def test_with_no_worker_at_all(client: Client) -> None:
    assert -0.001 < lateness_of_one_work() < ALLOWED


@pytest.mark.parametrize("outage", ["pause", "kill"])
def test_with_a_redis_that_froze_or_died(own_redis: RedisServer, own_client: None, outage: str) -> None:
    submit_work(works.add, a=0, timeout=60)  # connected, and used to it
    waiter = submit_work(works.add, a=1, timeout=TIMEOUT)
    deadline_at = time.monotonic() + waiter.remaining()
    getattr(own_redis, outage)()
    try:
        with pytest.raises(WorkTimeout):
            waiter.result()
        assert -0.001 < time.monotonic() - deadline_at < ALLOWED
    finally:
        own_redis.resume() if outage == "pause" else own_redis.start()


def test_while_the_mailbox_cannot_even_connect(own_redis: RedisServer, own_client: None) -> None:
    waiter = submit_work(works.add, a=1, timeout=TIMEOUT)
    deadline_at = time.monotonic() + waiter.remaining()
    own_redis.pause()
    try:
        with pytest.raises(WorkTimeout):
            waiter.result()
        assert time.monotonic() - deadline_at < ALLOWED
    finally:
        own_redis.resume()


def test_nobody_looks_and_the_callback_comes_in_time(client: Client) -> None:
    ended: list[float] = []
    waiter = submit_work(works.add, a=1, timeout=TIMEOUT)
    deadline_at = time.monotonic() + waiter.remaining()
    waiter.add_done_callback(lambda _: ended.append(time.monotonic()))
    while not ended and time.monotonic() < deadline_at + 2:
        time.sleep(0.01)
    assert -0.001 < ended[0] - deadline_at < ALLOWED


def test_short_deadlines_between_long_ones(client: Client) -> None:
    submit_many(works.add, [{"a": n} for n in range(500)], timeout=60)
    assert lateness_of_one_work() < ALLOWED
    assert lateness_of_one_work() < ALLOWED


TEN_THOUSAND = """
import gc, json, resource, statistics

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()

submit_work(works.add, a=0, timeout=60).cancel()  # everything is loaded and connected
gc.collect()
before = resident()
waiters = submit_many(works.add, [{"a": n} for n in range(10_000)], timeout=60)
gc.collect()
taken = resident() - before

import redis
server = redis.Redis.from_url(os.environ["ASKFIRST_REDIS_URL"])
from askfirst.waiters.client import default_client
names = [client for client in server.client_list() if client["name"] == "askfirst"]

lateness = []
for timeout in (0.3, 0.5):
    waiter = submit_work(works.add, a=1, timeout=timeout)
    deadline_at = time.monotonic() + waiter.remaining()
    waiter.exception()
    lateness.append(time.monotonic() - deadline_at)

due = submit_many(works.add, [{"a": n} for n in range(100)], timeout=1)
ended = []
for waiter in due:
    waiter.add_done_callback(lambda waiter: ended.append(time.monotonic() - waiter.deadline_at))
while len(ended) < 100:
    time.sleep(0.01)
say(json.dumps({"bytes": taken, "connections": len(names), "lateness": lateness, "batch": max(ended)}))
for waiter in waiters:
    assert not waiter.done()
os._exit(0)  # their withdrawals are another test's
"""


@pytest.fixture
def ten_thousand(own_redis: RedisServer, caller: Callable[..., Caller]) -> dict[str, Any]:
    """What a process with 10,000 waiters says of itself."""
    process = caller(TEN_THOUSAND, redis_url=own_redis.url())
    said: dict[str, Any] = json.loads(process.line(within=40))
    process.wait()
    return said


def test_ten_thousand_waiters_cost_little_and_miss_no_deadline(ten_thousand: dict[str, Any]) -> None:
    print(ten_thousand)
    assert ten_thousand["bytes"] < 60e6
    assert ten_thousand["connections"] == 2
    assert max(ten_thousand["lateness"]) < ALLOWED
    assert ten_thousand["batch"] < ALLOWED
