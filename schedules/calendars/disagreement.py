"""Where the two libraries say different things about a market."""

from __future__ import annotations

import logging
from datetime import date
from typing import NamedTuple

from ..errors import InvalidSchedule
from .definition import Market
from .sources import Known, sessions_by_exchange_calendars, sessions_by_holidays

log = logging.getLogger("askfirst.schedules")


class Disagreement(NamedTuple):
    """What exchange_calendars and holidays say of a day: "open", "closed" or "early close"."""

    day: date
    exchange_calendars: str
    holidays: str


def disagreements(market: Market, first: date, last: date, today: date) -> list[Disagreement]:
    """Days in this range, both included, that the libraries tell differently and no override settles.

    Raises `InvalidSchedule` if one of them doesn't know the market.
    """
    known = sessions_by_exchange_calendars(market.name, market.exchange, today)
    other = sessions_by_holidays(market.name, market.exchange, today)
    return _between(market, known, other, first, last)


def warn_of_disagreements(market: Market, known: Known, today: date) -> None:
    """Warns of days to come on which the other library says something else. Nothing if it doesn't know the market."""
    try:
        other = sessions_by_holidays(market.name, market.exchange, today, first=today)
    except InvalidSchedule:
        return
    if differing := _between(market, known, other, today, known.last):
        days = ", ".join(str(found.day) for found in differing)
        log.warning(
            "calendar %r: %s and %s differ on %s; the former is followed: an override with a note settles it",
            market.name, known.source, other.source, days,
        )  # fmt: skip


def warn_of_early_closes(market: Market, known: Known, today: date) -> None:
    """Warns of days to come that close early, when no override says at what time: holidays knows only the days."""
    settled = {override.day for override in market.overrides}
    early = sorted(day for day in known.early - settled if day >= today and day in known.days)
    if early and market.closes is not None:
        log.warning(
            "calendar %r: %s closes early on %s, and is taken to close at %s: give the hours as overrides",
            market.name, market.exchange, ", ".join(map(str, early)), f"{market.closes:%H:%M}",
        )  # fmt: skip


def _between(market: Market, known: Known, other: Known, first: date, last: date) -> list[Disagreement]:
    first, last = max(first, known.first, other.first), min(last, known.last, other.last)
    settled = {override.day for override in market.overrides}
    days = sorted((set(known.days) ^ set(other.days)) | (known.early ^ other.early))
    found = [Disagreement(day, _said(known, day), _said(other, day)) for day in days if first <= day <= last]
    return [each for each in found if each.exchange_calendars != each.holidays and each.day not in settled]


def _said(known: Known, day: date) -> str:
    if day not in known.days:
        return "closed"
    return "early close" if day in known.early else "open"
