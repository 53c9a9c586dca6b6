"""What a prefork pool forgets when its worker's consumer ends: at shutdown, or when the broker's connection is lost.

Celery flushes its pool then: it discards every job that no process has accepted as far as it has read, and takes all
slots for free. But what was sent runs regardless: its claim would stand for ever, and the next work that asks would
wait for a process that is at another. So what was sent to a living process is kept, what was not goes back to the
ledger, and the slots of what runs stay taken.
"""

from __future__ import annotations

from typing import Any

from ..runtime import Runtime
from .slots import take_slots


def flush_in_order(runtime: Runtime, pool: Any, semaphore: Any) -> None:
    """Puts this flush in the place of that of Celery's prefork pool, where it has one.

    `semaphore` is the worker's: it has a permit for each free slot.
    """
    celerys = pool.flush
    if celerys is None:
        return

    def flush() -> None:
        processes = pool._pool
        if processes is None:
            return  # a cold shutdown ends the pool before the consumer
        processes.maintain_pool()  # what was sent to the dead is the pool's again, and their pipes are gone
        waiting = [job for job in list(processes._cache.values()) if not job._accepted]
        sent = [job for job in waiting if job._write_to is not None and job._write_to._is_alive()]
        for job in sent:
            job._accepted = True  # as good as: it is in the pipe of a process that reads it next
        celerys()
        for job in sent:
            job._accepted = job._worker_pid is not None
            if not job._accepted and job._write_to.dead:
                job.discard()  # died in between
        take_slots(processes, semaphore)
        kept = set(processes._cache.values())
        for job in waiting:
            if job not in kept and not job.ready():
                _give_back(runtime, job.correlation_id)

    pool.flush = flush


def _give_back(runtime: Runtime, id: str) -> None:
    for claim in runtime.claims_on(id):
        if claim.pid is None:  # else it is an older one, which has lost its lease and runs on
            claim.forgotten = True
