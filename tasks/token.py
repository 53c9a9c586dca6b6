"""The cancellation token of a run: tripped once, it says why."""

from __future__ import annotations

import threading
from collections.abc import Callable


class InterestLost(BaseException):
    """Nobody wants the running work any more; `reason` says why.

    A BaseException, so that a broad `except Exception` in a work cannot swallow it.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Token:
    """Tripped by whoever learns that a run must stop; read by the run. The first reason stands."""

    def __init__(self) -> None:
        self._tripped = threading.Event()
        self._told = threading.Event()
        self._lock = threading.Lock()
        self._reason = ""
        self._listeners: dict[Callable[[], object], None] = {}

    @property
    def reason(self) -> str:
        """Why the run must stop; empty while it need not."""
        return self._reason

    def trip(self, reason: str) -> bool:
        """Tells the run to stop, and its listeners, the latest first; False if it was told before."""
        with self._lock:
            if self._reason:
                return False
            self._reason = reason
            listeners, self._listeners = self._listeners, {}
        self._tripped.set()
        try:
            for listener in reversed(listeners):
                listener()
        finally:
            self._told.set()
        return True

    def on_trip(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Calls it once when the token trips, from the thread that trips it; at once if it has tripped.

        Returns what makes it not be called.
        """
        with self._lock:
            tripped = bool(self._reason)
            if not tripped:
                self._listeners[listener] = None
        if tripped:
            listener()
        return lambda: self._ignore(listener)

    def _ignore(self, listener: Callable[[], object]) -> None:
        with self._lock:
            self._listeners.pop(listener, None)

    def wait(self, timeout: float) -> bool:
        """Waits until tripped, at most `timeout` seconds; whether it is."""
        return self._tripped.wait(timeout)

    def wait_until_told(self, timeout: float) -> bool:
        """Waits until all listeners have been told, at most `timeout` seconds; whether they have."""
        return self._told.wait(timeout)
