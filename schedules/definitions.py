"""The definitions and calendars that this process has read, until they change."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Final

from .calendars.calendars import Calendars
from .calendars.definition import calendar_from
from .definition import Schedule
from .entries import as_moment
from .store import Store

_log = logging.getLogger("askfirst.schedules")
_KEPT: Final = 20_000  # definitions, of some kilobytes each


class Definitions:
    """Reads each definition once for each of its revisions."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: OrderedDict[str, tuple[int, Schedule]] = OrderedDict()
        self._calendars = Calendars()
        self._today = date.min
        #: How often calendars had changed when they were read.
        self.calendar_changes = -1

    def of(self, wanted: Iterable[tuple[str, int]]) -> dict[str, Schedule]:
        """The schedules of these ids, in these revisions or newer ones, but for those gone or not to be read."""
        pairs = dict(wanted)
        unknown = [id for id, revision in pairs.items() if self._known.get(id, (0, None))[0] < revision]
        for id, (text, revision) in zip(unknown, self._store.definitions(unknown), strict=True):
            self._known.pop(id, None)
            if text is not None:
                try:
                    self._known[id] = revision, Schedule.from_json(text)
                except (ValueError, TypeError) as error:  # another version of askfirst has written it, or nobody of us
                    _log.error("schedule %s is left alone: its definition can't be read: %s", id, error)
        for id in pairs:
            if id in self._known:
                self._known.move_to_end(id)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return {id: self._known[id][1] for id in pairs if id in self._known}

    def calendars(self, seen: tuple[int, int] | None = None) -> Calendars:
        """All calendars, read anew if they have changed.

        `seen` is what somebody has just seen: how often they have changed, and the time (ms): their horizons move on
        with the days of Redis, whatever the host says.
        """
        changes, now = self._store.calendar_changes() if seen is None else seen
        self._today = as_moment(now).date()
        if changes != self.calendar_changes:
            texts, self.calendar_changes = self._store.calendars()
            try:
                self._calendars = calendars_from(texts, lambda: self._today)
            except (ValueError, TypeError) as error:  # another version of askfirst has written it, or nobody of us
                _log.error("no calendar can be used: %s", error)
                self._calendars = Calendars(today=lambda: self._today)
        return self._calendars


def calendars_from(texts: Mapping[str, str], today: Callable[[], date]) -> Calendars:
    """The calendars from their definitions (JSON by name). Raises `InvalidSchedule`."""
    return Calendars((calendar_from(json.loads(text)) for text in texts.values()), today)
