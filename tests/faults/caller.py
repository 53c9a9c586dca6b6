"""A caller of a campaign, as a process: asks for a mix of works at a steady rate, and writes down what it gets.

`python -m tests.faults.caller SEED RATE` goes on until it reads a line; then it waits for what it has asked for, and
ends. When its input ends, so does it, at once.
"""

import os
import random
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from askfirst import (
    LedgerUnavailable,
    WorkCancelled,
    WorkError,
    WorkRejected,
    WorkWaiter,
    attach,
    cancel,
    submit_many,
    submit_work,
)
from askfirst.waiters.client import default_client

from . import journal, works

TIMEOUT: Final = 40.0
"""Seconds that a patient caller gives its work: several faults fit in."""
_HURRY: Final = (1.0, 3.0)
_KEYS: Final = 6
_BATCH: Final = 5
_LAG: Final = 1.0  # seconds behind its rate that it makes up for
_AFTERWARDS: Final = 5.0  # seconds beyond the last deadline that it waits for answers

#: How often each kind comes, of a hundred.
_MIX: Final = {
    "quick": 50, "long": 3, "hurried": 5, "joined": 7, "replaced": 4, "flaky": 4, "broken": 2, "limited": 6,
    "tenant": 4, "paced": 2, "parent": 2, "delayed": 4, "withdrawn": 4, "detached": 2, "many": 2,
    "attached": 1, "cancelled": 2,
}  # fmt: skip


class Caller:
    """Asks, and notes each answer when it comes."""

    def __init__(self, seed: str) -> None:
        self._journal = journal.from_environment()
        self._name = os.environ[journal.PROCESS]
        self._random = random.Random(seed)
        self._count = 0
        self._lock = threading.Lock()
        self._unanswered: dict[str, WorkWaiter] = {}
        self._recent: deque[str] = deque(maxlen=20)
        self._to_leave: deque[tuple[float, str, WorkWaiter]] = deque()

    def ask(self) -> None:
        """For one work, or a few."""
        [kind] = self._random.choices([*_MIX], weights=[*_MIX.values()])
        getattr(self, f"_ask_{kind}")()
        self._leave()

    def wait(self) -> None:
        """For all answers, and not much longer than the last deadline."""
        give_up_at = time.monotonic() + TIMEOUT + _AFTERWARDS
        while self._unanswered and time.monotonic() < give_up_at:
            time.sleep(0.05)

    def leave(self) -> None:
        """Ends in order, and writes down what is left."""
        client = default_client()
        client.close()
        threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("askfirst")]
        self._journal.write("left", unanswered=sorted(self._unanswered), threads=threads)

    # Kinds of submissions

    def _ask_quick(self) -> None:
        work = self._random.choice((works.sleep, works.sleep_io))
        self._submit("quick", work, seconds=self._seconds(0.0, 0.05))

    def _ask_long(self) -> None:
        self._submit("long", works.sleep, seconds=self._seconds(1.0, 3.0))

    def _ask_hurried(self) -> None:
        self._submit("hurried", works.sleep_io, seconds=self._seconds(0.0, 0.2), timeout=self._seconds(*_HURRY))

    def _ask_joined(self) -> None:
        self._submit("joined", works.sleep, key=self._key("j"), seconds=self._seconds(0.1, 0.5))

    def _ask_replaced(self) -> None:
        key = self._key("r")
        self._submit("replaced", works.sleep, key=key, on_duplicate="replace", seconds=self._seconds(0.1, 0.5))

    def _ask_flaky(self) -> None:
        self._submit("flaky", works.flaky)

    def _ask_broken(self) -> None:
        self._submit("broken", works.broken)

    def _ask_limited(self) -> None:
        self._submit("limited", works.three_at_once, seconds=self._seconds(0.05, 0.3))

    def _ask_tenant(self) -> None:
        self._submit("tenant", works.one_by_one, tenant=self._key("t"), seconds=self._seconds(0.05, 0.3))

    def _ask_paced(self) -> None:
        self._submit("paced", works.paced)

    def _ask_parent(self) -> None:
        self._submit("parent", works.parent, children=2)

    def _ask_delayed(self) -> None:
        self._submit("delayed", works.sleep_io, seconds=0.02, delay=self._seconds(0.5, 3.0))

    def _ask_withdrawn(self) -> None:
        number, waiter = self._submit("withdrawn", works.sleep, seconds=self._seconds(1.0, 2.0))
        if waiter is not None:
            self._to_leave.append((time.monotonic() + self._seconds(0.0, 1.0), number, waiter))

    def _ask_detached(self) -> None:
        self._submit("detached", works.sleep, seconds=0.05, detached=True)

    def _ask_cancelled(self) -> None:
        _, waiter = self._submit("cancelled", works.sleep_io, seconds=self._seconds(0.5, 1.0))
        if waiter is None:
            return
        self._journal.write("cancels", id=waiter.id)
        try:
            cancel(waiter.id)
        except LedgerUnavailable as error:
            self._journal.write("cancel failed", id=waiter.id, error=str(error))

    def _ask_many(self) -> None:
        numbers = [self._note("many", TIMEOUT) for _ in range(_BATCH)]
        payloads = [{"n": number, "seconds": 0.02} for number in numbers]
        try:
            waiters = submit_many(works.sleep, payloads, timeout=TIMEOUT)
        except WorkError as error:
            for number in numbers:
                self._refused(number, error)
            return
        for number, waiter in zip(numbers, waiters, strict=True):
            error = waiter.exception(0) if waiter.done() else None
            if isinstance(error, WorkRejected):
                self._refused(number, error)
            else:
                self._accepted(number, waiter)

    def _ask_attached(self) -> None:
        if not self._recent:
            return
        id = self._random.choice(self._recent)
        number = self._note("attached", TIMEOUT, to=id)
        try:
            waiter = attach(id)
        except WorkError as error:
            self._refused(number, error)
        else:
            self._accepted(number, waiter)

    # What they have in common

    def _submit(
        self, kind: str, work: Callable[..., Any], *, timeout: float = TIMEOUT, **rest: Any
    ) -> tuple[str, WorkWaiter | None]:
        options = {name: rest[name] for name in ("key", "on_duplicate", "detached") if name in rest}
        number = self._note(kind, timeout, **options)
        importance = self._random.choices(("critical", "normal", "sheddable"), weights=(2, 7, 1))[0]
        try:
            waiter = submit_work(work, timeout=timeout, importance=importance, n=number, **rest)
        except WorkError as error:
            self._refused(number, error)
            return number, None
        self._accepted(number, waiter)
        return number, waiter

    def _note(self, kind: str, timeout: float, **more: Any) -> str:
        self._count += 1
        number = f"{self._name}/{self._count}"
        self._journal.write("asks", n=number, kind=kind, timeout=timeout, **more)
        return number

    def _refused(self, number: str, error: WorkError) -> None:
        self._journal.write("refused", n=number, error=type(error).__name__, message=str(error)[:200])

    def _accepted(self, number: str, waiter: WorkWaiter) -> None:
        self._journal.write("accepted", n=number, id=waiter.id, deadline=round(waiter.deadline_at, 4))
        with self._lock:
            self._unanswered[number] = waiter
        self._recent.append(waiter.id)
        waiter.add_done_callback(lambda _: self._answered(number, waiter))

    def _answered(self, number: str, waiter: WorkWaiter) -> None:
        error = waiter.exception(0)
        answer: dict[str, Any] = {"n": number, "id": waiter.id}
        if error is None:
            told = waiter.result(0)
            answer |= {"what": "result", "work": told.work, "attempt": told.attempt}
        else:
            reason = error.reason if isinstance(error, WorkCancelled) else ""
            answer |= {"what": type(error).__name__, "reason": str(reason), "message": str(error)[:200]}
        self._journal.write("answered", **answer)
        with self._lock:
            self._unanswered.pop(number, None)

    def _leave(self) -> None:
        while self._to_leave and self._to_leave[0][0] <= time.monotonic():
            _, number, waiter = self._to_leave.popleft()
            self._journal.write("withdraws", n=number)
            waiter.cancel()

    def _seconds(self, least: float, most: float) -> float:
        return round(self._random.uniform(least, most), 3)

    def _key(self, family: str) -> str:
        return f"{family}{self._random.randrange(_KEYS)}"


def main(seed: str, rate: float) -> None:
    caller = Caller(seed)
    over = threading.Event()

    def listen() -> None:
        if not sys.stdin.readline():
            os._exit(1)  # the campaign has ended without a word
        over.set()

    threading.Thread(target=listen, daemon=True).start()
    pace = random.Random(f"pace {seed}")
    next_at = time.monotonic()
    while not over.wait(max(next_at - time.monotonic(), 0)):
        next_at = max(next_at, time.monotonic() - _LAG) + pace.expovariate(rate)
        caller.ask()
    caller.wait()
    caller.leave()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
