"""What Celery's prefork pool is taught: to lose no work, to keep none waiting without need, to count its slots right.

A task that Celery's pool forgets is delivered again by the broker; a claimed work is nobody else's as long as its claim
is renewed. So there is a module for each moment that matters: a job comes (`handing`), a process ends (`exits`), the
worker connects to its broker anew (`reconnecting`), its consumer ends (`flushing`); `unheard` finds what is stuck all
the same. They use private attributes of Celery and billiard: Celery, which pins billiard, is pinned below its next
minor version.
"""

from __future__ import annotations

from typing import Any

from ..runtime import Runtime
from .exits import see_exits
from .flushing import flush_in_order
from .handing import hand_over_at_once
from .reconnecting import track_living_only

__all__ = ["teach_pool"]


def teach_pool(runtime: Runtime, pool: Any, semaphore: Any) -> None:
    """Teaches the worker's prefork pool all of it, before its event loop knows the pool.

    `semaphore` is the worker's: it has a permit for each free slot.
    """
    flush_in_order(runtime, pool, semaphore)
    hand_over_at_once(pool)
    track_living_only(pool)
    see_exits(pool, semaphore)
