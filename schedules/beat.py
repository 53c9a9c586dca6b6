"""Celery's own beat as a scheduler: `celery -A proj beat -S askfirst.schedules:LedgerScheduler`."""

from __future__ import annotations

from typing import Any

from celery import beat

from ..waiters.client import default_client
from .scheduler import Scheduler


class LedgerScheduler(beat.Scheduler):  # type: ignore[misc]  # celery is untyped
    """Fires what is in the ledger; the `beat_schedule` of the app fires as ever, from each beat that has one."""

    def __init__(self, app: Any, *arguments: Any, lazy: bool = False, **options: Any) -> None:
        self._ours = Scheduler(default_client()) if not lazy else None
        super().__init__(app, *arguments, lazy=lazy, **options)

    def tick(self, *arguments: Any, **options: Any) -> float:
        """One round of both; seconds until the next is wanted."""
        theirs = super().tick(*arguments, **options)
        return float(min(theirs, self._ours.tick_or_wait() if self._ours else theirs))

    @property
    def info(self) -> str:
        """What beat says when it starts."""
        return f"    . ledger -> {default_client().ledger.namespace}"
