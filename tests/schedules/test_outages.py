"""After an outage of all schedulers each misfire policy is exactly applied, however long it was."""

from itertools import pairwise
from typing import Any

import pytest

from askfirst.schedules import Every
from askfirst.schedules.entries import as_moment
from askfirst.schedules.misfire import ON_TIME
from tests.support.scheduled import Desk

HOUR = 3600


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ({"misfire": "skip"}, [("missed", "nobody was there", 60)]),
        ({"misfire": "latest"}, [("missed", "a later one is fired", 59), ("fired", None, 1)]),
        ({"misfire": "earliest"}, [("fired", None, 1), ("missed", "an earlier one is fired", 59)]),
        ({"misfire": "all", "max_catch_up": 3}, [("fired", None, 1)] * 3 + [("missed", "enough are caught up on", 57)]),
        (
            {"misfire": "latest", "catch_up": 600},
            [("missed", "too late to catch up", 50), ("missed", "a later one is fired", 9), ("fired", None, 1)],
        ),
    ],
)
def test_an_hour_of_minutes(desk: Desk, policy: dict[str, Any], told: list[Any]) -> None:
    # A minute that begins just now would be on time.
    desk.put(triggers=Every(60, anchor=_half_a_minute_ago(desk)), overlap="allow_all", **policy)
    desk.away(HOUR)
    desk.tick(3)
    assert desk.told() == told


@pytest.mark.parametrize("policy", ["skip", "latest", "earliest", "all"])
def test_two_hours_of_seconds_are_decided_in_many_steps_to_the_same_end(desk: Desk, policy: str) -> None:
    desk.put(triggers=Every(1), misfire=policy, overlap="allow_all")
    desk.away(2 * HOUR)
    desk.tick(80)
    found = desk.history()
    assert sum(entry.count for entry in found) >= 2 * HOUR
    fired = [entry for entry in found if entry.status == "fired"]
    caught_up = [entry for entry in fired if (entry.decided_at - entry.nominal_time).total_seconds() > ON_TIME]
    assert len(caught_up) == {"skip": 0, "latest": 1, "earliest": 1, "all": 100}[policy]


def test_each_instant_of_an_outage_is_in_the_history_once(desk: Desk) -> None:
    desk.put(triggers=Every(1), misfire="all", overlap="allow_all", catch_up=100)
    desk.away(3000)
    desk.tick(40)
    rows = sorted((entry.nominal_time, entry.until, entry.count) for entry in desk.history())
    for begin, end, count in rows:
        assert (end - begin).total_seconds() == count - 1
    for (_, end, _), (begin, _, _) in pairwise(rows):
        assert (begin - end).total_seconds() == 1


def test_an_outage_of_one_schedule_does_not_hold_up_the_others(desk: Desk) -> None:
    desk.put("long", triggers=Every(1), misfire="skip")
    desk.put("short", misfire="all")
    desk.away(100_000, "long")
    desk.away(61, "short")
    desk.tick(2)
    assert [entry.status for entry in desk.history("short")][-1] == "fired"


def test_a_clock_of_redis_that_was_set_back_fires_nothing_twice(desk: Desk) -> None:
    desk.put(triggers=Every(1))
    cursor = desk.store.now() + 3_600_000  # decided before the clock was set back by an hour
    desk.redis.hset(desk.keys.schedule("s"), "cursor", cursor)
    desk.redis.zadd(desk.keys.due, {"s": 0})
    desk.tick()
    assert desk.history() == []
    assert int(desk.redis.hget(desk.keys.schedule("s"), "cursor")) == cursor
    assert desk.redis.zscore(desk.keys.due, "s") > cursor


def _half_a_minute_ago(desk: Desk) -> str:
    return as_moment(desk.store.now() - 30_000).isoformat()
