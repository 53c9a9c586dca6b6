"""A prefork pool that sees each of its processes end at once, and frees a slot only if that process had one.

Linux closes the files of a process before it can be waited for. Celery looks when they close, and if that was a moment
too early it takes the process for alive until its timer comes round, up to five seconds later: what is sent to it
meanwhile waits. And for each process that has ended Celery frees a slot, for one that had none too: for an idle one,
or for one that was to end after its last job. The next work that asks would wait for a process that is at another.
"""

from __future__ import annotations

from typing import Any, Final

from .slots import take_slots

_AGAIN: Final = 0.01  # seconds until the second look; each next one takes twice as long
_LAST: Final = 2.0  # seconds; then it is left to Celery's timer


def see_exits(pool: Any, semaphore: Any) -> None:
    """Has Celery's prefork pool look again until a process that ends can be waited for, where it has an event loop."""
    processes = pool._pool
    celerys = getattr(processes, "_event_process_exit", None)
    if celerys is None:
        return

    def maintain() -> None:
        joined = processes._join_exited_workers()
        processes._repopulate_pool(joined)
        for _ in joined:
            # One that has told of its last result has freed its slot with it, and another job has it by now.
            if len(processes._cache) < semaphore.initial_value:
                semaphore.release()

    processes._maintain_pool = maintain  # billiard's, but for the condition

    def look(hub: Any, process: Any, pause: float = _AGAIN) -> None:
        celerys(hub, process)
        if process in processes._pool and pause < _LAST:
            hub.call_later(pause, look, hub, process, 2 * pause)
        take_slots(processes, semaphore)

    processes._event_process_exit = look
