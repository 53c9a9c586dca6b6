"""Works by id or key, and the ledger's clock, which all their times are of."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from askfirst.interest.records import WorkStatus


class LedgerClock:
    """Tells the time by the clock of Redis, which it asks once. Raises `LedgerUnavailable`."""

    def __init__(self) -> None:
        from askfirst.waiters.client import default_client

        seconds, microseconds = default_client().ledger.line.command("TIME")
        self._asked_at = time.monotonic()
        self._answer = datetime.fromtimestamp(int(seconds), UTC) + timedelta(microseconds=int(microseconds))

    def now(self) -> datetime:
        """The time now."""
        return self._answer + timedelta(seconds=time.monotonic() - self._asked_at)


def find(id_or_key: str) -> WorkStatus:
    """The work of that id or key. Raises `UnknownWork` and `LedgerUnavailable`."""
    from askfirst import UnknownWork, status

    found = status(id_or_key)
    if found is None:
        raise UnknownWork(f"no work of the id or key {id_or_key!r} is known")
    return found
