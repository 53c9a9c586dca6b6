"""The caller gets its answer by the deadline, within 50 ms, whatever is down."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from askfirst import LedgerUnavailable, WorkTimeout, WorkWaiter, submit_many, submit_work
from askfirst.config import Settings
from askfirst.waiters import configure
from askfirst.waiters.client import Client
from tests.support import works
from tests.support.callers import Caller
from tests.support.fakes import silent
from tests.support.servers import RedisServer

TIMEOUT = 0.4
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


def lateness(wait: Callable[[WorkWaiter], object]) -> float:
    """By how many seconds waiting misses the deadline: the best of three, since a busy machine delays anybody."""
    tries = []
    for _ in range(3):
        waiter = submit_work(works.add, a=1, timeout=TIMEOUT)
        tries.append(_lateness(waiter, wait))
        if tries[-1] < ALLOWED:
            break
    assert min(tries) > -0.001, "too early"
    return min(tries)


def _lateness(waiter: WorkWaiter, wait: Callable[[WorkWaiter], object]) -> float:
    wait(waiter)
    late = time.monotonic() - waiter.deadline_at
    assert isinstance(waiter.exception(0), WorkTimeout)
    return late


def until_called_back(waiter: WorkWaiter) -> None:
    called = threading.Event()
    waiter.add_done_callback(lambda _: called.set())
    assert called.wait(5)


WAYS_TO_WAIT = [WorkWaiter.exception, until_called_back]


@pytest.mark.parametrize("wait", WAYS_TO_WAIT, ids=["exception", "callback"])
def test_with_no_worker_at_all(client: Client, wait: Callable[[WorkWaiter], object]) -> None:
    assert lateness(wait) < ALLOWED


@pytest.mark.parametrize("wait", WAYS_TO_WAIT, ids=["exception", "callback"])
@pytest.mark.parametrize("outage", ["pause", "kill"])
def test_with_a_redis_that_froze_or_died(
    own_redis: RedisServer, own_client: None, outage: str, wait: Callable[[WorkWaiter], object]
) -> None:
    submit_work(works.add, a=0, timeout=60)  # connected, and used to it
    tries: list[float] = []
    while len(tries) < 3 and min(tries, default=1) > ALLOWED:
        waiter = submit_work(works.add, a=1, timeout=TIMEOUT)
        getattr(own_redis, outage)()
        try:
            tries.append(_lateness(waiter, wait))
        finally:
            own_redis.resume() if outage == "pause" else own_redis.start()
    assert -0.001 < min(tries) < ALLOWED


@pytest.mark.parametrize("work", [works.add, "elsewhere.add"], ids=["imported", "by name"])
def test_the_first_submission_of_a_process_to_a_redis_that_is_silent(work: Any) -> None:
    with silent() as server:
        settings = Settings(redis_url=server.url, namespace="own", connect_timeout=3.0)
        configure(settings)
        try:
            started_at = time.monotonic()
            with pytest.raises(LedgerUnavailable):
                submit_work(work, a=1, timeout=TIMEOUT)
            assert time.monotonic() - started_at < TIMEOUT + 1
        finally:
            configure(settings)


def test_short_deadlines_between_long_ones(client: Client) -> None:
    submit_many(works.add, [{"a": n} for n in range(500)], timeout=60)
    assert lateness(WorkWaiter.exception) < ALLOWED
    assert lateness(until_called_back) < ALLOWED


TEN_THOUSAND = """
import gc, json, resource

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

def lateness(count):
    due = submit_many(works.add, [{"a": n} for n in range(count)], timeout=0.5)
    late = []
    for waiter in due:
        waiter.add_done_callback(lambda waiter: late.append(time.monotonic() - waiter.deadline_at))
    while len(late) < count:
        time.sleep(0.01)
    return max(late)

def best_of_three(count):
    tries = []
    while len(tries) < 3 and min(tries, default=1) > 0.05:
        tries.append(lateness(count))
    return min(tries)

one, hundred = best_of_three(1), best_of_three(100)
say(json.dumps({"bytes": taken, "connections": len(names), "one": one, "hundred": hundred}))
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
    assert ten_thousand["bytes"] < 60e6
    assert ten_thousand["connections"] == 2
    assert ten_thousand["one"] < ALLOWED
    assert ten_thousand["hundred"] < ALLOWED
