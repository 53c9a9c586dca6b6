"""A whole fleet as pytest-celery sets it up: one Redis, one worker, and this process as the caller."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery, _state
from pytest_celery import CeleryBrokerCluster, CeleryWorkerCluster, RedisTestBroker

from askfirst.config import Settings
from askfirst.waiters import configure
from askfirst.workers import create_app
from tests.support.fleet import Worker
from tests.support.servers import RedisServer
from tests.system.nodes import RedisNode, WorkerNode


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis that dies in this test."""
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture
def settings(own_redis: RedisServer) -> Settings:
    return Settings(redis_url=own_redis.url(), namespace="system", connect_timeout=0.5, retention=60.0, lease=3.0)


@pytest.fixture
def default_redis_broker(own_redis: RedisServer) -> RedisNode:
    return RedisNode(own_redis)


@pytest.fixture
def celery_broker_cluster(celery_redis_broker: RedisTestBroker) -> CeleryBrokerCluster:
    return CeleryBrokerCluster(celery_redis_broker)


@pytest.fixture
def celery_backend_cluster() -> None:
    """Results come through the ledger."""


@pytest.fixture
def default_worker_container(settings: Settings, default_redis_broker: RedisNode, tmp_path: Path) -> WorkerNode:
    numbers = iter(range(1, 10))

    def start() -> Worker:
        return Worker(settings, tmp_path, name=f"w{next(numbers)}")

    return WorkerNode(start)


@pytest.fixture
def celery_worker_cluster(celery_setup_worker: object) -> CeleryWorkerCluster:
    return CeleryWorkerCluster(celery_setup_worker)


@pytest.fixture
def celery_setup_app(settings: Settings) -> Iterator[Celery]:
    """The fleet's app in this process, and this process as a caller."""
    before = _state._tls.current_app
    configure(settings)
    app = create_app(settings)
    yield app
    configure(settings)  # closes the client
    app.close()
    _state._set_current_app(before)  # pytest-celery makes it the current one


@pytest.fixture
def default_worker_app(celery_setup_app: Celery) -> Celery:
    return celery_setup_app
