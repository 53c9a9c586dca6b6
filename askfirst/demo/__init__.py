"""The demonstration that `askfirst demo` runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["run_demo", "run_schedules"]


def run_demo(console: Console) -> int:
    """Runs the demo and removes everything it made; the exit code of the command, see `main.run_demo`."""
    # The demo's own workers and callers import this package too, and need nothing of that.
    from . import main

    return main.run_demo(console)


def run_schedules(console: Console) -> int:
    """Runs the demo of schedules in the same way."""
    from . import main

    return main.run_schedules(console)
