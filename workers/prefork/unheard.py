"""Works that the pool was given and that no process takes: theirs hangs, or the pool has lost them.

The claim of such a work is renewed as if it ran, so nobody else would ever run it. But what processes say is heard by
the worker's event loop only: while that hangs, over a broker that does not answer, nothing is known of them.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import time
from typing import Any, Final

from ..runtime import Runtime

_log = logging.getLogger(__name__)
SILENCE: Final = 10.0
"""Seconds without a word of a process that has got a work: one that is idle takes it within milliseconds."""


class Unheard:
    """Looks after them, in the monitor's thread, whenever it is told to look."""

    def __init__(self, runtime: Runtime, hub: Any) -> None:
        """`hub` is the worker's event loop; without one Celery hears of its processes by threads."""
        self._runtime = runtime
        self._silent_since: dict[str, float] = {}
        """By the fence of a claim: when it was first seen without a process, although there are some at nothing."""
        self._turns = 0 if hub is not None else math.inf
        self._heard_at: dict[str, float] = {}
        """By the fence of a claim that was silent for long: the turn of the loop by which all is heard until then."""
        if hub is not None:
            hub.on_tick.add(self._note_turn)

    def _note_turn(self) -> None:
        self._turns += 1

    def rescue(self) -> None:
        """Ends the processes that are at nothing: the pool has others do their works. What it has lost goes back."""
        claims = [claim for claim in self._runtime.claims() if claim.pid is None and not claim.forgotten]
        if not claims or not self._runtime.killable:
            self._silent_since.clear()
            return
        jobs = list(self._runtime.pool._pool._cache.values())
        known = {job.correlation_id for job in jobs}
        idle = self._idle({job._worker_pid for job in jobs})
        now = time.monotonic()
        # Where no process is idle the pool will come to what it knows.
        waiting = [claim for claim in claims if idle or claim.id not in known]
        self._silent_since = {claim.fence: self._silent_since.get(claim.fence, now) for claim in waiting}
        long_silent = [claim for claim in waiting if now - self._silent_since[claim.fence] > SILENCE]
        # The turn that is under way may be over with its reading; the next one has read all when another begins.
        self._heard_at = {each.fence: self._heard_at.get(each.fence, self._turns + 2) for each in long_silent}
        silent = [claim for claim in long_silent if self._turns >= self._heard_at[claim.fence]]
        if not silent:
            return
        _log.error("no process takes %s: those that are at nothing are replaced", ", ".join(each.id for each in silent))
        self._silent_since.clear()
        for pid in idle:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for claim in silent:
            claim.forgotten = claim.id not in known

    def _idle(self, at_work: set[int | None]) -> set[int]:
        """The processes that have accepted nothing, but for those that are not up yet: Celery sees to these."""
        pool = self._runtime.pool
        pids = set(pool.info["processes"])
        # Where Celery has an event loop each process says that it is up, as soon as it has loaded what it needs.
        up = getattr(pool._pool, "_fileno_to_inq", None)
        if up is not None:
            pids &= {process.pid for process in list(up.values())}
        return pids - at_work - {claim.pid for claim in self._runtime.claims()}
