"""Calls that the thread which asks for them must not wait for, made in order on a thread that comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from typing import Final

_log = logging.getLogger(__name__)
_IDLE: Final = 1.0  # seconds without a call until the thread ends
_CLOSE: Final = 5.0  # seconds that closing waits for what is under way


def on_event_loop() -> bool:
    """Whether this thread runs an event loop right now."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class BackgroundCalls:
    """One queue of calls, and its thread while there are any."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def put(self, call: Callable[[], object]) -> None:
        """Has it called soon."""
        with self._lock:
            self._calls.put(call)
            if self._thread is None:
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                with contextlib.suppress(RuntimeError):  # as many threads as there may be: the next call tries again
                    thread.start()
                    self._thread = thread

    def wait(self, timeout: float) -> None:
        """Waits until all calls asked for so far are made, at most `timeout` seconds."""
        if self._thread is not None:
            made = threading.Event()
            self.put(made.set)
            made.wait(timeout)

    def close(self) -> None:
        """Waits until all calls are made and the thread has ended, a few seconds at most."""
        with self._lock:
            thread, self._closed = self._thread, True
            if thread is not None:
                self._calls.put(_wake)
        if thread is not None and thread is not threading.current_thread():
            thread.join(_CLOSE)

    def _run(self) -> None:
        while True:
            try:
                call = self._calls.get(timeout=0.0 if self._closed else _IDLE)
            except queue.Empty:
                with self._lock:
                    if self._calls.empty():
                        self._thread = None
                        return
                continue
            try:
                call()
            except Exception:
                _log.exception("a call of %s failed", self._name)


def _wake() -> None:
    """Has the thread look again at how long it is to wait."""
