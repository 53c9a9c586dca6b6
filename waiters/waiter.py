"""`WorkWaiter`: a caller's handle on one work."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, InvalidStateError
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ..interest.errors import (
    LedgerUnavailable,
    UnknownWork,
    WorkCancelled,
    WorkError,
    WorkFailed,
    WorkLost,
    WorkTimeout,
)
from ..interest.records import Claim, Outcome, Progress, WorkStatus
from ..interest.states import Reason, State

if TYPE_CHECKING:
    from .client import Client

_PROGRESS_INTERVAL: Final = 0.25  # seconds between two looks at a work's progress


class WorkWaiter(Future[Any]):
    """A `concurrent.futures.Future` of one work that fails by itself at the deadline, whatever else is down.

    Dropping the handle withdraws nothing; `cancel()`, leaving a `with` block, or the end of the process does. Callbacks
    run one after another on a thread of their own.
    """

    def __init__(
        self,
        client: Client,
        *,
        id: str,
        lane: str,
        name: str,
        key: str | None,
        interest: str,
        timeout: float,
        decode: Callable[[str], Any],
    ) -> None:
        self._pid = os.getpid()
        self._tellers: list[Callable[[], object]] = []
        super().__init__()
        self.id = id
        self.key = key
        self.name = name
        self.lane = lane
        self.interest = interest
        self.deadline_at = time.monotonic() + timeout
        self.lag = 0.0
        """Seconds that the submission took: the ledger's deadline is later by as much at most."""
        self._client = client
        self._decode = decode
        self._withdrawn = False

    def __repr__(self) -> str:
        state = "ended" if super().done() else f"{self.remaining():.1f} s left"
        return f"<WorkWaiter {self.name} [{self.id}] {state}>"

    @property
    def _condition(self) -> threading.Condition:
        """What everybody who waits takes first, `concurrent.futures.wait` too: the place to notice a fork."""
        self._be_here()
        return self._waiting

    @_condition.setter
    def _condition(self, condition: threading.Condition) -> None:
        self._waiting = condition

    # Waiting

    def result(self, timeout: float | None = None) -> Any:
        """The work's value, or the error that stands for it (`WorkError`).

        Waits until the deadline, or `timeout` seconds: then `TimeoutError`, and the work goes on.
        """
        self._wait(timeout)
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """The error instead of raising it; None if there is a value. Waits as `result` does."""
        self._wait(timeout)
        return super().exception(0)

    def done(self) -> bool:
        """Whether there is an answer, a value or an error."""
        return super().done() or self.expire_if_due()

    def cancelled(self) -> bool:
        """Whether this caller withdrew."""
        return self._withdrawn

    def __await__(self) -> Generator[Any, None, Any]:
        """The result, in asyncio. Cancelling the waiting task withdraws, as cancelling any awaited future does."""
        return self._answer_here().__await__()

    async def _answer_here(self) -> Any:
        loop = asyncio.get_running_loop()
        arrived = loop.create_future()

        def arrive() -> None:
            if not arrived.done():
                arrived.set_result(None)

        def from_any_thread() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(arrive)

        self._tell(from_any_thread)
        try:
            await arrived
        except asyncio.CancelledError:
            self.cancel()
            raise
        return super().result(0)

    def remaining(self) -> float:
        """Seconds until the deadline; never negative."""
        return max(self.deadline_at - time.monotonic(), 0.0)

    # Looking

    def status(self) -> WorkStatus | None:
        """What the ledger knows about the work; None if it has forgotten it. Raises `LedgerUnavailable`."""
        self._be_here()
        return self._client.ledger.statuses([self.id])[0]

    def progress(self) -> Iterator[Progress]:
        """Each change of the work's progress, as it comes, until the work has ended or the deadline has passed.

        While the ledger is away there is none.
        """
        seen: Progress | None = None
        while True:
            over = self.done()
            made = self._made(self.remaining())
            if made is not None and made != seen:
                seen = made
                yield seen
            if over:
                return
            with contextlib.suppress(TimeoutError):
                self._wait(min(_PROGRESS_INTERVAL, self.remaining()))

    def _made(self, remaining: float) -> Progress | None:
        """The progress that the ledger can tell of by the deadline."""
        if not remaining:
            return None
        with contextlib.suppress(LedgerUnavailable):
            [status] = self._client.ledger.statuses([self.id], remaining)
            return status.progress if status is not None else None
        return None

    # Leaving

    def cancel(self) -> bool:
        """Withdraws this caller's interest; False if there was an answer already.

        Durable: if the ledger cannot be reached now, it is told as soon as it can, until the deadline. The work itself
        goes on while anybody else wants it.
        """
        left = self._leave()
        if left:
            self._client.withdraw(self)
        return left

    def detach(self) -> None:
        """Lets the work live until its deadline, also without this process. Raises `LedgerUnavailable`."""
        self._be_here()
        self._client.detach([self])

    def __enter__(self) -> WorkWaiter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()

    def __str__(self) -> str:
        return f"{self.name} [{self.id}]"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self} is neither copied nor pickled: attach({self.id!r}) makes another waiter, anywhere")

    # For the client and its mailbox

    @property
    def claim(self) -> Claim:
        """The interest, and where it is."""
        return Claim(self.id, self.interest, self.name, self.key or "")

    def cancel_aside(self) -> None:
        """Withdraws without waiting for the ledger."""
        if self._leave():
            self._client.withdraw_aside(self)

    def _leave(self) -> bool:
        if self.done():
            return False
        self._withdrawn = True
        if not self._fail(WorkCancelled(f"{self} was withdrawn by this caller", Reason.WITHDRAWN)):
            self._withdrawn = False
            return False
        return True

    def settle(self, outcome: Outcome) -> None:
        """Takes the work's outcome, unless there is an answer already."""
        if outcome.state is State.COMPLETED:
            try:
                value = self._decode(outcome.result or "null")
            except Exception as error:
                self._fail(WorkFailed("InvalidResult", str(error)))
                return
            with contextlib.suppress(InvalidStateError):
                self.set_result(value)
        else:
            self._fail(self._error(outcome))

    def refuse(self, error: WorkError) -> None:
        """Fails with what the ledger answered to the submission."""
        self._fail(error)

    def expire_if_due(self) -> bool:
        """Fails with `WorkTimeout` if the deadline has passed; whether there is an answer now."""
        if time.monotonic() < self.deadline_at:
            return False
        self._fail(WorkTimeout(f"{self} was not answered by its deadline"))
        return True

    def _tell(self, teller: Callable[[], object]) -> None:
        """Calls it when there is an answer, on the thread that brings it: it must not block, nor wait for what does."""
        with self._condition:
            if not super().done():
                self._tellers.append(teller)
                return
        teller()

    def _invoke_callbacks(self) -> None:
        """Future's own way to call them, on another thread: one that blocks must not cost the process its pulse."""
        tellers, self._tellers = self._tellers, []
        for teller in tellers:
            teller()
        if self._done_callbacks:
            self._client.callbacks.put(super()._invoke_callbacks)  # type: ignore[misc]  # not in the stubs

    def _wait(self, timeout: float | None) -> None:
        """Waits for an answer; TimeoutError if `timeout` comes before it and before the deadline."""
        remaining = self.remaining()
        patience = remaining if timeout is None else min(timeout, remaining)
        try:
            super().exception(patience)
        except TimeoutError:
            if not self.expire_if_due():
                raise

    def _fail(self, error: WorkError) -> bool:
        try:
            self.set_exception(error)
        except InvalidStateError:
            return False
        return True

    def _error(self, outcome: Outcome) -> WorkError:
        error = outcome.error or {"type": "", "message": outcome.reason, "traceback": ""}
        if outcome.state is State.EXPIRED:
            return WorkTimeout(f"{self} was dropped: {outcome.reason}")
        if outcome.state is State.CANCELLED:
            return WorkCancelled(f"{self} was ended: {outcome.reason}", outcome.reason)
        if outcome.reason == Reason.UNKNOWN_TYPE:
            return UnknownWork(error["message"])
        kind = WorkLost if outcome.reason == Reason.WORKER_LOST else WorkFailed
        return kind(error["type"], error["message"], error["traceback"])

    def _be_here(self) -> None:
        """In a forked child: takes an interest of its own, since the parent's dies with the parent."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()  # first, since what follows comes by here again
        self._waiting = threading.Condition()  # a thread that was not forked may have held the parent's
        self._done_callbacks: list[Callable[[Future[Any]], object]] = []
        self._waiters = []  # of threads that wait in the parent, each with a lock of its own
        self._tellers = []
        if not super().done():
            self._client = self._client.in_this_process()
            self._client.join(self)
