"""The one background thread of a caller: brings outcomes, keeps the pulse, fails waiters at their deadline.

It never blocks on Redis: the socket and a wake-up pipe are watched together until the next deadline, and opening a
connection, which can take seconds, is left to a helper thread that ends with it.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import json
import logging
import math
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from ..interest.errors import LedgerUnavailable
from ..interest.ledger import Ledger
from ..interest.records import Outcome, is_attached, read_letter, read_looked_up
from ..interest.script import script
from ..interest.sealing import TamperedError
from .waiter import WorkWaiter
from .wire import Wire

_log = logging.getLogger(__name__)
_IDLE: Final = 10.0  # seconds without a waiter until the mailbox is left alone
_RECONNECT: Final = 0.5  # seconds between two tries to connect
_LETTERS: Final = 200  # taken out of a mailbox at once; one more round trip for the rest
_LONGEST_SLEEP: Final = 3600.0  # seconds
_LAG: Final = 0.05  # seconds that the ledger's deadline may be later than the caller's
_CHECKS: Final = 200  # outcomes looked up, or interests withdrawn, in one round


@dataclass(frozen=True, slots=True)
class _Withdrawal:
    """To be told to the ledger until then (monotonic clock); later it means nothing any more."""

    waiter: WorkWaiter
    until: float


class Mailbox:
    """Waits for the outcomes of all waiters of this process, on one connection."""

    def __init__(self, ledger: Ledger, caller: str, pulse_interval: float, connect_timeout: float) -> None:
        self._ledger = ledger
        self._caller = caller
        self._pulse_interval = pulse_interval
        self._connect_timeout = connect_timeout
        self._lock = threading.Lock()
        self._waiters: dict[str, dict[WorkWaiter, None]] = {}
        """By the id of their work, in order: many may wait for one."""
        self._count = 0
        self._deadlines: list[tuple[float, int, WorkWaiter]] = []
        self._order = itertools.count()
        self._lanes: set[str] = set()
        self._withdrawals: dict[tuple[str, str], _Withdrawal] = {}
        self._thread: threading.Thread | None = None
        self._closing = False
        self._wake_out, self._wake_in = os.pipe()
        os.set_blocking(self._wake_in, False)
        os.set_blocking(self._wake_out, False)
        self._sleeps_until = math.inf
        # Only the thread touches these.
        self._wire: Wire | None = None
        self._connecting: threading.Thread | None = None
        self._connect_at = 0.0
        self._away = False
        self._heard_lanes: frozenset[str] = frozenset()
        self._pulse_at = 0.0
        self._busy_until = 0.0
        self._overdue_at = math.inf
        self._unchecked: deque[str] = deque()

    # For the threads of the caller

    def register(self, waiters: Iterable[WorkWaiter]) -> None:
        """Delivers these waiters' outcomes from now on."""
        with self._lock:
            for waiter in waiters:
                waiters = self._waiters.setdefault(waiter.id, {})
                self._count += waiter not in waiters
                waiters[waiter] = None
                heapq.heappush(self._deadlines, (waiter.deadline_at, next(self._order), waiter))
                self._lanes.add(waiter.lane)
            wake = (
                self._wire is None  # lost while nobody waited: made anew now
                or self._deadlines[0][0] < self._sleeps_until
                or not self._lanes <= self._heard_lanes
                or time.monotonic() > self._busy_until - 1.0
            )
            self._ensure_thread()
        if wake:
            self._wake()

    def forget(self, waiter: WorkWaiter) -> None:
        """Stops delivering to this waiter."""
        with self._lock:
            self._forget(waiter)

    def outstanding(self) -> list[WorkWaiter]:
        """All waiters without an answer."""
        with self._lock:
            return [waiter for waiters in self._waiters.values() for waiter in waiters]

    @property
    def away(self) -> bool:
        """Whether the ledger could not be reached when it was last tried."""
        return self._away

    def unsent(self) -> list[WorkWaiter]:
        """Those whose withdrawal the ledger does not know of yet."""
        with self._lock:
            return [each.waiter for each in self._withdrawals.values()]

    def withdraw_later(self, waiter: WorkWaiter) -> None:
        """Tells the ledger as soon as it can be reached, until the waiter's deadline."""
        with self._lock:
            self._withdrawals[waiter.id, waiter.interest] = _Withdrawal(waiter, waiter.deadline_at)
            self._ensure_thread()
        self._wake()

    def close(self) -> None:
        """Ends the thread and its connection; waiters still outstanding then have only their own deadlines."""
        with self._lock:
            if self._closing:
                return
            self._closing = True
            thread = self._thread
        if thread is not None:
            self._wake()
            thread.join(2 * self._connect_timeout)
        if thread is None or not thread.is_alive():
            self._hang_up()
            os.close(self._wake_in)
            os.close(self._wake_out)

    def _ensure_thread(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="askfirst-mailbox", daemon=True)
            thread.start()  # may fail: the next one tries again
            self._thread = thread

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: it is awake already; closed: it needs no waking
            os.write(self._wake_in, b".")

    def _forget(self, waiter: WorkWaiter) -> None:
        waiters = self._waiters.get(waiter.id, {})
        if waiter in waiters:
            del waiters[waiter]
            self._count -= 1
        if not waiters:
            self._waiters.pop(waiter.id, None)
        # Answered waiters leave their deadlines behind: swept when they are the greater part.
        if len(self._deadlines) > 1000 + 2 * self._count:
            self._deadlines = [(w.deadline_at, next(self._order), w) for ws in self._waiters.values() for w in ws]
            heapq.heapify(self._deadlines)

    # The thread

    def _run(self) -> None:
        while not self._closing:
            try:
                self._turn()
            except Exception:
                _log.exception("the mailbox stumbled and goes on")
                self._hang_up()

    def _turn(self) -> None:
        self._expire()
        now = time.monotonic()
        self._keep_connected(now)
        try:
            if self._wire is not None and self._wire.idle:
                self._send(self._wire, now)
            if self._sleep() and self._wire is not None:
                self._wire.receive()
        except LedgerUnavailable as error:
            _log.debug("%s", error)
            self._hang_up()

    def _expire(self) -> None:
        now = time.monotonic()
        due = []
        with self._lock:
            while self._deadlines and self._deadlines[0][0] <= now:
                due.append(heapq.heappop(self._deadlines)[2])
        expired = [waiter for waiter in due if waiter.expire_if_due()]
        if expired:
            with self._lock:
                for waiter in expired:
                    self._forget(waiter)
                    if waiter.lag > _LAG and is_attached(waiter.interest):
                        # The ledger counts from when it was written: its deadline is later by as much.
                        self._withdrawals[waiter.id, waiter.interest] = _Withdrawal(waiter, now + waiter.lag + _IDLE)

    def _sleep(self) -> bool:
        """Sleeps until there is something to do; whether the connection has something to read."""
        with self._lock:
            next_deadline = self._deadlines[0][0] if self._deadlines else math.inf
            self._sleeps_until = min(next_deadline, self._next_action())
        poll = select.poll()
        poll.register(self._wake_out, select.POLLIN)
        if self._wire is not None:
            poll.register(self._wire.fileno(), select.POLLIN)
        timeout = None
        if self._sleeps_until < math.inf:
            # Bounded: poll takes its milliseconds as a C int.
            timeout = math.ceil(min(max(self._sleeps_until - time.monotonic(), 0.0), _LONGEST_SLEEP) * 1000)
        ready = {source for source, _ in poll.poll(timeout)}
        if self._wake_out in ready:
            os.read(self._wake_out, 65536)
        return bool(ready - {self._wake_out})

    def _next_action(self) -> float:
        """When the thread has something to do by itself, deadlines apart."""
        if self._wire is None:
            return self._connect_at if self._wanted() and self._connecting is None else math.inf
        return math.inf if self._wire.idle else self._overdue_at

    def _wanted(self) -> bool:
        return bool(self._waiters or self._withdrawals)

    # Its connection

    def _keep_connected(self, now: float) -> None:
        with self._lock:
            wanted, lanes = self._wanted(), frozenset(self._lanes)
        # Connected before a lane came into use, it waits for letters in the old ones only; and a server that owes a
        # reply for long will not send it: it hangs, or the connection broke without a word.
        if self._wire is not None and (not lanes <= self._heard_lanes or now > self._overdue_at):
            self._hang_up()
        if self._wire is not None or self._connecting is not None or not wanted or now < self._connect_at:
            return
        self._connect_at = now + _RECONNECT
        self._connecting = threading.Thread(target=self._connect, name="askfirst-connect", daemon=True)
        try:
            self._connecting.start()
        except RuntimeError as error:  # there are as many threads as there may be: tried again, as with a ledger away
            _log.warning("no connection for outcomes: %s", error)
            self._connecting, self._away = None, True

    def _connect(self) -> None:
        try:
            self._ledger.line.prepare()
            wire = Wire.open(self._ledger.line.url, self._connect_timeout, (script("pulse"), script("withdraw")))
            self._away = False
        except LedgerUnavailable as error:
            _log.debug("%s", error)
            self._away = True
        else:
            if self._closing:
                wire.close()
                return
            with self._lock:
                self._heard_lanes = frozenset(self._lanes)
                # Letters may have been lost with the last connection, or before this one knew their lane.
                self._unchecked = deque(self._waiters)
                self._wire = wire
        finally:
            self._connecting = None
            self._pulse_at = 0.0
            self._wake()

    def _hang_up(self) -> None:
        wire, self._wire, self._overdue_at = self._wire, None, math.inf
        if wire is not None:
            wire.close()

    def _send(self, wire: Wire, now: float) -> None:
        """One round: pulses, withdrawals and lookups that are due, then waiting for letters."""
        with self._lock:
            alive = bool(self._waiters)
            self._withdrawals = {key: each for key, each in self._withdrawals.items() if each.until > now}
            withdrawals = [each.waiter for each in self._withdrawals.values()][:_CHECKS]
        if alive:
            self._busy_until = now + _IDLE
        if not alive and not withdrawals and now > self._busy_until:
            return
        if now >= self._pulse_at:
            self._pulse_at = now + self._pulse_interval
            for lane in self._attached_lanes():
                wire.queue(self._ledger.pulse_call(lane, self._caller).command)
        for waiter in withdrawals:
            wire.queue(self._ledger.withdraw_call(waiter.claim).command, self._withdrawn(waiter.id, waiter.interest))
        for _ in range(min(_CHECKS, len(self._unchecked))):
            id = self._unchecked.popleft()
            wire.queue(self._ledger.outcome_command(id), self._checked(id))
        patience = 0.001 if self._unchecked else max(self._pulse_at - now, 0.01)
        self._ask_for_letters(wire, patience)
        self._overdue_at = now + patience + 2 * self._connect_timeout
        wire.send()

    def _ask_for_letters(self, wire: Wire, patience: float) -> None:
        mails = [self._ledger.keys(lane).mail(self._caller) for lane in sorted(self._heard_lanes)]
        for mail in mails:
            wire.queue(("LPOP", mail, _LETTERS), self._take_letters)
        wire.queue(("BLPOP", *mails, f"{patience:.3f}"), self._take_first_letter)

    def _attached_lanes(self) -> set[str]:
        with self._lock:
            return {w.lane for waiters in self._waiters.values() for w in waiters if is_attached(w.interest)}

    # What comes back

    def _take_letters(self, letters: list[str] | None) -> None:
        for text in letters or ():
            self._open(text)

    def _take_first_letter(self, reply: list[str] | None) -> None:
        if reply is not None:
            self._open(reply[1])

    def _open(self, text: str) -> None:
        try:
            outcome = read_letter(text, self._ledger.seal)
        except TamperedError as tampered:
            # Anybody may write into a mailbox; the record says what there is to it.
            _log.error("a letter in the mailbox is not taken: %.200r", str(tampered))
            with self._lock:
                self._unchecked.extend({json.loads(text)["id"]} & self._waiters.keys())
        except Exception:
            # Left aside: one letter that can't be read must not keep all others from being delivered.
            _log.exception("a letter in the mailbox cannot be read: %.200r", text)
        else:
            self._deliver(outcome)

    def _withdrawn(self, id: str, interest: str) -> Callable[[Any], None]:
        def done(reply: Any) -> None:
            with self._lock:
                self._withdrawals.pop((id, interest), None)

        return done

    def _checked(self, id: str) -> Callable[[list[str | None]], None]:
        def deliver(values: list[str | None]) -> None:
            try:
                outcome = read_looked_up(id, values, self._ledger.seal)
            except Exception:
                _log.exception("the record of %s cannot be read", id)
                return
            if outcome is not None:
                self._deliver(outcome)

        return deliver

    def _deliver(self, outcome: Outcome) -> None:
        with self._lock:
            waiters = list(self._waiters.get(outcome.id, ()))
            for waiter in waiters:
                self._forget(waiter)
        for waiter in waiters:
            waiter.settle(outcome)
