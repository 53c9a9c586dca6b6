"""TOML files of schedules and calendars: what they would change, and changing it.

    tag = "prices"              # optional: schedules that have this tag and are not in the file are deleted

    [calendars.closed]
    kind = "dates"
    first = 2026-01-01
    last = 2026-12-31
    days_from = "closed.csv"    # beside this file; or days = [{day = 2026-05-01}]

    [schedules.nightly]
    work = "market.pull"
    payload = {exchange = "XNYS"}
    triggers = [{kind = "cron", expression = "30 22 * * mon-fri"}]
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .api import manager
from .calendars.definition import CalendarDefinition, calendar_from
from .calendars.reading import read_days
from .deciding import next_decision
from .definition import Schedule
from .errors import InvalidSchedule
from .managing import Manager, changed_calendars, holds_from, this_actor
from .model import Definition


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that would change: fields as JSON values, before and after; None where there is no schedule."""

    id: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    def __str__(self) -> str:
        if self.after is None:
            return f"- {self.id}"
        if self.before is None:
            return f"+ {self.id}: {_listed(self.after)}"
        return f"~ {self.id}: " + "; ".join(
            f"{field}: {self.before.get(field)!r} → {self.after.get(field)!r}" for field in self.changed
        )

    @property
    def changed(self) -> list[str]:
        """The fields that differ."""
        before, after = self.before or {}, self.after or {}
        return [field for field in {**before, **after} if before.get(field) != after.get(field)]

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {"id": self.id, "before": self.before, "after": self.after}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a file says."""

    tag: str | None
    calendars: list[CalendarDefinition]
    schedules: dict[str, Schedule]


class Plan:
    """What a file asks for, checked, and how that differs from what is there."""

    def __init__(self, manager: Manager, asked: Asked) -> None:
        self._manager = manager
        known, _ = manager.store.calendars()
        changed = changed_calendars(known, asked.calendars)
        self._calendars = [each for each in asked.calendars if each.name in changed]
        calendars, now = manager.try_calendars(known, changed), manager.store.now()
        for schedule in asked.schedules.values():
            manager.check(schedule, calendars)
        there = _there(manager, [*asked.schedules])
        self._schedules = [schedule for id, schedule in asked.schedules.items() if there.get(id) != schedule]
        records = manager.store.records([schedule.id for schedule in self._schedules])
        for schedule, record in zip(self._schedules, records, strict=True):
            # Beyond a horizon it could not be put.
            next_decision(schedule, calendars, holds_from(record, schedule, now))
        tagged = manager.store.tagged(asked.tag) if asked.tag else ()
        gone = _there(manager, [id for id in tagged if id not in asked.schedules])
        self._gone = [*gone]
        before = {each.name: each for each in manager.calendars()}
        self.differences = [
            *(Difference(f"calendar {c.name}", _fields(before.get(c.name)), _fields(c)) for c in self._calendars),
            *(Difference(s.id, _fields(there.get(s.id)), _fields(s)) for s in self._schedules),
            *(Difference(id, _fields(schedule), None) for id, schedule in gone.items()),
        ]

    @classmethod
    def of_file(cls, path: str | Path) -> Plan:
        """Raises `InvalidSchedule`, `InvalidPayload`, `UnknownWork`, `HorizonExceeded` and `LedgerUnavailable`."""
        return cls(manager(), read_file(Path(path)))

    def apply(self) -> None:
        """Makes it so. Raises as `put` does."""
        self._manager.put_calendars(self._calendars)
        for schedule in self._schedules:
            self._manager.put(schedule)
        for id in self._gone:
            self._manager.delete(id, this_actor())


def read_file(file: Path) -> Asked:
    """What the file asks for. Raises `InvalidSchedule`."""
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidSchedule(f"{file}: {error}") from None
    tag = found.pop("tag", None)
    if not (tag is None or (isinstance(tag, str) and tag)):
        raise InvalidSchedule(f"{file}: tag: expected a text, got {tag!r}")
    calendars, schedules = (_tables(file, kind, found.pop(kind, {})) for kind in ("calendars", "schedules"))
    if found:
        raise InvalidSchedule(f"{file}: expected tag, [calendars.NAME] and [schedules.ID], got {', '.join(found)}")
    try:
        return Asked(
            tag,
            [_calendar(file, name, fields) for name, fields in calendars.items()],
            {id: _schedule(id, fields, tag) for id, fields in schedules.items()},
        )
    except InvalidSchedule as error:
        raise InvalidSchedule(f"{file}: {error}") from None


def _tables(file: Path, kind: str, found: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(found, dict) or not all(isinstance(fields, dict) for fields in found.values()):
        raise InvalidSchedule(f"{file}: {kind}: expected tables [{kind}.…], got {found!r:.100}")
    return found


def _schedule(id: str, fields: dict[str, Any], tag: str | None) -> Schedule:
    if "id" in fields:
        raise InvalidSchedule(f"schedule {id!r}: id: is the name of its table")
    schedule = Schedule(id=id, **fields)
    if tag is None or tag in schedule.tags:
        return schedule
    return Schedule(**(dict(schedule) | {"tags": (*schedule.tags, tag)}))


def _calendar(file: Path, name: str, fields: dict[str, Any]) -> CalendarDefinition:
    if "name" in fields:
        raise InvalidSchedule(f"calendar {name!r}: name: is the name of its table")
    source = fields.pop("days_from", None)
    if source is not None:
        try:
            # Beside the file: it is read from wherever one stands.
            fields["days"] = read_days(file.parent / str(source), fields.get("timezone", "UTC"))
        except (OSError, ValueError) as error:
            raise InvalidSchedule(f"calendar {name!r}: days_from: {error}") from None
    return calendar_from({"name": name} | fields)


def _there(manager: Manager, ids: Sequence[str]) -> dict[str, Schedule]:
    return {status.id: status.schedule for status in manager.statuses(ids) if status is not None}


def _fields(definition: Definition | None) -> dict[str, Any] | None:
    return None if definition is None else definition.model_dump(mode="json", exclude_defaults=True)


def _listed(fields: Mapping[str, Any]) -> str:
    return "; ".join(f"{field}: {value!r}" for field, value in fields.items() if field not in ("id", "name"))
