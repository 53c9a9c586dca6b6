"""Single keys from the terminal, without Enter."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from types import TracebackType
from typing import Any, Final

QUIT: Final = "q"


class Keyboard:
    """While it is entered, keys come one by one; without a terminal there are none. Ctrl-C stays an interrupt."""

    def __init__(self) -> None:
        self._terminal = sys.stdin.fileno() if sys.stdin.isatty() else None
        self._before: list[Any] | None = None

    def __enter__(self) -> Keyboard:
        if self._terminal is not None:
            self._before = termios.tcgetattr(self._terminal)
            tty.setcbreak(self._terminal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._terminal is not None and self._before is not None:
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)

    def wait(self, seconds: float) -> str:
        """The key pressed within so many seconds, or an empty text; `QUIT` if the terminal has gone."""
        seconds = max(seconds, 0.0)
        if self._terminal is None:
            time.sleep(seconds)
            return ""
        if not select.select([self._terminal], [], [], seconds)[0]:
            return ""
        try:
            pressed = os.read(self._terminal, 64)
        except OSError:
            return QUIT
        return pressed[-1:].decode("ascii", "replace") or QUIT
