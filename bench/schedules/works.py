"""What the schedules run."""

from __future__ import annotations

from askfirst import work


@work(name="bench.nothing", timeout=30, lane="default")
def nothing() -> None:
    """The scheduler is what is measured."""
