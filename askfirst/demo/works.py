"""The same work twice, for the two fleets that the demo compares: as an askfirst work and as a plain Celery task."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from celery import Celery, Task

from .. import WorkContext, work
from .load import NAME, TIMEOUT, WORK
from .logs import append

plain = Celery("plain", set_as_current=False)
plain.conf.update(broker_connection_retry_on_startup=True, task_default_queue="plain")


@work(name=NAME, timeout=TIMEOUT)
def asking_work(ctx: WorkContext, log: Path) -> str:
    """Holds its slot for `WORK` seconds, or until nobody waits any more."""
    return _hold_slot(ctx.id, log, ctx.sleep)


@plain.task(name="demo.plain_work", bind=True)  # type: ignore[untyped-decorator]  # celery is untyped
def plain_work(self: Task, log: str) -> str:
    """Holds its slot for `WORK` seconds."""
    return _hold_slot(self.request.id, Path(log), time.sleep)


def _hold_slot(id: str, log: Path, sleep: Callable[[float], None]) -> str:
    started_at = time.monotonic()
    try:
        sleep(WORK)
    finally:
        # Also where it is stopped.
        append(log, id=id, seconds=time.monotonic() - started_at)
    return "done"
