"""A schedule: what runs, when, when not, and what happens when it could not run in time."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, JsonValue, field_validator, model_validator

from ..interest.errors import InvalidWork
from ..tasks.definition import work_type_of
from .model import Definition, Delay, Duration, Moment, ZoneName, one_or_many
from .triggers import Once, Session, Trigger
from .zones import moment, zone_named

#: How long after its instant a run is still caught up on, in seconds, unless the schedule says otherwise.
CATCH_UP = 86_400.0
#: How many missed instants `misfire="all"` fires at most, unless the schedule says otherwise.
MAX_CATCH_UP = 100

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")

OnExcluded = Literal["skip", "previous", "next"]
Misfire = Literal["skip", "latest", "earliest", "all"]
Overlap = Literal["skip", "buffer_one", "buffer_all", "cancel_other", "kill_other", "allow_all"]


def _work_name(value: Any) -> Any:
    if not callable(value):
        return value
    try:
        return work_type_of(value).name
    except InvalidWork as error:
        raise ValueError(str(error)) from None


def _many(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(one_or_many)]


class Schedule(Definition):
    """When a work runs. Durations are seconds, timedeltas or texts such as "5m". Raises `InvalidSchedule`.

    Instants count from `start` on and before `end`, also those that were moved; moments without a zone are local
    times of `timezone`.
    """

    id: str
    #: The work type: a function declared with `@work`, or its name.
    work: Annotated[str, Field(min_length=1, max_length=200), BeforeValidator(_work_name)]
    payload: Annotated[dict[str, JsonValue], Field(default_factory=dict)]

    triggers: Annotated[tuple[Trigger, ...], Field(min_length=1), BeforeValidator(_many)]
    timezone: ZoneName = "UTC"
    start: Moment | None = None
    end: Moment | None = None
    #: It fires on days that are in all of these calendars…
    calendars: Names = ()
    #: …and in none of these. Each judges the date that the instant has in `timezone`.
    exclude: Names = ()
    #: What becomes of an instant on another day: nothing, or it moves, keeping its local time, to the nearest fit day.
    on_excluded: OnExcluded = "skip"

    #: Each fire is up to this much later than its instant, by the same amount on every node.
    jitter: Annotated[Delay, Field(le=86_400)] = 0.0
    #: Deadline of a run, counted from its fire; None: that of the work type.
    timeout: Duration | None = None
    #: What begins the keys of its runs, before `@` and the instant; None: the id.
    key: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    tags: Names = ()

    #: What is fired of the instants that were missed, of those that are no older than `catch_up`.
    misfire: Misfire = "latest"
    catch_up: Duration | None = None
    #: How many `misfire="all"` fires at most.
    max_catch_up: Annotated[int, Field(ge=1, le=10_000)] | None = None
    #: What happens to an instant that finds an earlier run of the schedule not yet ended.
    overlap: Overlap = "skip"
    #: So many failed runs in a row pause it.
    max_failures: Annotated[int, Field(ge=1)] | None = None
    #: A run that starts this long after its instant counts as late.
    late_after: Duration | None = None
    #: A run that takes longer than this counts as over time.
    over_after: Duration | None = None

    @classmethod
    def _title(cls, fields: dict[str, Any]) -> str:
        return f"schedule {fields.get('id', '?')!r}"

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of its local times."""
        return zone_named(self.timezone)

    @property
    def starts_at(self) -> datetime | None:
        """The first moment at which it may fire, in UTC."""
        return None if self.start is None else moment(self.start, self.zone)

    @property
    def ends_at(self) -> datetime | None:
        """The moment, in UTC, from which on it doesn't fire."""
        return None if self.end is None else moment(self.end, self.zone)

    @property
    def catch_up_window(self) -> float:
        """Seconds after which a missed instant is no longer caught up on."""
        return CATCH_UP if self.catch_up is None else self.catch_up

    @property
    def catch_up_cap(self) -> int:
        """How many missed instants are fired at most."""
        return MAX_CATCH_UP if self.max_catch_up is None else self.max_catch_up

    @field_validator("id")
    @classmethod
    def _check_id(cls, value: str) -> str:
        if not _ID.fullmatch(value):
            raise ValueError(f"expected 1 to 128 letters, digits, '.', '_', ':' or '-', got {value!r}")
        return value

    @model_validator(mode="after")
    def _check_agreement(self) -> Self:
        for field, problem in self._contradictions():
            raise ValueError(f"{field}: {problem}")
        return self

    def _contradictions(self) -> list[tuple[str, str]]:
        """Which fields can't both be meant."""
        rolls = self.on_excluded != "skip"
        starts, ends = self.starts_at, self.ends_at
        both = sorted(set(self.calendars) & set(self.exclude))
        rules = [
            ("end", "must be after start", starts is not None and ends is not None and ends <= starts),
            ("exclude", f"{', '.join(both)} can't be in calendars too", bool(both)),
            ("on_excluded", f"{self.on_excluded!r} needs calendars or exclude",
             rolls and not self.calendars and not self.exclude),
            ("on_excluded", f"{self.on_excluded!r} can't move a trigger that follows a market's sessions: use 'skip'",
             rolls and any(isinstance(trigger, Session) for trigger in self.triggers)),
            ("exclude", "a trigger follows the sessions of a calendar in it, so that none would fire",
             any(isinstance(trigger, Session) and trigger.calendar in self.exclude for trigger in self.triggers)),
            ("catch_up", "misfire='skip' catches up on nothing",
             self.misfire == "skip" and self.catch_up is not None),
            ("max_catch_up", f"is for misfire='all', not {self.misfire!r}",
             self.misfire != "all" and self.max_catch_up is not None),
            ("late_after", "a run that started so late would be past its timeout already",
             _reaches(self.late_after, self.timeout)),
            ("over_after", "a run can't take longer than its timeout", _reaches(self.over_after, self.timeout)),
            *self._lost_moments(),
        ]  # fmt: skip
        return [(field, problem) for field, problem, broken in rules if broken]

    def _lost_moments(self) -> list[tuple[str, str, bool]]:
        starts, ends = self.starts_at, self.ends_at
        return [
            (f"triggers.{n}", "its moment is not between start and end",
             (starts is not None and at < starts) or (ends is not None and at >= ends))
            for n, trigger in enumerate(self.triggers)
            if isinstance(trigger, Once)
            for at in [moment(trigger.moment, self.zone)]
        ]  # fmt: skip


def _reaches(limit: float | None, timeout: float | None) -> bool:
    return limit is not None and timeout is not None and limit >= timeout
