"""Bad messages on their way out of the worker: counted, kept, and the works that they name looked after.

The consumer only drops them here, since a flood of them must cost it next to nothing; the monitor brings them to the
ledger once a second.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ..interest.errors import LedgerUnavailable
from ..interest.ledger import Ledger
from ..interest.messages import KEPT, BadMessage, Flaw, letter_of, set_aside
from ..interest.records import lane_of
from ..interest.states import Reason, State
from ..tasks.checking import Problem

_log = logging.getLogger(__name__)
_LOOKED_AFTER: Final = 100  # works in one round


@dataclass(slots=True)
class _Kept:
    """Those of one lane that the ledger does not know of yet; of more than can be kept, the first."""

    counts: Counter[str] = field(default_factory=Counter)
    messages: list[BadMessage] = field(default_factory=list)


class Aside:
    """What one worker has set aside and not told yet. `is_good` says whether a letter could be rung with again."""

    def __init__(self, is_good: Callable[[str], bool]) -> None:
        self._is_good = is_good
        self._lanes: dict[str, _Kept] = {}
        self._works: dict[str, Problem] = {}
        self._lock = threading.Lock()

    def put(self, lane: str, problem: Problem, id: str, describe: Callable[[], BadMessage]) -> None:
        """Counts it for the lane, and keeps it if there is room. `id` is the work's that it names, if any."""
        with self._lock:
            kept = self._lanes.setdefault(lane, _Kept())
            kept.counts[problem.flaw] += 1
            if len(kept.messages) < KEPT:
                kept.messages.append(describe())
            # Of an unknown type it is Celery that tells; see unknown.py.
            named = lane_of(id) is not None and problem.flaw is not Flaw.UNKNOWN_TYPE
            if named and len(self._works) < _LOOKED_AFTER:
                self._works.setdefault(id, problem)

    def flush(self, ledger: Ledger) -> None:
        """Tells the ledger. Raises `LedgerUnavailable`, and keeps then what it has not told."""
        with self._lock:
            lanes, self._lanes = self._lanes, {}
            works, self._works = self._works, {}
        try:
            while lanes:
                lane, kept = next(iter(lanes.items()))
                set_aside(ledger, lane, kept.counts, kept.messages)
                for flaw, count in kept.counts.items():
                    _log.error("%d message(s) of lane %s set aside: %s; see askfirst messages", count, lane, flaw)
                del lanes[lane]
            while works:
                id, problem = next(iter(works.items()))
                self._look_after(ledger, id, problem)
                del works[id]
        except LedgerUnavailable:
            self._take_back(lanes, works)
            raise

    def _look_after(self, ledger: Ledger, id: str, problem: Problem) -> None:
        """The work's own message may have been this one: it is rung for again, or fails if its letter is as bad."""
        letter = letter_of(ledger, id)
        if letter is None:
            return  # it has ended, or there is no such work
        if problem.flaw is not Flaw.REFUSED and self._is_good(letter):
            ledger.offer(lane_of(id) or "", [id])
            return
        failure = {"type": "MessageRefused", "message": f"{problem.flaw}: {problem.detail}", "traceback": ""}
        ledger.cancel(id, Reason.MESSAGE_REFUSED, state=State.FAILED, failure=json.dumps(failure))

    def _take_back(self, lanes: dict[str, _Kept], works: dict[str, Problem]) -> None:
        with self._lock:
            for lane, kept in lanes.items():
                newer = self._lanes.get(lane, _Kept())
                kept.counts.update(newer.counts)
                kept.messages = (kept.messages + newer.messages)[:KEPT]
                self._lanes[lane] = kept
            self._works = works | self._works
