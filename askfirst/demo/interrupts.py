"""Ctrl-C, SIGTERM and SIGHUP as one exception, which never comes where it would leave something behind."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from .errors import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Raises `Interrupted` in the main thread, where it is used, when one of the signals comes."""

    def __init__(self) -> None:
        self._held = 0
        self._pending: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        for number in _SIGNALS:
            # A signal that is ignored, as nohup does, stays ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def hold(self) -> None:
        """From now on nothing is raised any more."""
        self._held += 1

    @contextmanager
    def held(self) -> Iterator[None]:
        """A signal that comes inside is raised at the end of the block."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
        if self._pending is not None and not self._held:
            number, self._pending = self._pending, None
            raise Interrupted(number)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if not self._held:
            raise Interrupted(number)
        self._pending = number
