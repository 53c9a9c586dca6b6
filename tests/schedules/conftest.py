"""Schedules in a real Redis, with a scheduler that ticks by hand or in processes of its own."""

from collections.abc import Iterator
from typing import Any

import pytest

from askfirst.waiters.client import Client
from tests.support.lanes import Lane
from tests.support.scheduled import Desk


@pytest.fixture
def desk(client: Client, redis: Any, lane: Lane) -> Iterator[Desk]:
    desk = Desk(client, redis, lane)
    yield desk
    desk.close()
