"""What a running work knows about itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Final

from ..config.units import seconds
from ..interest.forking import no_fork_meanwhile
from ..interest.records import Progress
from ..interest.states import Reason
from .limit import Limit
from .token import InterestLost, Token

_WRITTEN: Final = 1.0  # seconds that the end of a run waits for the ledger to know that its children are not wanted

_current: ContextVar[WorkContext | None] = ContextVar("askfirst_work", default=None)


class WorkContext:
    """Handed to a work whose first parameter is annotated with it.

    Made by the worker; a test of a work as a plain function makes its own: `WorkContext(timeout=30)`.
    """

    def __init__(
        self,
        *,
        id: str = "",
        key: str | None = None,
        attempt: int = 1,
        nominal_time: datetime | None = None,
        timeout: float | str | timedelta = 3600.0,
        token: Token | None = None,
        report: Callable[[Progress], None] | None = None,
    ) -> None:
        self.id = id
        self.key = key
        self.attempt = attempt
        self.nominal_time = nominal_time
        """The instant of its schedule that a work runs for (UTC), however late; None where no schedule started it."""
        self.log = logging.LoggerAdapter(logging.getLogger("askfirst.work"), {"work_id": id, "attempt": attempt})
        self.token = token or Token()
        self._report = report
        self._children: dict[Callable[[], object], None] = {}
        self._written: dict[Callable[[float], object], None] = {}
        self.extend(seconds(timeout))

    def extend(self, remaining: float) -> None:
        """Sets the deadline to `remaining` seconds from now: callers come and go while a work runs."""
        self._deadline_at = time.monotonic() + remaining

    @property
    def deadline(self) -> datetime:
        """When the last caller stops waiting (UTC, by this host's clock)."""
        return datetime.now(UTC) + timedelta(seconds=self.remaining())

    def remaining(self) -> float:
        """Seconds until the deadline; never negative."""
        return max(self._deadline_at - time.monotonic(), 0.0)

    @property
    def interested(self) -> bool:
        """Whether anybody still wants the result."""
        if self.remaining() <= 0:
            self.token.trip(Reason.DEADLINE_PASSED)
        return not self.token.reason

    def check(self) -> None:
        """Raises `InterestLost` if nobody wants the result any more; cheap enough for every loop."""
        if not self.interested:
            raise InterestLost(self.token.reason)

    def sleep(self, seconds: float) -> None:
        """Sleeps, but not longer than anybody wants the result. Raises `InterestLost`."""
        wake_at = time.monotonic() + seconds
        while (left := wake_at - time.monotonic()) > 0:
            self.check()
            self.token.wait(min(left, max(self.remaining(), 0.001)))
        self.check()

    def limit(self, limit: float | str | timedelta) -> Limit:
        """A time limit for one operation, in seconds: `with ctx.limit(10) as limit: fetch(timeout=limit.remaining())`.

        Past its own limit the block raises `OperationTimeout`, past the work's deadline `InterestLost`; somebody else's
        TimeoutError passes through untouched.
        """
        return Limit(self, seconds(limit))

    def link(self, withdraw: Callable[[], object], written: Callable[[float], object]) -> Callable[[], None]:
        """Has `withdraw` called when this run ends in any way, or nobody wants it any more; returns what undoes it.

        `written` waits, at most the seconds that it is given, until the ledger knows of what was withdrawn.
        """
        self._children[withdraw] = None
        self._written[written] = None
        unlink = self.token.on_trip(withdraw)

        def undo() -> None:
            self._children.pop(withdraw, None)
            unlink()

        return undo

    def end(self) -> None:
        """The run is over: works that it asked for, and has no answer of, are not wanted any more.

        The latest first, and written before the slot is free: those that wait must not take the slots of those that
        stop.
        """
        for withdraw in [*self._children][::-1]:
            withdraw()
        if self.token.reason:
            self.token.wait_until_told(_WRITTEN)
        for written in self._written:
            written(_WRITTEN)

    def progress(self, done: float, total: float | None = None, note: str | None = None) -> None:
        """Tells how far it is; written a few times a second at most, so call it as often as you like."""
        if self._report is not None:
            with no_fork_meanwhile():
                progress = Progress(done=done, total=total, note=note)
            self._report(progress)


def current_context() -> WorkContext | None:
    """The context of the work that runs here, if one does."""
    return _current.get()


def set_current_context(context: WorkContext | None) -> None:
    """Makes this the context of what runs here from now on."""
    _current.set(context)
