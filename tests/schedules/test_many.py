"""A tick costs what is due, not what there is; looking stays quick."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from askfirst.schedules import Cron
from tests.support.many_schedules import copy_schedule, remove_copies
from tests.support.scheduled import Desk
from tests.support.servers import RedisServer

MANY = 10_000


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    """One of this page's own: its commands are counted, and the session's workers have their say in the session's."""
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture
def many(desk: Desk) -> Iterator[list[str]]:
    """Ten thousand schedules that fire at five in the morning of New Year's Day."""
    desk.put("one", triggers=Cron("0 5 1 1 *"), overlap="allow_all")
    copies = copy_schedule(desk.redis, desk.store, "one", MANY)
    yield copies
    remove_copies(desk.redis, desk.store, copies)


def commands(redis: Any) -> int:
    """All that Redis has been asked for so far, inside scripts too."""
    return sum(each["calls"] for each in redis.info("commandstats").values())


def cost(desk: Desk, due: list[str]) -> int:
    """Commands of the tick that fires these."""
    for id in due:
        desk.redis.hincrby(desk.keys.schedule(id), "cursor", -366 * 86_400_000)
        desk.redis.zadd(desk.keys.due, {id: 0})
    before = commands(desk.redis)
    desk.tick()
    return commands(desk.redis) - before


def test_a_tick_costs_what_is_due_and_not_what_there_is(desk: Desk, many: list[str]) -> None:
    cost(desk, many[:1])  # reads what it will have read by then
    idle, one, ten = cost(desk, []), cost(desk, many[:1]), cost(desk, many[:10])
    assert idle < 10
    remove_copies(desk.redis, desk.store, many[20:])
    assert cost(desk, []) <= idle
    assert abs(cost(desk, many[10:20]) - ten) < 20
    assert ten - idle < 11 * (one - idle)
    assert one - idle < 100


def test_looking_at_few_of_many_reads_few(desk: Desk, many: list[str]) -> None:
    for look, most in (
        (lambda: desk.manager.page(tag=None, prefix="", after="", limit=100), 420),
        (lambda: desk.manager.page(tag=None, prefix="one.05", after="one.05300", limit=10), 60),
        (lambda: desk.manager.next("one.07000", 5), 10),
        (lambda: desk.manager.upcoming(10), 60),
        (lambda: desk.manager.get("one.07000"), 10),
    ):
        before = commands(desk.redis)
        assert look()
        assert commands(desk.redis) - before < most


@pytest.mark.slow
def test_next_and_list_answer_within_100_ms(desk: Desk, many: list[str]) -> None:
    for look in (
        lambda: desk.manager.page(tag=None, prefix="", after="", limit=100),
        lambda: desk.manager.next("one.07000", 5),
        lambda: desk.manager.upcoming(10),
    ):
        look()
        began_at = time.monotonic()
        look()
        assert time.monotonic() - began_at < 0.1


@pytest.mark.slow
def test_more_than_a_tick_can_decide_are_decided_in_many(desk: Desk, many: list[str]) -> None:
    due = many[:1000]
    for id in due:
        desk.redis.hincrby(desk.keys.schedule(id), "cursor", -366 * 86_400_000)
    desk.redis.zadd(desk.keys.due, dict.fromkeys(due, 0))
    desk.tick(30)
    assert desk.redis.zcount(desk.keys.due, "-inf", desk.store.now()) == 0
    assert all(desk.redis.hlen(desk.keys.entries(id)) == 1 for id in due)
