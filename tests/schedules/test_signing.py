"""With a signing key nobody without it makes a schedule or a calendar."""

from collections.abc import Iterator
from typing import Any

import pytest

from askfirst.config import Settings
from askfirst.schedules.calendars.definition import Weekdays
from askfirst.waiters.client import configure, default_client
from tests.support.lanes import Lane
from tests.support.scheduled import Desk


@pytest.fixture
def desk(settings: Settings, redis: Any, lane: Lane) -> Iterator[Desk]:
    signed = Settings(**settings.model_dump() | {"signing_key": ["a secret of many letters"]})
    configure(signed)
    desk = Desk(default_client(), redis, lane)
    yield desk
    desk.close()
    configure(settings)


def test_who_has_it_makes_them(desk: Desk) -> None:
    desk.put()
    desk.manager.put_calendars([Weekdays(name="week")])
    desk.away(61)
    desk.tick()
    assert desk.history()[0].status == "fired"
    assert desk.manager.calendars() == [Weekdays(name="week")]


def test_what_others_wrote_does_not_fire(desk: Desk) -> None:
    desk.put()
    key = desk.keys.schedule("s")
    signed = desk.redis.hget(key, "definition")
    desk.redis.hset(key, mapping={"definition": signed.replace("/dev/null", "/etc/hosts"), "revision": 2})
    desk.away(61)
    desk.tick()
    assert desk.manager.store.history("s", None, None, 0, 9) == []
    assert desk.lane.rung() == []
    desk.redis.hset(key, "definition", signed)
