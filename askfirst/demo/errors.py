"""Why the demo ends early."""

from __future__ import annotations


class DemoError(Exception):
    """The demo can't go on; the text says why, and what to do."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, or a signal that asks the demo to end."""

    def __init__(self, signal: int) -> None:
        super().__init__(signal)
        self.signal = signal
