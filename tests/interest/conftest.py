"""What only the ledger's tests share."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.servers import RedisServer
from tests.support.virtual import VirtualLane, virtual_clock


@pytest.fixture
def virtual_lane(redis_server: RedisServer, redis: Any, namespace: str) -> Iterator[VirtualLane]:
    """The lane "default" on a clock that stands still until it is moved."""
    with virtual_clock():
        lane = VirtualLane(redis_server.url(), namespace, redis)
        yield lane
    lane.line.close()
    redis.flushdb()
