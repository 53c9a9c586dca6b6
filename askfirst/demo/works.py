"""The same work twice, for the two fleets that the demo compares: as an askfirst work and as a plain Celery task."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from celery import Celery, Task

from .. import WorkContext, work

TIMEOUT = 1.0
"""Seconds that a caller is ready to wait."""
WORK = 0.1
"""Seconds that a work holds its slot."""

plain = Celery("plain", set_as_current=False)
plain.conf.update(broker_connection_retry_on_startup=True, task_default_queue="plain")


@work(name="demo.work", timeout=TIMEOUT)
def asking_work(ctx: WorkContext, log: Path) -> str:
    """Holds its slot for `WORK` seconds, or until nobody waits any more."""
    return _hold_slot(ctx.id, log, ctx.sleep)


@plain.task(name="demo.plain_work", bind=True)
def plain_work(self: Task, log: str) -> str:
    """Holds its slot for `WORK` seconds."""
    return _hold_slot(self.request.id, Path(log), time.sleep)


def _hold_slot(id: str, log: Path, sleep: Callable[[float], None]) -> str:
    with _noted(id, log):
        sleep(WORK)
    return "done"


@contextmanager
def _noted(id: str, log: Path) -> Iterator[None]:
    """Notes how long the slot was held, also if the work is stopped."""
    started_at = time.monotonic()
    try:
        yield
    finally:
        line = json.dumps({"id": id, "seconds": time.monotonic() - started_at}) + "\n"
        # One write to an O_APPEND file: lines of several processes never mix.
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(descriptor, line.encode())
        os.close(descriptor)
