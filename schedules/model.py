"""What the definitions of this room have in common: frozen, strict about unknown fields, one clear error."""

from __future__ import annotations

import json
from datetime import MAXYEAR, MINYEAR, datetime, timedelta
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from ..config.units import LONGEST, seconds
from .errors import refusal
from .zones import zone_named

_BLUR = 1e-7  # seconds: how far off binary fractions may be, such as that of 1.001


class Definition(BaseModel):
    """A definition. Raises `InvalidSchedule`, naming each field that is wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: The field that may be given without its name, where there is an obvious one.
    _obvious: ClassVar[str | None] = None

    def __init__(self, *value: Any, **fields: Any) -> None:
        if value:
            if self._obvious is None or len(value) > 1:
                raise TypeError(f"{type(self).__name__} takes its fields by name")
            fields[self._obvious] = value[0]
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise refusal(self._title(fields), error) from None

    @classmethod
    def _title(cls, fields: dict[str, Any]) -> str:
        return cls.__name__

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The definition from what `to_json` made. Raises `InvalidSchedule`."""
        return cls(**json.loads(text))

    def to_json(self) -> str:
        """The definition as one JSON object, the same text for the same definition."""
        return self.model_dump_json()


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError(f"expected more than 0 seconds, got {value:g}")
    return value


def _not_negative(value: float) -> float:
    if value < 0:
        raise ValueError(f"expected 0 seconds or more, got {value:g}")
    return value


def _whole_milliseconds(value: float) -> float:
    if abs(value) > LONGEST:
        raise ValueError(f"expected ten years at most, got {value:g} seconds")
    whole = round(value, 3)
    if abs(value - whole) > _BLUR:
        raise ValueError(f"expected whole milliseconds, got {value:g} seconds")
    return whole


def _whole_moment(value: datetime) -> datetime:
    if value.microsecond % 1000:
        raise ValueError(f"expected whole milliseconds, got {value.isoformat()}")
    if not MINYEAR < value.year < MAXYEAR:  # the last hours of the calendar are not the same in all zones
        raise ValueError(f"expected a year from {MINYEAR + 1} to {MAXYEAR - 1}, got {value.isoformat()}")
    return value


def _zone(value: str) -> str:
    zone_named(value)
    return value


#: Seconds, a timedelta or a text such as "5m"; negative ones too.
Offset = Annotated[float, BeforeValidator(seconds), AfterValidator(_whole_milliseconds)]
#: A duration of more than nothing.
Duration = Annotated[Offset, AfterValidator(_positive)]
#: A duration that may be nothing.
Delay = Annotated[Offset, AfterValidator(_not_negative)]
#: A point in time to the millisecond; without a zone it is local time of the schedule's.
Moment = Annotated[datetime, AfterValidator(_whole_moment)]
#: The name of an IANA time zone.
ZoneName = Annotated[str, AfterValidator(_zone)]


def span(value: float) -> timedelta:
    """Seconds as a timedelta of whole milliseconds."""
    return timedelta(milliseconds=round(value * 1000))


def one_or_many(value: Any) -> Any:
    """For fields that take one text or several."""
    return (value,) if isinstance(value, str) else value
