"""Taking messages ahead: worth it for short runs, and never at the cost of works that another worker could start."""

from __future__ import annotations

import threading
import time
from typing import Any, Final

_SHORT: Final = 0.25  # seconds; longer runs hide the way of a message, and would make those that wait behind them late
_PATIENCE: Final = 1.0  # seconds that a message waits in a worker before it is offered to all


class Prefetch:
    """What a worker has taken and not asked about yet, and how much of that it may take.

    Celery takes as many messages as there are slots. Where runs are short, a message that lies ready saves its way from
    the broker to the slot: then it may take `per_slot` more for each.
    """

    def __init__(self, per_slot: int) -> None:
        self._per_slot = per_slot
        self._ahead = 0
        self._mean = float("inf")  # seconds of a run, fading
        self._waiting: dict[str, float] = {}
        self._lock = threading.Lock()

    def note_run(self, took: float) -> None:
        """A run took so many seconds."""
        self._mean = took if self._mean == float("inf") else self._mean + (took - self._mean) / 16

    def note_arrival(self, id: str) -> None:
        """A message has come, and waits for a slot."""
        with self._lock:
            self._waiting[id] = time.monotonic()

    def note_question(self, id: str) -> None:
        """There is a slot for it."""
        with self._lock:
            self._waiting.pop(id, None)

    def adjust(self, qos: Any, slots: int) -> None:
        """Sets how much the consumer takes; called by the monitor, the consumer takes notice in its own time."""
        wanted = slots * self._per_slot if self._mean < _SHORT else 0
        # Celery starts anew where the broker was away: what was added before is gone, and must not be taken off.
        ahead = max(min(self._ahead, qos.value - slots), 0)
        if wanted > ahead:
            qos.increment_eventually(wanted - ahead)
        elif wanted < ahead:
            qos.decrement_eventually(ahead - wanted)
        self._ahead = wanted

    def overdue(self, patience: float = _PATIENCE) -> list[str]:
        """The works whose message has waited for so many seconds; each is named once."""
        latest = time.monotonic() - patience
        with self._lock:
            found = [id for id, since in self._waiting.items() if since <= latest]
            for id in found:
                del self._waiting[id]
        return found
