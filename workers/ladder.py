"""From asking a run to stop to making it: the token at once, after the grace period the process."""

from __future__ import annotations

import logging
import math
import os
import time
from typing import Final

from celery.worker import state

from ..interest.errors import LedgerUnavailable
from ..interest.ledger import Ledger
from ..interest.states import Reason
from .runtime import Claim, Runtime
from .tripline import Tripline

_log = logging.getLogger(__name__)
_LAST_WORDS: Final = 0.5  # seconds between the end of the grace period and the end of a worker whose threads don't end


class Ladder:
    """Climbed by the monitor, for each run by itself."""

    def __init__(self, runtime: Runtime, ledger: Ledger) -> None:
        self._runtime = runtime
        self._ledger = ledger
        self.tripline = Tripline(runtime)

    def stop(self, claim: Claim, reason: str) -> None:
        """First step: trips the run's token. Told again, it is tripped again: the first may have come too early."""
        if self._runtime.find_claim(claim.fence) is not claim:
            return  # over meanwhile
        if not claim.stop:
            level = logging.WARNING if reason == Reason.LEASE_LOST else logging.INFO
            _log.log(level, "%s is told to stop: %s", claim.id, reason)
            claim.stop = reason
            claim.stop_at = time.monotonic()
        self.tripline.trip(claim, claim.stop)

    def kill(self, claim: Claim, reason: str) -> None:
        """All steps at once: no grace period for this run."""
        claim.grace = 0.0
        self.stop(claim, reason)

    def climb(self) -> None:
        """The steps that are due: shutdown's tokens, and what the end of a grace period asks for."""
        now = time.monotonic()
        for claim in self._runtime.claims():
            if claim.forgotten:
                self._give_back(claim)
                continue
            if now >= self._runtime.shutdown_at:
                self.stop(claim, Reason.SHUTDOWN)
            if now >= claim.stop_at + claim.grace:
                self._end(claim)
        if self._hopeless(now):
            self._leave()

    def next_step_at(self) -> float:
        """When the next step is due, by the monotonic clock."""
        claims = self._runtime.claims()
        steps = [claim.stop_at + claim.grace for claim in claims if not claim.overstayed]
        if claims and not all(claim.stop for claim in claims):
            steps.append(self._runtime.shutdown_at)
        return min(steps, default=math.inf)

    def _give_back(self, claim: Claim) -> None:
        self._ledger.release(claim.id, claim.fence, lost=False)
        self._runtime.drop_claim(claim)
        _log.info("%s is put back: it was not started yet", claim.id)

    def _end(self, claim: Claim) -> None:
        if self._runtime.killable:
            if self._runtime.kill(claim):
                _log.warning("%s did not stop within %g s: its process is killed", claim.id, claim.grace)
                self._ledger.release(claim.id, claim.fence, lost=claim.stop != Reason.SHUTDOWN)
        elif not claim.overstayed:
            claim.overstayed = True
            _log.error("%s does not stop: its thread cannot be killed and keeps its slot (%s)", claim.id, claim.stop)
            self._ledger.overstayed(claim.lane)

    def _hopeless(self, now: float) -> bool:
        """Whether the worker is to end, and only threads of works that don't stop hold it up."""
        claims = self._runtime.claims()
        return (
            not self._runtime.killable
            and bool(claims)
            and now >= self._runtime.shutdown_at + max(claim.grace for claim in claims) + _LAST_WORDS
            and all(self._runtime.claims_on(request.id) for request in list(state.active_requests))
        )

    def put_back_all(self) -> None:
        """At the worker's end: what it still holds is nobody's any more."""
        for claim in self._runtime.claims():
            try:
                self._ledger.release(claim.id, claim.fence, lost=False)
                _log.warning("%s is put back: %s", claim.id, claim.stop or Reason.SHUTDOWN)
            except LedgerUnavailable as error:
                _log.error("%s is put back when its lease lapses: %s", claim.id, error)

    def _leave(self) -> None:
        """Threads can't be killed, but the process can end: its works go back first."""
        self.put_back_all()
        logging.shutdown()
        os._exit(0)
