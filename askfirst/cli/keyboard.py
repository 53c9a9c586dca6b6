"""Single keys from the terminal, without Enter."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import time
import tty
from typing import Any, Final

QUIT: Final = "q"


class Keyboard:
    """Between `open` and `close` keys come one by one; without a terminal there are none. Ctrl-C stays an interrupt."""

    def __init__(self) -> None:
        self._terminal = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
        self._before: list[Any] = [] if self._terminal is None else termios.tcgetattr(self._terminal)

    def open(self) -> None:
        """Takes keys without waiting for Enter, and doesn't show them."""
        if self._terminal is not None:
            tty.setcbreak(self._terminal)

    def close(self) -> None:
        """Leaves the terminal as it was."""
        if self._terminal is not None:
            with contextlib.suppress(termios.error):  # it has gone
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
