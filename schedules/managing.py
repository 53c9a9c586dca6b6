"""What operators and programs do with schedules: put, look, pause, trigger, backfill."""

from __future__ import annotations

import getpass
import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from operator import itemgetter
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict

from ..interest.errors import InvalidPayload, LedgerUnavailable, UnknownWork
from ..tasks import registry
from ..tasks.payload import check_size
from ..tasks.published import Callee, publish
from ..waiters.client import Client
from ..waiters.options import check_key
from ..waiters.submitting import callee_of
from .calendars.calendar import Calendar
from .calendars.calendars import Calendars
from .calendars.definition import CalendarDefinition, calendar_from
from .deciding import decide, next_decision
from .definition import Schedule
from .definitions import Definitions, calendars_from
from .entries import HistoryEntry, Status, as_history, as_moment, as_ms
from .errors import InvalidSchedule, UnknownSchedule
from .following import Follower
from .planning import check_calendars, instants, next_instant
from .publishing import Publisher
from .scheduler import open_store
from .store import Claimed, Due, Record

_TRIES: Final = 50  # of a change, against others that change the same
_PATIENCE: Final = 30.0  # seconds of a change, against others and a long outage that is to be decided before
_MOST_BACKFILLED: Final = 250  # as many as wait
_PAGE: Final = 200  # entries of a history read at once
_LONGEST_KEY: Final = "2000-01-01T00:00:00.000Z/trigger/9999"
#: What decides when there are instants: a change of it holds from then on.
_WHEN: Final = ("triggers", "timezone", "start", "end", "calendars", "exclude", "on_excluded")

Found = TypeVar("Found")


class ScheduleStatus(BaseModel):
    """A schedule as it stands. Times in UTC."""

    model_config = ConfigDict(frozen=True)
    id: str
    schedule: Schedule
    revision: int
    """Grows with each change."""
    next_time: datetime | None
    """Its next nominal instant; None if it is paused, has none, or cannot know (see `alarm`)."""
    paused: str | None
    """Why it is paused."""
    paused_by: str | None
    paused_at: datetime | None
    failures: int
    """Failed runs in a row."""
    alarm: str | None
    """Why it cannot fire: a calendar that knows too little, or is gone."""
    open: int
    """Runs that have not ended."""
    buffered: int
    """Instants that wait for the end of a run."""


class Manager:
    """For one client. Each method raises `LedgerUnavailable`, and `UnknownSchedule` where there is no such schedule."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.store = open_store(client)
        self._definitions = Definitions(self.store)
        self._publisher = Publisher(client, self.store, self._definitions)
        self._follower = Follower(client.ledger, self.store, self._definitions)

    # Definitions

    def put(self, schedule: Schedule) -> bool:
        """Writes a definition; whether that changed anything."""
        callee = self.check(schedule)
        text = schedule.to_json()
        self._announce(schedule.work)  # first: who may not do that, must not have put anything
        give_up_at = time.monotonic() + _PATIENCE
        while time.monotonic() < give_up_at:
            known = self.store.record(schedule.id)
            if known is not None and known.definition == text:
                return False
            # One moment for both: up to it the old definition decides, from then on the new one.
            calendars, now = self._definitions.calendars(), self.store.now()
            if known is not None and self._settle(known, schedule, calendars, now):
                continue
            if self._write(known, schedule, text, callee.lane, holds_from(known, schedule, now), calendars):
                return True
            self._end_what_has_not_started(schedule.id)
        raise LedgerUnavailable(
            f"schedule {schedule.id!r} was not put: others change it, or much that was missed is still to be decided:"
            " try again"
        )

    def check(self, schedule: Schedule, calendars: Mapping[str, Calendar] | None = None) -> Callee:
        """Whether it could be put: its work type. Raises `InvalidSchedule`, `InvalidPayload`, `UnknownWork`."""
        title = f"schedule {schedule.id!r}"
        try:
            callee = callee_of(self._client, schedule.work)
        except UnknownWork as error:
            raise UnknownWork(f"{title}: work: {error}") from None
        try:
            text = callee.encode(schedule.payload)
            check_size(callee.name, text, callee.max_payload or self._client.settings.max_payload)
            callee.partition(text)
        except InvalidPayload as error:
            raise InvalidPayload(f"{title}: payload: {error}") from None
        try:
            check_key("key", f"{schedule.key or schedule.id}@{_LONGEST_KEY}")
        except InvalidPayload as error:
            raise InvalidSchedule(f"{title}: {error}") from None
        for field in ("late_after", "over_after"):
            mark = getattr(schedule, field)
            if schedule.timeout is None and mark is not None and mark >= callee.timeout:
                raise InvalidSchedule(f"{title}: {field}: {mark:g} s is past the deadline of {callee.timeout:g} s")
        check_calendars(schedule, self._definitions.calendars() if calendars is None else calendars)
        return callee

    def get(self, id: str) -> ScheduleStatus | None:
        """How it stands; None if there is none."""
        return self.statuses([id])[0]

    def statuses(self, ids: Sequence[str]) -> list[ScheduleStatus | None]:
        """How they stand; None where there is none."""
        records = self.store.records(ids) if ids else []
        calendars = self._definitions.calendars() if any(records) else {}
        now = self.store.now() if any(records) else 0
        return [_status(record, calendars, now) if record else None for record in records]

    def page(self, *, tag: str | None, prefix: str, after: str, limit: int) -> list[ScheduleStatus]:
        """Schedules in the order of their ids."""
        if tag is None:
            ids = self.store.ids(prefix, after, limit)
        else:
            ids = [id for id in self.store.tagged(tag) if id.startswith(prefix) and id > after][:limit]
        return [status for status in self.statuses(ids) if status is not None]

    def delete(self, id: str, actor: str) -> bool:
        """Deletes it with its history; whether there was one."""
        found = self.store.delete(id, actor)
        self._end_what_has_not_started(id)
        return found

    # Calendars

    def calendars(self) -> list[CalendarDefinition]:
        """All that are defined, by name."""
        texts, _ = self.store.calendars()
        return [calendar_from(json.loads(texts[name])) for name in sorted(texts)]

    def put_calendars(self, definitions: Sequence[CalendarDefinition]) -> bool:
        """Writes calendars, all or none; whether that changed anything."""
        for _ in range(_TRIES):
            known, changes = self.store.calendars()
            changed = changed_calendars(known, definitions)
            if not changed:
                return False
            self.try_calendars(known, changed)
            if self.store.put_calendars(changed, changes):
                return True
        raise LedgerUnavailable("calendars are changed by others all the time")

    def try_calendars(self, known: Mapping[str, str], changed: Mapping[str, str]) -> Calendars:
        """All as they would be with these changes: definitions (JSON by name). Raises `InvalidSchedule`."""
        today = as_moment(self.store.now()).date()
        calendars = calendars_from({**known, **changed}, lambda: today)
        for name in changed:
            _ = calendars[name]  # what a library doesn't know it says when it is asked
        return calendars

    def delete_calendar(self, name: str) -> bool:
        """Removes a calendar that no other is made of; whether there was one."""
        for _ in range(_TRIES):
            known, changes = self.store.calendars()
            if name not in known:
                return False
            self.try_calendars({each: text for each, text in known.items() if each != name}, {})
            if self.store.put_calendars({name: None}, changes):
                return True
        raise LedgerUnavailable("calendars are changed by others all the time")

    # While it goes on

    def pause(self, id: str, reason: str, actor: str) -> bool:
        """Pauses it; whether it was not paused. What it queued and has not started never runs."""
        changed = _there_is(id, self.store.pause(id, reason, actor))
        self._end_what_has_not_started(id)
        return changed

    def resume(self, id: str) -> bool:
        """Lets it go on; whether it was paused. The instants of the pause are skipped."""
        return _there_is(id, self.store.resume(id))

    def trigger(self, id: str) -> HistoryEntry:
        """Fires it now, by its overlap policy; also while it is paused."""
        schedule = self._definition(id)
        fired = _there_is(id, self.store.trigger(id, schedule.overlap))
        return self._publish(id, [fired[0].instant], fired[1])[0]

    def backfill(self, id: str, after: datetime, until: datetime, overlap: str) -> list[HistoryEntry]:
        """Fires the instants in (after, until] that have not run, or have failed; what became of each."""
        record = self._record(id)
        schedule = Schedule.from_json(record.definition)
        limit = min(until, as_moment(record.cursor))
        found = list(islice(instants(schedule, self._definitions.calendars(), after, limit), _MOST_BACKFILLED + 1))
        if len(found) > _MOST_BACKFILLED:
            raise InvalidSchedule(f"schedule {id!r}: until: that are more than {_MOST_BACKFILLED} instants")
        entries, claims = _there_is(id, self.store.backfill(id, overlap, [as_ms(instant) for instant in found]))
        return self._publish(id, [entry.instant for entry in entries], claims)

    def next(self, id: str, count: int) -> list[datetime]:
        """Its next nominal instants."""
        schedule, calendars = self._definition(id), self._definitions.calendars()
        after, found = as_moment(self.store.now()), list[datetime]()
        while len(found) < count and (instant := next_instant(schedule, calendars, after)) is not None:
            found.append(instant)
            after = instant
        return found

    def upcoming(self, count: int) -> list[tuple[str, datetime]]:
        """The next nominal instants of all schedules, the first of each."""
        found: list[tuple[str, datetime]] = []
        start, more = 0, True
        while more and (page := self.store.upcoming(count, start)):
            statuses = self.statuses([id for id, _ in page])
            found += [(status.id, status.next_time) for status in statuses if status and status.next_time]
            found = sorted(found, key=itemgetter(1))[:count]
            # Some are looked at long before they fire: to note what doesn't, or to see whether they can.
            more = len(found) < count or as_ms(found[-1][1]) > page[-1][1]
            start += count
        return found

    def history(
        self, id: str, *, since: datetime | None, until: datetime | None, status: Status | None, limit: int
    ) -> list[HistoryEntry]:
        """What became of its instants, the newest first."""
        self._record(id)
        low, high = (None if moment is None else as_ms(moment) for moment in (since, until))
        found: list[HistoryEntry] = []
        start = 0
        while len(found) < limit and (page := self.store.history(id, low, high, start, _PAGE)):
            found += [as_history(id, entry) for entry in page if status is None or entry.status == status]
            start += _PAGE
        return found[:limit]

    # Steps

    def _record(self, id: str) -> Record:
        return _there_is(id, self.store.record(id))

    def _definition(self, id: str) -> Schedule:
        return Schedule.from_json(self._record(id).definition)

    def _settle(self, known: Record, schedule: Schedule, calendars: Calendars, now: int) -> bool:
        """Decides by the old definition what was due before it changes; whether there was anything."""
        if not _changes_when(known, schedule):
            return False
        paused_until = now if known.paused else known.paused_until
        due = Due(known.id, known.revision, known.cursor, known.carry, paused_until)
        decision = decide(Schedule.from_json(known.definition), calendars, due, now, "", early=True)
        if not decision.fates and not decision.carry:
            return False
        if known.paused:
            decision = replace(decision, paused=True, next_due=None)
        [claims] = self.store.decide([decision])
        self._publisher.publish(claims or [])
        return True

    def _write(
        self, known: Record | None, schedule: Schedule, text: str, lane: str, reached: int, calendars: Calendars
    ) -> bool:
        """Writes a definition that holds from `reached` on; False if others were faster."""
        return self.store.put(
            schedule.id,
            text,
            lane,
            schedule.tags,
            known=known,
            calendars=self._definitions.calendar_changes,
            reached=reached,
            next_due=next_decision(schedule, calendars, reached),
        )

    def _end_what_has_not_started(self, id: str) -> None:
        """What a pause, or the end of a schedule, asks for; schedulers do the same if this process dies here."""
        rows = self.store.open(id)
        if rows:
            self._publisher.publish(self._follower.follow(rows, self.store.now()))

    def _publish(self, id: str, names: Sequence[str], claims: Sequence[Claimed]) -> list[HistoryEntry]:
        self._publisher.publish(claims)
        return [as_history(id, entry) for entry in self.store.entries(id, names)]

    def _announce(self, work: str) -> None:
        """Makes a work type known that only this process knows: schedulers need not import it."""
        definition = registry.find(work)
        if definition is not None and self._client.ledger.published_type(work) is None:
            self._client.ledger.publish_types({work: publish(definition)})


def _changes_when(known: Record, schedule: Schedule) -> bool:
    old = Schedule.from_json(known.definition)
    return any(getattr(old, field) != getattr(schedule, field) for field in _WHEN)


def holds_from(known: Record | None, schedule: Schedule, now: int) -> int:
    """From when on the definition holds."""
    if known is None:
        return now
    # Never back: where the clock of Redis was set back, what is decided would be decided again.
    return max(now, known.cursor) if _changes_when(known, schedule) else known.cursor


def changed_calendars(known: Mapping[str, str], definitions: Sequence[CalendarDefinition]) -> dict[str, str]:
    """Those that are not as known: definitions (JSON by name)."""
    texts = {definition.name: definition.to_json() for definition in definitions}
    return {name: text for name, text in texts.items() if known.get(name) != text}


def _status(record: Record, calendars: Mapping[str, Calendar], now: int) -> ScheduleStatus:
    schedule = Schedule.from_json(record.definition)
    next_time, alarm = None, record.alarm
    if not record.paused:
        try:
            next_time = next_instant(schedule, calendars, as_moment(max(record.cursor, now)))
        except (LookupError, ValueError) as error:
            alarm = alarm or str(error)
    return ScheduleStatus(
        id=record.id,
        schedule=schedule,
        revision=record.revision,
        next_time=next_time,
        paused=record.paused or None,
        paused_by=record.paused_by or None,
        paused_at=as_moment(record.paused_at) if record.paused else None,
        failures=record.failures,
        alarm=alarm or None,
        open=record.open,
        buffered=record.buffered,
    )


def _there_is(id: str, found: Found | None) -> Found:
    if found is None:
        raise UnknownSchedule(f"no schedule is called {id!r}")
    return found


def this_actor() -> str:
    """Who does something, where nobody says: the user at this host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in many a container
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def utc(moment: datetime) -> datetime:
    """The moment in UTC, to the millisecond; one without a zone is taken as UTC."""
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.replace(microsecond=aware.microsecond // 1000 * 1000)
