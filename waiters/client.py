"""A process's side of the fleet: one ledger, one mailbox, all its waiters."""

from __future__ import annotations

import itertools
import logging
import math
import os
import random
import re
import secrets
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..config import Settings, load_settings
from ..interest.errors import DuplicateWork, InvalidPayload, LedgerUnavailable, UnknownWork, WorkCancelled, WorkRejected
from ..interest.forking import no_fork_meanwhile
from ..interest.ledger import Ledger
from ..interest.records import Submission, Submitted, is_attached, new_id, new_interest
from ..interest.states import Reason
from ..tasks import WorkContext, current_context
from ..tasks.connecting import open_ledger
from ..tasks.message import compose
from ..tasks.payload import check_size
from ..tasks.published import Callee
from .background import BackgroundCalls, on_event_loop
from .exiting import at_exit
from .mailbox import Mailbox
from .options import Options
from .waiter import WorkWaiter

_log = logging.getLogger("askfirst")
_LONGEST_PAUSE = 1.0  # seconds between two questions for room
_BATCH = 100  # works in one round trip: a hundred kilobytes, a few milliseconds of Redis


class Client:
    """Submits and attaches for one process. Made once per process; see `default_client`."""

    def __init__(self, settings: Settings, ledger: Ledger | None = None) -> None:
        self.settings = settings
        self.ledger = ledger or open_ledger(settings)
        host = re.sub(r"[^A-Za-z0-9_.-]", "_", socket.gethostname())
        self.caller = f"{host}.{os.getpid()}.{secrets.token_hex(4)}"
        self._pid = os.getpid()
        self._numbers = itertools.count(1)
        self._mailbox = Mailbox(self.ledger, self.caller, settings.pulse_interval, settings.connect_timeout)
        self._withdrawals = BackgroundCalls("askfirst-withdraw")
        self._leaving: deque[WorkWaiter] = deque()
        self.callbacks = BackgroundCalls("askfirst-callbacks")
        """Those of waiters: what they do is not ours to know, and the mailbox must not wait for it."""
        self._lanes: set[str] = set()
        self._undo_at_exit = at_exit(self.withdraw_all)

    def submit(
        self, callee: Callee, payloads: Sequence[Mapping[str, Any]], options: Options, *, many: bool = False
    ) -> list[WorkWaiter]:
        """Submits all payloads with the same options, or none if one of them is wrong.

        That a work is rejected is raised, or if they are `many`, however many, told by its waiter.
        """
        began_at = time.monotonic()
        give_up_at = began_at + options.timeout
        texts = [self._encode(callee, payload) for payload in payloads]
        self._know_lane(callee.lane, options.timeout)
        waiters: list[WorkWaiter] = []
        patience = min(self.settings.connect_timeout, options.timeout)
        try:
            if not many:
                [submission] = self._drafts(callee, texts, options, waiters)
                self._take(waiters[0], self.ledger.submit(submission, max(give_up_at - time.monotonic(), 0.0)))
            else:
                starts = range(0, len(texts), _BATCH)
                batches = (self._drafts(callee, texts[n : n + _BATCH], options, waiters) for n in starts)
                answers = self.ledger.submit_many(batches, patience)
                self._turn_away([pair for pair in zip(waiters, answers, strict=True) if pair[1].status == "rejected"])
        except (DuplicateWork, WorkRejected):
            self._mailbox.forget(waiters[0])  # nothing of it is in the ledger
            raise
        except BaseException:
            # Some may be in the ledger, even where the reply was lost: nobody waits for them any more.
            self._abandon(waiters)
            raise
        lag = time.monotonic() - began_at
        for waiter in waiters:
            waiter.lag = lag
        parent = current_context()
        if parent is not None:
            for waiter in waiters:
                _link(parent, waiter, self.wait_until_withdrawn)
        return waiters

    def submit_patiently(
        self, callee: Callee, payload: Mapping[str, Any], options: Options, left: threading.Event | None
    ) -> WorkWaiter:
        """Submits when there is room, by the deadline. Raises `WorkRejected` if there is none in time.

        Who waits for it in another thread sets `left` when it is not to go on: then it raises `WorkCancelled`.
        """
        give_up_at, start_at = time.monotonic() + options.timeout, time.monotonic() + options.delay
        while left is None or not left.is_set():
            try:
                return self.submit(callee, [payload], options)[0]
            except WorkRejected as rejection:
                # Not all of those that wait at once, and not so late that the room has gone to others.
                pause = min(rejection.retry_after, _LONGEST_PAUSE) * random.uniform(0.5, 1.0)
                remaining = give_up_at - time.monotonic() - pause
                if remaining <= 0:
                    raise
            _pause(pause, left)
            options = replace(options, timeout=remaining, delay=max(start_at - time.monotonic(), 0.0))
        raise WorkCancelled(f"{callee.name}: nobody waits for room any more", Reason.WITHDRAWN)

    def attach(self, id: str, callee: Callee, lane: str, key: str | None, timeout: float | None) -> WorkWaiter:
        """A waiter of its own for a work that exists."""
        # Until the ledger has said the work's own deadline, no deadline at all.
        waiter = self._waiter(id, lane, callee, key, False, math.inf if timeout is None else timeout)
        self._mailbox.register([waiter])
        try:
            self._attach(waiter, timeout)
        except BaseException:
            self._abandon([waiter])
            raise
        return waiter

    def join(self, waiter: WorkWaiter) -> None:
        """Gives an inherited waiter an interest of this process."""
        waiter.interest = self._interest(not is_attached(waiter.interest))
        self._mailbox.register([waiter])
        try:
            self._attach(waiter, waiter.remaining())
        except (LedgerUnavailable, UnknownWork) as error:
            _log.warning("%s: cannot be followed from this process: %s", waiter, error)

    def withdraw(self, waiter: WorkWaiter) -> None:
        """Takes the waiter's interest back, now or as soon as the ledger can be reached."""
        if on_event_loop():
            self.withdraw_aside(waiter)
            return
        self._mailbox.forget(waiter)
        if self._mailbox.away:
            # Nobody is to wait for a ledger that is away, least of all somebody with many works to withdraw from.
            self._mailbox.withdraw_later(waiter)
        else:
            self._withdraw_now([waiter])

    def withdraw_aside(self, waiter: WorkWaiter) -> None:
        """The same for a thread that must not wait for the ledger; many in a row share round trips."""
        self._mailbox.forget(waiter)
        self._leaving.append(waiter)
        self._withdrawals.put(self._withdraw_leaving)

    def let_go(self, waiter: WorkWaiter) -> None:
        """Stops following a work, which goes on: its outcome is not delivered, and nothing is kept of it here."""
        self._mailbox.forget(waiter)

    def wait_until_withdrawn(self, timeout: float) -> None:
        """Waits until the ledger knows of what left aside so far, at most `timeout` seconds."""
        self._withdrawals.wait(timeout)

    def _withdraw_leaving(self) -> None:
        while self._leaving:  # only this one thread takes from it
            self._withdraw_now([self._leaving.popleft() for _ in range(min(len(self._leaving), _BATCH))])

    def _withdraw_now(self, waiters: Sequence[WorkWaiter]) -> None:
        try:
            self.ledger.withdraw_many([waiter.claim for waiter in waiters])
        except LedgerUnavailable:
            for waiter in waiters:
                self._mailbox.withdraw_later(waiter)

    def detach(self, waiters: Sequence[WorkWaiter]) -> None:
        """Exchanges attached interests for detached ones, all together: not more than a hundred."""
        going = [waiter for waiter in waiters if not waiter.done() and is_attached(waiter.interest)]
        attached = [waiter.claim for waiter in going]
        for waiter in going:
            waiter.interest = self._interest(True)
        exchanges = [(old, new.interest, new.remaining()) for old, new in zip(attached, going, strict=True)]
        try:
            self.ledger.exchange_many(exchanges)
        except LedgerUnavailable:
            # It may have come through; one interest of both is enough, and the attached one ends by itself.
            for waiter, claim in zip(going, attached, strict=True):
                waiter.interest = claim.interest
            raise

    def close(self) -> None:
        """Withdraws what is still awaited and ends the thread and the connections."""
        self._undo_at_exit()
        self.withdraw_all()
        for waiter in self._mailbox.outstanding():
            # Nobody brings it an answer any more, nor is there anybody to notice its deadline.
            waiter.refuse(WorkCancelled(f"{waiter} is not followed any more: other settings hold", Reason.WITHDRAWN))
        self.callbacks.close()
        self._mailbox.close()
        self.ledger.line.close()

    def in_this_process(self) -> Client:
        """This client, or in a forked child one of its own."""
        return default_client()

    def withdraw_all(self) -> None:
        """At exit: nobody is left to take the answers of attached works."""
        if self._pid != os.getpid():
            return  # a forked child leaves: the interests are its parent's
        self._withdrawals.close()
        outstanding = self._mailbox.outstanding()
        left = [waiter for waiter in outstanding if is_attached(waiter.interest) and not waiter.done()]
        claims = [waiter.claim for waiter in [*self._mailbox.unsent(), *left]]
        try:
            for start in range(0, len(claims), _BATCH):
                self.ledger.withdraw_many(claims[start : start + _BATCH])
            fate = "are withdrawn now (detached=True keeps them)"
        except LedgerUnavailable as error:
            fate = f"will lapse with this process's pulse ({error})"
        if left:
            _log.warning("%d work(s) were still awaited at exit and %s", len(left), fate)
        self.callbacks.close()  # their thread ends with the process: what is answered is called back before

    # Steps of a submission

    def _encode(self, callee: Callee, payload: Mapping[str, Any]) -> str:
        if not isinstance(payload, Mapping):
            raise InvalidPayload(f"{callee.name}: expected a payload to map parameters to values, got {payload!r:.100}")
        text = callee.encode(payload)
        check_size(callee.name, text, callee.max_payload or self.settings.max_payload)
        return text

    def _drafts(
        self, callee: Callee, texts: Sequence[str], options: Options, waiters: list[WorkWaiter]
    ) -> list[Submission]:
        """Submissions of these payloads. Their waiters are registered first: an outcome may come at once."""
        lane = callee.lane
        new = [self._waiter(new_id(lane), lane, callee, options.key, options.detached, options.timeout) for _ in texts]
        waiters += new
        self._mailbox.register(new)
        retention = self.settings.retention if callee.retention is None else callee.retention
        ours = {"retention": retention, "importance": options.importance, "key": options.key or ""}
        return [
            self._draft(callee, waiter, text, ours | {"interest": waiter.interest}, options)
            for waiter, text in zip(new, texts, strict=True)
        ]

    def _draft(
        self, callee: Callee, waiter: WorkWaiter, text: str, ours: dict[str, Any], options: Options
    ) -> Submission:
        partition = callee.partition(text)
        if partition:
            ours["partition"] = partition
        return Submission(
            id=waiter.id,
            lane=callee.lane,
            name=callee.name,
            interest=waiter.interest,
            timeout=options.timeout,
            letter=compose(waiter.id, callee.name, text, ours, self.ledger.seal, options.timeout),
            retention=ours["retention"],
            key=options.key or "",
            partition=partition,
            importance=options.importance,
            on_duplicate=options.on_duplicate,
            digest=options.digest,
            delay=options.delay,
        )

    def _take(self, waiter: WorkWaiter, answer: Submitted) -> None:
        if answer.status == "rejected":
            raise _rejection(waiter.name, answer)
        if answer.status == "duplicate":
            raise DuplicateWork(f"{waiter.name}: key {waiter.key!r} is held by {answer.id}", answer.id)
        if answer.id != waiter.id:
            self._move(waiter, answer.id)

    def _turn_away(self, rejected: Sequence[tuple[WorkWaiter, Submitted]]) -> None:
        for waiter, answer in rejected:
            self._mailbox.forget(waiter)
            waiter.refuse(_rejection(waiter.name, answer))

    def _abandon(self, waiters: Sequence[WorkWaiter]) -> None:
        for waiter in waiters:
            self._mailbox.forget(waiter)
            self._mailbox.withdraw_later(waiter)

    def _move(self, waiter: WorkWaiter, id: str) -> None:
        """The waiter joined another work, whose outcome may have come before the waiter was known by its id."""
        self._mailbox.forget(waiter)
        waiter.id = id
        self._mailbox.register([waiter])
        outcome = self.ledger.outcome(id)
        if outcome is not None:
            self._mailbox.forget(waiter)
            waiter.settle(outcome)

    def _attach(self, waiter: WorkWaiter, timeout: float | None) -> None:
        found = self.ledger.attach(waiter.id, waiter.interest, timeout)
        if found is None:
            raise UnknownWork(f"no work {waiter.id} is known; records of ended works go after their retention")
        if isinstance(found, float):
            waiter.deadline_at = time.monotonic() + found
            self._mailbox.forget(waiter)
            self._mailbox.register([waiter])
        else:
            self._mailbox.forget(waiter)
            waiter.settle(found)

    def _know_lane(self, lane: str, within: float) -> None:
        if lane not in self._lanes:
            self.ledger.know_lanes([lane], within)
            self._lanes.add(lane)

    def _waiter(
        self, id: str, lane: str, callee: Callee, key: str | None, detached: bool, timeout: float
    ) -> WorkWaiter:
        return WorkWaiter(
            self,
            id=id,
            lane=lane,
            name=callee.name,
            key=key,
            interest=self._interest(detached),
            timeout=timeout,
            decode=callee.decode_result,
        )

    def _interest(self, detached: bool) -> str:
        return new_interest(self.caller, next(self._numbers), detached=detached)


def _rejection(name: str, answer: Submitted) -> WorkRejected:
    why = {"full": "its lane is full", "overloaded": "it could not be done by its deadline"}.get(answer.reason, "")
    text = f"{name}: rejected ({answer.reason}): {why}; try again in {answer.retry_after:.3g} s"
    return WorkRejected(text, answer.reason, answer.retry_after)


def _pause(seconds: float, left: threading.Event | None) -> None:
    """Sleeps, but not longer than somebody waits for the submission. Raises `InterestLost`."""
    parent = current_context()
    if left is None:
        (parent.sleep if parent is not None else time.sleep)(seconds)
        return
    left.wait(seconds)
    if parent is not None:
        parent.check()


def _link(parent: WorkContext, waiter: WorkWaiter, written: Callable[[float], object]) -> None:
    """A work asked for inside a work is not wanted longer than that one, unless it is detached."""

    def withdraw() -> None:
        # Called by whoever trips the parent's token, such as the thread that renews the leases of all its siblings.
        if is_attached(waiter.interest):
            waiter.cancel_aside()

    unlink = parent.link(withdraw, written)
    waiter.add_done_callback(lambda _: unlink())


@dataclass
class _Process:
    """The client of this process, and whose it is: a forked child starts anew, with the same settings."""

    pid: int = 0
    client: Client | None = None
    settings: Settings | None = None


_process = _Process()
_making = threading.Lock()


def default_client() -> Client:
    """The one client of this process, made at first use."""
    if _process.client is None or _process.pid != os.getpid():
        with _making:
            if _process.client is None or _process.pid != os.getpid():
                with no_fork_meanwhile():  # settings are a model, and another broker than the ledger's takes imports
                    _process.settings = _process.settings or load_settings()
                    _process.client, _process.pid = Client(_process.settings), os.getpid()
    return _process.client


def configure(settings: Settings) -> None:
    """Makes the process's client use these settings, from its next use on, instead of those it would load."""
    with _making:
        old, _process.settings, _process.client = _process.client, settings, None
    if old is not None and _process.pid == os.getpid():
        old.close()


def _unlock() -> None:
    global _making
    _making = threading.Lock()


os.register_at_fork(after_in_child=_unlock)
