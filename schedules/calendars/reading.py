"""Own days from files."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ..errors import InvalidSchedule
from ..zones import local_of, zone_named
from .definition import Day


def read_days(path: Path | str, timezone: str = "UTC") -> tuple[Day, ...]:
    """The days in a file, by its suffix; times of an ICS file are read as local times of `timezone`.

    `.csv`: the columns date, note, opens, closes, of which only the first must be there. `.toml`: tables `[[days]]`
    with the same fields, date being `day`. `.ics`: each event is a day, or several; all-day events have no hours.
    Raises `InvalidSchedule`, naming the line, the table or the event, and OSError.
    """
    path = Path(path)
    readers = {".csv": _read_csv, ".toml": _read_toml, ".ics": _read_ics}
    if path.suffix.lower() not in readers:
        raise InvalidSchedule(f"{path.name}: expected a file of type {', '.join(readers)}")
    found = []
    for where, fields in readers[path.suffix.lower()](path, zone_named(timezone)):
        try:
            found.append(Day(**fields))
        except InvalidSchedule as error:
            raise InvalidSchedule(f"{path.name}: {where}: {error.problem}") from None
    return tuple(found)


def _read_csv(path: Path, zone: ZoneInfo) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        rows = csv.DictReader(lines, strict=True)
        try:
            if "date" not in (rows.fieldnames or ()):
                raise InvalidSchedule(f"{path.name}: line 1: expected the columns date, note, opens, closes")
            for row in rows:
                fields = {("day" if name == "date" else name or "more"): value for name, value in row.items() if value}
                yield f"line {rows.line_num}", fields
        except csv.Error as error:
            raise InvalidSchedule(f"{path.name}: line {rows.reader.line_num}: {error}") from None
        except UnicodeDecodeError as error:
            raise InvalidSchedule(f"{path.name}: {error}") from None


def _read_toml(path: Path, zone: ZoneInfo) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no TOML, or no UTF-8
        raise InvalidSchedule(f"{path.name}: {error}") from None
    days = content.get("days")
    if not isinstance(days, list) or not all(isinstance(day, dict) for day in days) or set(content) != {"days"}:
        raise InvalidSchedule(f"{path.name}: expected tables [[days]] and nothing else")
    yield from ((f"days.{n}", fields) for n, fields in enumerate(days))


def _read_ics(path: Path, zone: ZoneInfo) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        from icalendar import Calendar
    except ImportError:
        raise InvalidSchedule(f"{path.name}: needs icalendar: pip install 'askfirst[calendars]'") from None
    try:
        events = Calendar.from_ical(path.read_text(encoding="utf-8")).walk("VEVENT")
    except ValueError as error:
        raise InvalidSchedule(f"{path.name}: {error}") from None
    for event in events:
        where = f"event {str(event.get('SUMMARY', event.get('UID', '?')))!r}"
        if "RRULE" in event or "RDATE" in event:
            raise InvalidSchedule(f"{path.name}: {where}: RRULE: write its days one by one")
        if str(event.get("STATUS", "")).upper() != "CANCELLED":
            yield from ((where, fields) for fields in _days_of(event, zone, f"{path.name}: {where}"))


def _days_of(event: Any, zone: ZoneInfo, where: str) -> Iterator[dict[str, Any]]:
    if "DTSTART" not in event:
        raise InvalidSchedule(f"{where}: DTSTART: is missing")
    begin, note = event.start, str(event.get("SUMMARY", ""))
    end = event.end
    if isinstance(begin, datetime):
        begin, end = _local(begin, zone), _local(end, zone)
        if begin.date() != end.date():
            raise InvalidSchedule(f"{where}: DTEND: an event with hours must end on the day on which it begins")
        yield {"day": begin.date(), "note": note, "opens": begin.time(), "closes": end.time()}
        return
    yield from ({"day": begin + timedelta(days=n), "note": note} for n in range(max((end - begin).days, 1)))


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment if moment.tzinfo is None else local_of(moment, zone)
