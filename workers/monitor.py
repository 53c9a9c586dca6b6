"""The thread beside the runs: renews their leases, learns which must stop, and takes care of what others lost."""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import Any, Final

from ..interest.errors import LedgerUnavailable
from ..interest.ledger import Ledger
from ..interest.records import lane_of
from .aside import Aside
from .ladder import Ladder
from .prefork.unheard import Unheard
from .runtime import Claim, Runtime

_log = logging.getLogger(__name__)
_BEAT: Final = 1.0  # seconds, at most
_BEATS: Final = 3  # in a lease, at least: one may be late
_PUBLISH: Final = 30.0  # seconds
_SHUTTING_DOWN: Final = 0.1  # seconds between two looks at a worker that is to end
_SHORTEST: Final = 0.02  # seconds; the caretaker's round is not made more often, however much is due


class Monitor:
    """One per worker, on a connection of its own. It waits for orders in the worker's mailbox between two beats."""

    def __init__(self, runtime: Runtime, worker: Any, aside: Aside) -> None:
        self._runtime = runtime
        self._aside = aside
        self._worker = worker
        self._ledger: Ledger = runtime.open_ledger()
        self._ladder = Ladder(runtime, self._ledger)
        self._unheard = Unheard(runtime, worker.hub)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="askfirst-monitor", daemon=True)
        self._beat_interval = min(_BEAT, runtime.settings.lease / _BEATS)
        self._beat_at = 0.0
        self._publish_at = 0.0
        self._next_due = 0.0
        self._troubled = False

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, within two beats, and leaves the ledger."""
        self._stopping.set()
        self._thread.join(2 * _BEAT + self._runtime.settings.connect_timeout)
        # Celery's pool forgets, when it closes, what it has not yet handed to a process.
        self._ladder.put_back_all()
        try:
            self._aside.flush(self._ledger)
            for lane in self._runtime.lanes:
                self._ledger.leave(lane, self._runtime.worker)
        except LedgerUnavailable as error:
            _log.debug("%s", error)
        self._ledger.line.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._ladder.climb()
                self._turn()
            except LedgerUnavailable as error:
                if not self._troubled:
                    _log.error("the ledger is away: %s", error)
                self._troubled = True
                self._stopping.wait(_BEAT / 2)
            except Exception:
                _log.exception("the monitor stumbled and goes on")
                self._stopping.wait(_BEAT)

    def _turn(self) -> None:
        now = time.monotonic()
        if now >= self._beat_at:
            self._beat_at = now + self._beat_interval
            for lane in self._runtime.lanes:
                self._beat(lane)
            self._look_after_prefetch()
            self._unheard.rescue()
            self._aside.flush(self._ledger)
        if now >= self._publish_at:
            # Again and again: a ledger that lost its data must learn anew what there is.
            self._publish_at = now + _PUBLISH
            self._runtime.publish(self._ledger)
        idle = len(self._runtime.claims()) < self._runtime.slots and not self._runtime.shutting_down
        self._next_due = min([_BEAT, *(self._ledger.tend(lane, idle=idle) for lane in self._runtime.lanes)])
        if self._troubled:
            _log.warning("the ledger is back")
            self._troubled = False
            self._publish_at = 0.0  # at once: it may have lost its data, limits among them
            return
        wake_at = min(self._beat_at, time.monotonic() + self._next_due, self._ladder.next_step_at())
        patience = max(wake_at - time.monotonic(), _SHORTEST)
        self._wait_for_orders(min(patience, _SHUTTING_DOWN) if self._runtime.shutting_down else patience)

    def _beat(self, lane: str) -> None:
        claims = {claim.fence: claim for claim in self._runtime.claims(lane)}
        runs = [(claim.id, claim.fence) for claim in claims.values()]
        for renewal in self._ledger.beat(lane, self._runtime.worker, self._runtime.slots_for(lane), runs):
            claim = claims[renewal.fence]
            if renewal.stop:
                self._ladder.stop(claim, renewal.stop)
            else:
                self._extend(claim, renewal.remaining)

    def _look_after_prefetch(self) -> None:
        ends = self._runtime.shutting_down
        overdue = self._runtime.prefetch.overdue(0.0) if ends else self._runtime.prefetch.overdue()
        for lane in self._runtime.lanes:
            if mine := [id for id in overdue if lane_of(id) == lane]:
                self._ledger.offer(lane, mine)
        consumer = self._worker.consumer
        if consumer is not None and getattr(consumer, "qos", None) is not None:
            self._runtime.prefetch.adjust(consumer.qos, self._runtime.slots)

    def _wait_for_orders(self, patience: float) -> None:
        if not self._runtime.lanes:
            self._stopping.wait(patience)
            return
        mails = [self._ledger.keys(lane).mail(self._runtime.worker) for lane in self._runtime.lanes]
        timeout = patience + self._runtime.settings.connect_timeout
        found = self._ledger.line.command("BLPOP", *mails, f"{patience:.3f}", timeout=timeout)
        if found:
            order = json.loads(found[1])
            claim = self._runtime.find_claim(order["fence"])
            if claim is None:
                return  # over meanwhile, or only to make us look
            if "extend" in order:
                self._extend(claim, order["extend"] / 1000)
            elif order.get("kill"):
                self._ladder.kill(claim, order["reason"])
            else:
                self._ladder.stop(claim, order["reason"])

    def _extend(self, claim: Claim, remaining: float) -> None:
        deadline_at = time.monotonic() + remaining
        if abs(deadline_at - claim.deadline_at) > _BEAT / 2:
            claim.deadline_at = deadline_at
            self._ladder.tripline.extend(claim, remaining)
