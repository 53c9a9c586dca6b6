"""What a prefork pool forgets when its worker's consumer ends: at shutdown, or when the broker's connection is lost.

Celery flushes its pool then: it discards every job that no process has accepted as far as it has read, those that were
sent and are run regardless among them. Nobody would read their results any more; their process would wait half a minute
for that, and their claims would stand. So the pool first hears what its processes have to say, and what it then forgets
goes back to the ledger. `_cache`, `_accepted` and `_write_to` are billiard's own and private: it is pinned by Celery,
which is pinned below its next minor version.
"""

from __future__ import annotations

import time
from typing import Any, Final

from .runtime import Runtime

_PATIENCE: Final = 1.0  # seconds in which an idle process accepts what was sent to it


def flush_in_order(runtime: Runtime, pool: Any) -> None:
    """Puts this flush in the place of that of Celery's prefork pool, where it has one."""
    celerys = pool.flush
    if celerys is None:
        return

    def flush() -> None:
        jobs = pool._pool._cache
        _hear_acceptances(pool._pool)
        forgotten = [job.correlation_id for job in list(jobs.values()) if not job._accepted and job._write_to is None]
        celerys()
        for id in forgotten:
            for claim in runtime.claims_on(id):
                claim.forgotten = True

    pool.flush = flush


def _hear_acceptances(pool: Any) -> None:
    give_up_at = time.monotonic() + _PATIENCE
    while time.monotonic() < give_up_at:
        sent = [job for job in list(pool._cache.values()) if job._write_to is not None and not job._accepted]
        if not sent:
            return
        for job in sent:
            pool.process_flush_queues(job._write_to)
