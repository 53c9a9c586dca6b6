"""What calendars are made of, as data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, time
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ..errors import InvalidSchedule
from ..model import Definition, ZoneName, one_or_many
from ..triggers import Weekday

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(f"expected 1 to 64 letters, digits, '.', '_' or '-', got {value!r}")
    return value


def _unique(days: tuple[Day, ...]) -> tuple[Day, ...]:
    seen: set[date] = set()
    for day in days:
        if day.day in seen:
            raise ValueError(f"{day.day} comes twice")
        seen.add(day.day)
    return tuple(sorted(days, key=lambda day: day.day))


Name = Annotated[str, AfterValidator(_name)]
Names = Annotated[tuple[Name, ...], Field(min_length=1), BeforeValidator(one_or_many)]


class Day(Definition):
    """One day, with hours of its own if they are not the calendar's: an early close, a special session."""

    day: date
    note: str = ""
    opens: time | None = None
    closes: time | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.opens is not None and self.closes is not None and self.opens >= self.closes:
            raise ValueError(f"closes: expected a time after {self.opens:%H:%M}, got {self.closes:%H:%M}")
        return self


class Override(Day):
    """What a day is in spite of the source, and why: `closed`, or open, with the usual hours where none are given."""

    note: Annotated[str, Field(min_length=1)]
    closed: bool = False

    @model_validator(mode="after")
    def _check_closed(self) -> Self:
        if self.closed and (self.opens or self.closes):
            raise ValueError("closed: a closed day has no opens or closes")
        return self


class _Named(Definition):
    name: Name

    @classmethod
    def _title(cls, fields: dict[str, Any]) -> str:
        return f"calendar {fields.get('name', '?')!r}"


class _Timed(_Named):
    """Usual hours: all three or none."""

    timezone: ZoneName | None = None
    opens: time | None = None
    closes: time | None = None

    @model_validator(mode="after")
    def _check_hours(self) -> Self:
        hours = {"timezone": self.timezone, "opens": self.opens, "closes": self.closes}
        missing = [field for field, value in hours.items() if value is None]
        if missing and len(missing) < len(hours):
            raise ValueError(f"{missing[0]}: is missing: hours are opens, closes and timezone")
        if self.opens is not None and self.closes is not None and self.opens >= self.closes:
            raise ValueError(f"closes: expected a time after {self.opens:%H:%M}, got {self.closes:%H:%M}")
        return self


Source = Literal["exchange_calendars", "holidays"]


class Market(_Timed):
    """The sessions of an exchange, by the library that `source` names.

    "exchange_calendars" knows the hours; with "holidays" (Monday to Friday without its holidays) they are given here.
    """

    kind: Literal["market"] = "market"
    #: What the source calls it: a market identifier code (ISO 10383) such as "XNYS".
    exchange: Annotated[str, Field(min_length=1)]
    source: Source = "exchange_calendars"
    overrides: Annotated[tuple[Override, ...], AfterValidator(_unique)] = ()

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if self.source == "exchange_calendars" and self.opens is not None:
            raise ValueError("opens: exchange_calendars has the hours: use overrides")
        return self


class Holidays(_Named):
    """The public holidays of a country, by the library holidays."""

    kind: Literal["holidays"] = "holidays"
    #: ISO 3166-1, such as "IN", and a part of it as the library calls it, such as "MH".
    country: Annotated[str, Field(min_length=1)]
    subdivision: str | None = None
    overrides: Annotated[tuple[Override, ...], AfterValidator(_unique)] = ()

    @model_validator(mode="after")
    def _check_untimed(self) -> Self:
        if any(override.opens or override.closes for override in self.overrides):
            raise ValueError("overrides: holidays have no hours")
        return self


class Dates(_Timed):
    """Days of one's own, complete from `first` to `last`: `read_days` reads them from CSV, ICS and TOML."""

    kind: Literal["dates"] = "dates"
    first: date
    last: date
    days: Annotated[tuple[Day, ...], AfterValidator(_unique)]

    @model_validator(mode="after")
    def _check_days(self) -> Self:
        if self.last < self.first:
            raise ValueError(f"last: expected {self.first} or later, got {self.last}")
        for n, day in enumerate(self.days):
            if not self.first <= day.day <= self.last:
                raise ValueError(f"days.{n}: {day.day} is not between first and last")
            if self.timezone is None and (day.opens or day.closes):
                raise ValueError(f"days.{n}: {day.day} has hours, the calendar has none: give opens, closes, timezone")
        return self


class Weekdays(_Named):
    """The same days of every week."""

    kind: Literal["weekdays"] = "weekdays"
    days: Annotated[tuple[Weekday, ...], Field(min_length=1), BeforeValidator(one_or_many)] = (
        "mon", "tue", "wed", "thu", "fri",
    )  # fmt: skip


class Union(_Named):
    """Days that are in any of the calendars; hours are those of the first that has the day."""

    kind: Literal["union"] = "union"
    of: Names


class Difference(_Named):
    """Days, with their hours, of one calendar that are in none of the others."""

    kind: Literal["difference"] = "difference"
    of: Name
    minus: Names


class OnlyOn(_Named):
    """Days, with their hours, of one calendar that are in all of the others too."""

    kind: Literal["only_on"] = "only_on"
    of: Name
    only: Names


CalendarDefinition = Market | Holidays | Dates | Weekdays | Union | Difference | OnlyOn

_KINDS: dict[str, type[CalendarDefinition]] = {
    "market": Market, "holidays": Holidays, "dates": Dates, "weekdays": Weekdays,
    "union": Union, "difference": Difference, "only_on": OnlyOn,
}  # fmt: skip


def calendar_from(fields: Mapping[str, Any]) -> CalendarDefinition:
    """The definition from a mapping such as a TOML table. Raises `InvalidSchedule`."""
    kind = fields.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InvalidSchedule(
            f"calendar {fields.get('name', '?')!r}: kind: expected one of {', '.join(_KINDS)}, got {kind!r}"
        )
    return _KINDS[kind](**fields)


def parts_of(definition: CalendarDefinition) -> list[tuple[str, str]]:
    """The calendars that it is made of: the field, and the name in it."""
    found: list[tuple[str, str]] = []
    for field in ("of", "minus", "only"):
        value = getattr(definition, field, ())
        names = [(field, value)] if isinstance(value, str) else [(f"{field}.{n}", name) for n, name in enumerate(value)]
        found += names
    return found
