"""What a prefork pool trips over when its worker connects to the broker anew.

Celery then has its event loop watch the end of every pool process again, and fails with a ValueError, the worker with
it, at one whose end it has seen and whose place is not filled yet. Nothing is to be watched there: the pool's timer
fills the place.
"""

from __future__ import annotations

from typing import Any


def track_living_only(pool: Any) -> None:
    """Has Celery's prefork pool pass over processes whose end it has seen, where it watches them by an event loop."""
    processes = pool._pool
    celerys = getattr(processes, "_track_child_process", None)
    if celerys is None:
        return

    def track(process: Any, hub: Any) -> None:
        if getattr(process, "_sentinel_poll", 0) is not None:
            celerys(process, hub)

    processes._track_child_process = track
