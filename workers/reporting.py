"""Progress from a run to the ledger, a few times a second at most."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Final

from ..interest.errors import LedgerUnavailable
from ..interest.forking import no_fork_meanwhile
from ..interest.ledger import Ledger
from ..interest.records import Progress

_INTERVAL: Final = 0.25  # seconds between two writes


class Reporter:
    """Writes the first progress at once, then the latest in every interval; the last is never left out."""

    def __init__(self, ledger: Ledger, id: str, fence: str) -> None:
        self._ledger = ledger
        self._id = id
        self._fence = fence
        self._lock = threading.Lock()
        self._latest: Progress | None = None
        self._written_at = float("-inf")
        self._timer: threading.Timer | None = None

    def report(self, progress: Progress) -> None:
        """Takes note; writes now if the interval is over, else by itself when it is."""
        with self._lock:
            self._latest = progress
            wait = self._written_at + _INTERVAL - time.monotonic()
            if wait > 0:
                if self._timer is None:
                    self._timer = threading.Timer(wait, self.flush)
                    self._timer.daemon = True
                    self._timer.start()
                return
        self.flush()

    def flush(self) -> None:
        """Writes the latest progress if it is not written yet."""
        with self._lock:
            latest, self._latest = self._latest, None
            self._timer = None
            self._written_at = time.monotonic()
        if latest is not None:
            with no_fork_meanwhile():
                text = latest.model_dump_json()
            # Progress is no promise: an outage must not fail the work.
            with contextlib.suppress(LedgerUnavailable):
                self._ledger.progress(self._id, self._fence, text)

    def close(self) -> None:
        """Ends the timer."""
        with self._lock:
            timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
