"""A prefork pool that hands a job to an idle process at once.

Celery's pool keeps a job until its event loop comes round: what else has arrived is handled first, and the slot waits
for it. Where a process is idle there is nothing to wait for.
"""

from __future__ import annotations

from typing import Any


def hand_over_at_once(pool: Any) -> None:
    """Lets this prefork pool of Celery's write a job to an idle process as soon as it has it."""
    celerys = pool.register_with_event_loop

    def register_with_event_loop(hub: Any) -> None:
        celerys(hub)
        _write_early(pool._pool, hub)

    pool.register_with_event_loop = register_with_event_loop


def _write_early(pool: Any, hub: Any) -> None:
    put = pool._quick_put

    def put_and_write(job: Any) -> None:
        put(job)
        idle = pool._all_inqueues - pool._active_writes - pool._busy_workers
        if idle:
            # What the loop would call: it takes the first job that waits, and copes with a full pipe.
            hub.consolidate_callback([idle.pop()])

    pool._quick_put = put_and_write
