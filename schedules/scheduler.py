"""The scheduler: any number of them share the work, and none is needed by the others."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

from ..interest.errors import LedgerUnavailable
from ..waiters.client import Client
from .deciding import decide
from .definitions import Definitions
from .following import Follower
from .publishing import Publisher
from .store import Decision, Look, Store

_log = logging.getLogger("askfirst.schedules")
_AT_ONCE: Final = 100  # schedules, and open instants, in one tick
_PLANNING: Final = 0.25  # seconds of a tick; what is left is due in the next one
_SOON: Final = 0.001  # seconds: what is due then is no backlog
_BUSY: Final = 1 / 20  # of its time at most, unless there is a backlog: what comes close together shares round trips
_GATHERED: Final = 0.1  # seconds for which what is due waits, at most, to gather
_LONGEST: Final = 1.0  # seconds between two ticks: what is put meanwhile waits no longer
_UNREADABLE: Final = 60_000  # ms until a definition that can't be read is tried again
_AWAY: Final = 0.5  # seconds between two tries to reach a ledger that is away


def open_store(client: Client) -> Store:
    """The store that the client's settings lead to."""
    settings = client.settings
    return Store(client.ledger, settings.schedule_history, settings.schedule_history_age)


class Scheduler:
    """Decides what is due, publishes it, takes over what dead peers left, and follows the runs.

    A tick costs what is due, not what there is. Nothing is locked: two schedulers plan the same, and the first to write
    has it.
    """

    def __init__(self, client: Client) -> None:
        self.store = open_store(client)
        self._definitions = Definitions(self.store)
        self._publisher = Publisher(client, self.store, self._definitions)
        self._follower = Follower(client.ledger, self.store, self._definitions)
        self._alarms: dict[str, str] = {}
        self._troubled = False

    def tick(self) -> float:
        """One round; seconds until the next is wanted. Raises `LedgerUnavailable`."""
        look = self.store.look(_AT_ONCE)
        decisions, complete = self._decide(look)
        decided = self.store.decide(decisions, self._definitions.calendar_changes)
        claims = [claimed for found in decided for claimed in found or ()]
        claims += self._follower.follow(look.open, look.now)
        self._publisher.publish(claims)
        if not complete or max(len(look.due), len(look.open)) == _AT_ONCE:
            return 0.0
        dues = [decision.next_due - look.now for decision in decisions if decision.next_due is not None]
        return min(max(min([look.more_in, *dues]) / 1000, _SOON), _LONGEST)

    def run(self, stopping: threading.Event) -> None:
        """Ticks until told to stop, through outages of the ledger."""
        while not stopping.is_set():
            stopping.wait(self.tick_or_wait())

    def tick_or_wait(self) -> float:
        """The same for one who does the waiting: seconds until the next tick, also where the ledger is away."""
        began_at = time.monotonic()
        try:
            patience = self.tick()
        except LedgerUnavailable as error:
            if not self._troubled:
                _log.error("the ledger is away: %s", error)
            self._troubled = True
            return _AWAY
        if self._troubled:
            _log.warning("the ledger is back")
            self._troubled = False
        took = time.monotonic() - began_at
        return max(patience - took, min(took / _BUSY, _GATHERED) if patience else 0.0)

    def _decide(self, look: Look) -> tuple[list[Decision], bool]:
        """What becomes of what is due, and whether there was time for all of it."""
        schedules = self._definitions.of((due.id, due.revision) for due in look.due)
        calendars = self._definitions.calendars((look.calendar_changes, look.now))
        self.store.postpone([due.id for due in look.due if due.id not in schedules], look.now + _UNREADABLE)
        give_up_at = time.monotonic() + _PLANNING
        decisions: list[Decision] = []
        for due in look.due:
            if due.id not in schedules:
                continue
            if time.monotonic() > give_up_at:
                return decisions, False
            schedule = schedules[due.id]
            decisions.append(decide(schedule, calendars, due, look.now, self._publisher.lane_of(schedule)))
            self._note_alarm(due.id, decisions[-1].alarm)
        return decisions, True

    def _note_alarm(self, id: str, alarm: str) -> None:
        if alarm and self._alarms.get(id) != alarm:
            _log.error("%s does not fire: %s", id, alarm)
        if alarm:
            self._alarms[id] = alarm
        else:
            self._alarms.pop(id, None)
