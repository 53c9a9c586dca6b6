"""Schedules made at random, each with what it means as plain sets, so that no parser stands between."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from askfirst.schedules.definition import Schedule

WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@dataclass(frozen=True)
class Meaning:
    """What a trigger asks for: local times on days, "once" each or as often as "shown" by clocks; or a period."""

    how: str
    times: frozenset[time] = frozenset()
    on: Callable[[date], bool] = lambda day: True
    period: timedelta = timedelta()
    anchor: datetime = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Generated:
    """The fields of a schedule without its zone, and what they mean."""

    fields: dict[str, Any]
    meanings: tuple[Meaning, ...]

    def schedule(self, zone: str) -> Schedule:
        return Schedule(**self.fields, timezone=zone)


def generated(count: int, seed: int = 0) -> list[Generated]:
    """So many schedules, always the same: about one in three judges days, a third of these move instants."""
    dice = random.Random(seed)
    return [_schedule(dice, n) for n in range(count)]


def _schedule(dice: random.Random, n: int) -> Generated:
    makers = dice.choices([_cron, _at, _every], weights=[6, 2, 1], k=dice.choice([1, 1, 1, 2, 3]))
    triggers, meanings = zip(*(make(dice) for make in makers), strict=True)
    fields = {"id": f"s{n}", "work": "w", "triggers": triggers}
    if dice.random() < 1 / 3:
        fields |= {dice.choice(["calendars", "exclude"]): "some",
                   "on_excluded": dice.choice(["skip"] * 4 + ["previous", "next"])}  # fmt: skip
    return Generated(fields, meanings)


def _field(dice: random.Random, low: int, high: int, stars: float) -> tuple[str, set[int]]:
    if dice.random() < stars:
        step = dice.choice([1, 1, 2, 3, 5, 7, 15])
        return ("*" if step == 1 else f"*/{step}"), set(range(low, high + 1, step))
    begin = dice.randint(low, high)
    end = dice.randint(begin, high)
    step = dice.choice([1, 2, 3, 10])
    kind = dice.choice(["one", "one", "list", "range", "steps"])
    if kind == "one":
        return f"{begin}", {begin}
    if kind == "list":
        other = dice.randint(low, high)
        return f"{begin},{other}", {begin, other}
    if kind == "range":
        return f"{begin}-{end}", set(range(begin, end + 1))
    return f"{begin}-{end}/{step}", set(range(begin, end + 1, step))


def _cron(dice: random.Random) -> tuple[dict[str, Any], Meaning]:
    second, seconds = ("", {0}) if dice.random() < 0.8 else _field(dice, 0, 59, 0)
    minute, minutes = _field(dice, 0, 59, 0.2)
    # Clocks change at night: most times of day are to be there.
    hour, hours = _field(dice, 0, dice.choice([3, 4, 23]), 0.2)
    day, days = _field(dice, 1, 28, 0.7)
    month, months = _field(dice, 1, 12, 0.9)
    weekday, numbers = _field(dice, 0, 6, 0.6)
    if len(numbers) == 1 and dice.random() < 0.5 and weekday.isdigit():
        weekday = WEEKDAYS[int(weekday)]
    both = day.startswith("*") or weekday.startswith("*")

    def on(date_: date) -> bool:
        fits = (date_.day in days, date_.isoweekday() % 7 in numbers)
        return date_.month in months and (all(fits) if both else any(fits))

    if day.startswith("*/"):  # `*` counts to 31
        days = set(range(1, 32, int(day[2:])))
    elif day == "*":
        days = set(range(1, 32))
    times = frozenset(time(h, m, s) for h in hours for m in minutes for s in seconds)
    if hour.startswith("*"):
        step = int(hour[2:] or 1)
        times = frozenset(time(h, m, s) for h in range(0, 24, step) for m in minutes for s in seconds)
    expression = f"{second} {minute} {hour} {day} {month} {weekday}".strip()
    how = "shown" if minute.startswith("*") or hour.startswith("*") else "once"
    return {"kind": "cron", "expression": expression}, Meaning(how, times, on)


def _at(dice: random.Random) -> tuple[dict[str, Any], Meaning]:
    times = {time(dice.choice([0, 0, 1, 2, 3, 23, dice.randint(0, 23)]), dice.randint(0, 59), dice.choice([0, 0, 30]))
             for _ in range(dice.randint(1, 4))}  # fmt: skip
    weekdays = dice.sample(WEEKDAYS, dice.randint(3, 7))
    wanted = frozenset(WEEKDAYS.index(name) for name in weekdays)
    trigger = {"kind": "at", "times": list(times), "weekdays": weekdays}
    return trigger, Meaning("once", frozenset(times), lambda day: day.isoweekday() % 7 in wanted)


def _every(dice: random.Random) -> tuple[dict[str, Any], Meaning]:
    period = timedelta(minutes=dice.choice([7, 45, 60, 61, 90, 1440, 1441, 10080]))
    anchor = datetime(2030, 1, 1, tzinfo=UTC) + timedelta(minutes=dice.randint(0, 10**6))
    return {"kind": "every", "period": period, "anchor": anchor}, Meaning("period", period=period, anchor=anchor)
