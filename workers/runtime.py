"""What a worker process knows: its ledger, its name, its claims, and in a pool child the runs it is at."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ..config import Settings
from ..config.settings import LaneSettings
from ..interest.errors import LedgerUnavailable
from ..interest.ledger import Ledger
from ..interest.limits import Declaration, Limit, declare
from ..interest.records import lane_of
from ..tasks import WorkContext, registry
from ..tasks.connecting import open_ledger
from ..tasks.definition import WorkType
from ..tasks.published import publish
from .prefetch import Prefetch
from .resources import ProcessResources

_log = logging.getLogger(__name__)

Order = TypeVar("Order")

_EARLY = 1000  # orders kept for runs that have not begun


@dataclass(slots=True)
class Claim:
    """A work that this worker may run, from the verdict RUN to the end of the run."""

    id: str
    fence: str
    deadline_at: float
    """By the monotonic clock, which a host's processes share."""
    grace: float
    """Seconds it gets to stop by itself."""
    kill: Callable[[], None]
    """Ends the pool process that runs it."""
    pid: int | None = None
    """The pool child that runs it, once known."""
    stop: str = ""
    """Why it must stop, once known."""
    stop_at: float = math.inf
    """When it was told to, by the monotonic clock."""
    overstayed: bool = False
    """Whether it was reported for not stopping."""
    since: float = field(default_factory=time.monotonic)
    """When it was claimed, by the monotonic clock."""
    forgotten: bool = False
    """Whether the pool forgot it before any process had it: it never runs here."""

    @property
    def lane(self) -> str:
        """The lane it came from."""
        return lane_of(self.id) or ""


@dataclass
class Running:
    """The runs of this very process, for whoever learns that one must stop."""

    _contexts: dict[str, WorkContext] = field(default_factory=dict)
    """By the fences of their claims: a run that lost its lease may still be here when the same work runs anew."""
    _early: dict[str, str] = field(default_factory=dict)
    """Orders that overtook the run they are for."""
    _early_deadlines: dict[str, float] = field(default_factory=dict)
    """Deadlines that did, by the monotonic clock."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self, fence: str, context: WorkContext) -> None:
        """The run begins."""
        with self._lock:
            self._contexts[fence] = context
            reason = self._early.pop(fence, "")
            deadline_at = self._early_deadlines.pop(fence, None)
        if deadline_at is not None:
            context.extend(deadline_at - time.monotonic())
        if reason:
            context.token.trip(reason)

    def leave(self, fence: str) -> None:
        """The run is over."""
        with self._lock:
            self._contexts.pop(fence, None)

    def trip(self, fence: str, reason: str) -> None:
        """Trips the token of that run, now or at its start: in a pool child orders can overtake the work."""
        with self._lock:
            context = self._contexts.get(fence)
            if context is None:
                _keep(self._early, fence, reason)
        if context is not None:
            context.token.trip(reason)

    def extend(self, fence: str, remaining: float) -> None:
        """Moves the deadline of that run, now or at its start: a caller with a later one has joined."""
        with self._lock:
            context = self._contexts.get(fence)
            if context is None:
                _keep(self._early_deadlines, fence, time.monotonic() + remaining)
        if context is not None:
            context.extend(remaining)


def _keep(orders: dict[str, Order], fence: str, order: Order) -> None:
    """Keeps an order for a run that has not begun, and forgets the oldest of too many."""
    orders[fence] = order
    while len(orders) > _EARLY:
        orders.pop(next(iter(orders)))


class Runtime:
    """Hangs at the Celery app as `app.askfirst`."""

    def __init__(self, settings: Settings, broker: str | None, *, own: bool) -> None:
        self.settings = settings
        self.own = own
        """Whether the app is askfirst's, and not one that was there before."""
        self.largest_payload = settings.max_payload
        """Bytes of JSON that any work type admits at most."""
        self.worker = ""
        self.lanes: list[str] = []
        self.running = Running()
        self.resources = ProcessResources()
        self.pool: Any = None
        self.prefetch = Prefetch(0)
        self.killable = False
        """Whether runs are in processes of their own."""
        self.shutdown_at = math.inf
        """When running work is told that the worker ends, by the monotonic clock."""
        self._broker = broker
        self._ledger: Ledger | None = None
        self._claims: dict[str, Claim] = {}
        self._lock = threading.RLock()

    @property
    def ledger(self) -> Ledger:
        """The ledger of this process's main thread, opened at first use: declaring an app connects to nothing."""
        if self._ledger is None:
            self._ledger = self.open_ledger()
        return self._ledger

    def open_ledger(self) -> Ledger:
        """A ledger with a connection of its own, for another thread."""
        return open_ledger(self.settings, broker=self._broker)

    @property
    def shutting_down(self) -> bool:
        """Whether the worker was asked to end."""
        return self.shutdown_at < math.inf

    def shut_down(self, *, at_once: bool = False) -> None:
        """Asked to end: running work gets the drain time, and none if asked again. Called from a signal handler."""
        now = time.monotonic()
        self.shutdown_at = now if at_once or self.shutting_down else now + self.settings.drain

    @property
    def slots(self) -> int:
        """How many works the pool runs at once; operators change it while it runs."""
        if self.killable and self.pool._pool is None:
            return 0  # Celery's pool has ended before its worker
        return int(self.pool.num_processes)

    def slots_for(self, lane: str) -> int:
        """How many of them this lane may have now: what other lanes' work does not hold, or the next to be free."""
        # None at all would tell the ledger that nobody serves the lane, and that nothing is known of what is to come.
        return max(self.slots - sum(claim.lane != lane for claim in self.claims()), min(self.slots, 1))

    def start(self, worker: str, queues: list[str]) -> None:
        """The worker is up: it makes its lanes and work types known, or its monitor does when the ledger is back."""
        self.worker = worker
        prefix = f"{self.settings.namespace}."
        self.lanes = [queue.removeprefix(prefix) for queue in queues if queue.startswith(prefix)]
        try:
            self.publish(self.ledger)
        except LedgerUnavailable as error:
            _log.error("the ledger is away, and is waited for: %s", error)  # the monitor publishes when it is back

    def publish(self, ledger: Ledger) -> None:
        """Makes the lanes and work types known. Raises `LedgerUnavailable`."""
        if self.lanes:
            ledger.know_lanes(self.lanes)
        definitions = registry.all_types()
        self.largest_payload = max([self.settings.max_payload, *(each.max_payload or 0 for each in definitions)])
        ledger.publish_types({definition.name: publish(definition) for definition in definitions})
        for lane in self.lanes:
            declared = {each.name: self._declaration(each) for each in definitions if each.lane == lane}
            declare(ledger, lane, declared, self.settings.lanes.get(lane, LaneSettings()).max_pending)

    def _declaration(self, definition: WorkType) -> Declaration:
        configured = self.settings.limits.get(definition.name)
        limit = configured or definition
        return Declaration(Limit(limit.max_concurrent, limit.rate), definition.expected)

    def add_claim(self, claim: Claim) -> None:
        """Notes that this worker is to run the work."""
        with self._lock:
            self._claims[claim.fence] = claim

    def drop_claim(self, claim: Claim) -> None:
        """The run is over."""
        with self._lock:
            if self._claims.get(claim.fence) is claim:
                del self._claims[claim.fence]
                self.prefetch.note_run(time.monotonic() - claim.since)

    def kill(self, claim: Claim) -> bool:
        """Kills the process that runs it, unless the run has ended; whether it did.

        Under the lock no claim ends, so the process can't be at another work by the time the signal reaches it.
        """
        with self._lock:
            if self._claims.get(claim.fence) is not claim:
                return False
            if claim.pid is not None:
                claim.kill()
                return True
            if not self.shutting_down:
                return False  # its process will be known at once
            for pid in set(self.pids_of(claim)) - {other.pid for other in self._claims.values()}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            del self._claims[claim.fence]
            return True

    def pids_of(self, claim: Claim) -> list[int]:
        """The pool processes that may run it: the one that has accepted it, as far as this is known, else all.

        Celery's pool forgets, when it closes, the works whose acceptance it has not read yet: theirs is never known.
        """
        if not self.killable:
            return []
        return [claim.pid] if claim.pid is not None else list(self.pool.info["processes"])

    def find_claim(self, fence: str) -> Claim | None:
        """The claim with this fence, if this worker has it."""
        with self._lock:
            return self._claims.get(fence)

    def claims_on(self, id: str) -> list[Claim]:
        """All claims on one work: beside the newest there may be one that lost its lease and has not ended yet."""
        return [claim for claim in self.claims() if claim.id == id]

    def claims(self, lane: str | None = None) -> list[Claim]:
        """All claims, or those of one lane."""
        with self._lock:
            return [claim for claim in self._claims.values() if lane is None or claim.lane == lane]


def runtime_of(app: Any) -> Runtime:
    """The runtime of an app made by `create_app` or taught by `install`."""
    runtime: Runtime = app.askfirst
    return runtime
