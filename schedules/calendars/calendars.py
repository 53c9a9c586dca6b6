"""All calendars by name: the defined ones, and every market by its code."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta

from ..errors import InvalidSchedule
from .built import AnyOf, Listed, Only, Weekly, listed_dates, listed_holidays, listed_market
from .calendar import Calendar
from .definition import CalendarDefinition, Dates, Difference, Holidays, Market, OnlyOn, Union, Weekdays, parts_of
from .disagreement import warn_of_disagreements, warn_of_early_closes
from .nse import NSE
from .sources import holidays_of, is_exchange, sessions_by_exchange_calendars, sessions_by_holidays

log = logging.getLogger("askfirst.schedules")

#: What a library knows grows with the days: its calendars are built anew after this long.
REFRESHED_AFTER = timedelta(days=7)


def _today() -> date:
    return datetime.now(UTC).date()


class Calendars(Mapping[str, Calendar]):
    """Calendars, each built when it is first asked for, by what the definitions say.

    Beside the definitions there are "XNSE" and every market that exchange_calendars knows by its code, such as "XNYS".
    Raises `InvalidSchedule` for a name that comes twice, a part that isn't there, and calendars made of themselves.
    """

    def __init__(self, definitions: Iterable[CalendarDefinition] = (), today: Callable[[], date] = _today) -> None:
        self._definitions: dict[str, CalendarDefinition] = {}
        for definition in definitions:
            if definition.name in self._definitions:
                raise InvalidSchedule(f"calendar {definition.name!r}: name: comes twice")
            self._definitions[definition.name] = definition
        self._today = today
        self._built: dict[str, tuple[Calendar, date]] = {}
        for definition in self._definitions.values():
            self._check_parts(definition)

    def __getitem__(self, name: str) -> Calendar:
        today = self._today()
        calendar, built_on = self._built.get(name, (None, today))
        if calendar is None or today - built_on >= REFRESHED_AFTER:
            calendar = self._build(self._definition(name), today)
            self._built[name] = calendar, today
        return calendar

    def __contains__(self, name: object) -> bool:
        if name in self._built or name in self._definitions or name == NSE.name:
            return True
        return isinstance(name, str) and is_exchange(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._definitions)

    def __len__(self) -> int:
        return len(self._definitions)

    def version(self, name: str) -> str:
        """Twelve hex digits that change when the definition, its parts or the version of its source do."""
        texts = [self._definition(part).to_json() for part in sorted(self._all_parts(name))]
        return hashlib.sha256("\n".join([*texts, self[name].source]).encode()).hexdigest()[:12]

    def _definition(self, name: str) -> CalendarDefinition:
        if name in self._definitions:
            return self._definitions[name]
        if name == NSE.name:
            return NSE
        if is_exchange(name):
            return Market(name=name, exchange=name)
        raise KeyError(name)

    def _build(self, definition: CalendarDefinition, today: date) -> Calendar:
        match definition:
            case Market():
                return self._market(definition, today)
            case Holidays(name=name, country=country, subdivision=subdivision):
                return listed_holidays(definition, holidays_of(name, country, subdivision, today))
            case Dates():
                return listed_dates(definition)
            case Weekdays():
                return Weekly(definition.name, definition.days)
            case Union(name=name, of=of):
                return AnyOf(name, self._parts(of))
            case Difference(name=name, of=whole, minus=minus):
                return Only(name, self[whole], [], self._parts(minus))
            case OnlyOn(name=name, of=whole, only=only):
                return Only(name, self[whole], self._parts(only), [])

    def _market(self, definition: Market, today: date) -> Listed:
        if definition.source == "holidays":
            known = sessions_by_holidays(definition.name, definition.exchange, today)
            warn_of_early_closes(definition, known, today)
        else:
            known = sessions_by_exchange_calendars(definition.name, definition.exchange, today)
            warn_of_disagreements(definition, known, today)
        return listed_market(definition, known)

    def _parts(self, names: Iterable[str]) -> list[Calendar]:
        return [self[name] for name in names]

    def _check_parts(self, definition: CalendarDefinition) -> None:
        for field, part in parts_of(definition):
            if part not in self:
                raise InvalidSchedule(f"calendar {definition.name!r}: {field}: there is no calendar {part!r}")
            if way := self._way(part, definition.name, ()):
                circle = " → ".join((definition.name, *way))
                raise InvalidSchedule(f"calendar {definition.name!r}: {field}: is made of itself: {circle}")

    def _way(self, begin: str, end: str, passed: tuple[str, ...]) -> tuple[str, ...]:
        """The calendars on the way from one down to another that it is made of; nothing if there is none."""
        if begin == end:
            return (*passed, end)
        if begin in passed or begin not in self._definitions:
            return ()
        ways = (self._way(part, end, (*passed, begin)) for _, part in parts_of(self._definitions[begin]))
        return next(filter(None, ways), ())

    def _all_parts(self, name: str) -> set[str]:
        found = {name}
        for _, part in parts_of(self._definition(name)):
            found |= self._all_parts(part)
        return found
