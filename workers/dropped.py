"""How a pool process tells its parent that a run was given up."""

from __future__ import annotations

from celery.exceptions import Ignore


class Dropped(Ignore):  # type: ignore[misc]  # celery is untyped
    """The run ended without a result of its own; `reason` says why. The ledger knows already."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
