"""No script of schedules holds Redis up: what each touches is bounded, and counted."""

from collections.abc import Callable
from typing import Any

import pytest

from askfirst.schedules import Every
from tests.support.counting import counted
from tests.support.scheduled import Desk

#: Commands, their arguments and replies: some five milliseconds of Redis, as in tests/interest/test_bounds.py.
LIMIT = 8_000


def longest(desk: Desk, monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> int:
    """The steps of the longest of the calls that this makes."""
    with counted(desk.client.ledger, desk.redis, monkeypatch) as cost:
        act()
    return max(cost.steps)


def test_an_outage_is_decided_in_steps(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.put(triggers=Every(1), misfire="all", max_catch_up=10_000, overlap="allow_all")
    desk.away(500)
    decisions, _ = desk.scheduler._decide(desk.store.look(100))
    assert longest(desk, monkeypatch, lambda: desk.store.decide(decisions)) < LIMIT
    assert len(desk.store.open("s")) == 100


@pytest.mark.parametrize("overlap", ["buffer_all", "allow_all"])
def test_pausing_one_with_much_under_way(desk: Desk, monkeypatch: pytest.MonkeyPatch, overlap: str) -> None:
    desk.put(triggers=Every(1), misfire="all", max_catch_up=10_000, overlap=overlap)
    desk.away(1100)
    desk.tick(20)
    most = {"allow_all": (500, 0), "buffer_all": (1, 250)}[overlap]
    assert (len(desk.store.open("s")), desk.redis.zcard(desk.keys.buffered("s"))) == most
    assert longest(desk, monkeypatch, lambda: desk.store.pause("s", "why", "me")) < LIMIT
    assert longest(desk, monkeypatch, lambda: desk.store.open("s")) < LIMIT


def test_looking_at_all_that_is_due(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(100):
        desk.put(f"s{n}")
        desk.away(61, f"s{n}")
    desk.tick()
    for n in range(100):
        desk.away(61, f"s{n}")
    for member in desk.redis.zrange(desk.keys.agenda, 0, -1):
        desk.redis.zadd(desk.keys.agenda, {member: 0})
    assert longest(desk, monkeypatch, lambda: desk.store.look(100)) < LIMIT


def test_a_backfill_goes_in_steps(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.put()
    nominals = [desk.store.now() - n * 60_000 for n in range(1, 200)]
    assert longest(desk, monkeypatch, lambda: desk.store.backfill("s", "allow_all", nominals)) < LIMIT
