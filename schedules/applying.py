"""TOML files of schedules: what they would change, and changing it.

    tag = "prices"              # optional: what has this tag and is not in the file is deleted

    [schedules.nightly]
    work = "market.pull"
    payload = {exchange = "XNYS"}
    triggers = [{kind = "cron", expression = "30 22 * * mon-fri"}]
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .api import manager
from .definition import Schedule
from .errors import InvalidSchedule
from .managing import Manager, this_actor


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


class Plan:
    """What a file asks for, checked, and how that differs from what is there."""

    def __init__(self, manager: Manager, schedules: Mapping[str, Schedule], tag: str | None) -> None:
        self._manager = manager
        for schedule in schedules.values():
            manager.check(schedule)
        known = {status.id: status.schedule for status in manager.statuses([*schedules]) if status is not None}
        self._changed = [schedule for id, schedule in schedules.items() if known.get(id) != schedule]
        self._gone = [id for id in (manager.store.tagged(tag) if tag else ()) if id not in schedules]
        there = known | {status.id: status.schedule for status in manager.statuses(self._gone) if status is not None}
        self.differences = [
            Difference(schedule.id, _fields(there.get(schedule.id)), _fields(schedule)) for schedule in self._changed
        ] + [Difference(id, _fields(there.get(id)), None) for id in self._gone]

    @classmethod
    def of_file(cls, path: str | Path) -> Plan:
        """Raises `InvalidSchedule`, `InvalidPayload`, `UnknownWork` and `LedgerUnavailable`."""
        file = Path(path)
        try:
            found = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InvalidSchedule(f"{file}: {error}") from None
        tag, tables = found.pop("tag", None), found.pop("schedules", {})
        if found or not isinstance(tables, dict) or not (tag is None or (isinstance(tag, str) and tag)):
            wrong = ", ".join(found) or ("tag" if isinstance(tables, dict) else "schedules")
            raise InvalidSchedule(f"{file}: expected a tag and tables [schedules.ID], got {wrong}")
        return cls(manager(), {id: _read(file, id, fields, tag) for id, fields in tables.items()}, tag)

    def apply(self) -> None:
        """Makes it so. Raises as `put` does."""
        for schedule in self._changed:
            self._manager.put(schedule)
        for id in self._gone:
            self._manager.delete(id, this_actor())


def _read(file: Path, id: str, fields: Any, tag: str | None) -> Schedule:
    if not isinstance(fields, dict):
        raise InvalidSchedule(f"{file}: expected [schedules.{id}] to be a table, got {fields!r}")
    if "id" in fields:
        raise InvalidSchedule(f"{file}: schedule {id!r}: id: is the name of its table")
    try:
        schedule = Schedule(id=id, **fields)
        tags = (*schedule.tags, tag) if tag is not None and tag not in schedule.tags else schedule.tags
        return Schedule(**(dict(schedule) | {"tags": tags}))
    except InvalidSchedule as error:
        raise InvalidSchedule(f"{file}: {error}") from None


def _fields(schedule: Schedule | None) -> dict[str, Any] | None:
    return None if schedule is None else schedule.model_dump(mode="json", exclude_defaults=True)


def _listed(fields: Mapping[str, Any]) -> str:
    return "; ".join(f"{field}: {value!r}" for field, value in fields.items() if field != "id")
