"""Time zones, and where a local time lies in real time.

The rule for clock changes, here once for all triggers: a local time that happens twice means the first, one that is
skipped means the moment of the change (the first instant after the gap). Vixie cron as shipped by Debian does the same.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo:
    """The IANA zone from the pinned tzdata package: by older data of its own a node would fire at other times.

    Raises ValueError.
    """
    if name not in zone_names():
        raise ValueError(f"expected an IANA time zone such as 'Europe/Berlin', got {name!r}")
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """All names of the IANA data, links included."""
    return frozenset(resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


def instant_of(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, that a local time without a zone means there."""
    first = _reading(local, zone)
    if local_of(first, zone) == local:
        return first
    # A skipped time: read with the offset from before the change it lies after the change, and the other way round.
    return _change_between(_reading(local.replace(fold=1), zone), first, zone)


def instants_of(local: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """All instants at which clocks there show this local time: none, one or two, ascending."""
    readings = sorted({_reading(local, zone), _reading(local.replace(fold=1), zone)})
    return tuple(instant for instant in readings if local_of(instant, zone) == local)


def moment(value: datetime, zone: ZoneInfo) -> datetime:
    """The value in UTC; without a zone of its own it is a local time of this one."""
    return instant_of(value, zone) if value.tzinfo is None else value.astimezone(UTC)


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """The instant at which the day begins there."""
    return instant_of(datetime.combine(day, time()), zone)


def local_of(instant: datetime, zone: ZoneInfo) -> datetime:
    """What clocks there show at an instant, without a zone."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _reading(local: datetime, zone: ZoneInfo) -> datetime:
    return local.replace(tzinfo=zone).astimezone(UTC)


def _change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    offset = after.astimezone(zone).utcoffset()
    low, high = math.floor(before.timestamp()), math.ceil(after.timestamp())  # clocks change at whole seconds
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return datetime.fromtimestamp(high, UTC)
