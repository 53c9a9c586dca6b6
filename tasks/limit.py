"""A time limit for one operation of a work, linked to the work's own deadline."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .context import WorkContext


class OperationTimeout(TimeoutError):
    """An operation took longer than its own limit, while the work itself had time left."""


class Limit:
    """`with ctx.limit(10) as limit:` — whose time is over decides what a timeout inside the block means.

    The work's own: `InterestLost`. The limit's: `OperationTimeout`. Neither: it is somebody else's, and passes through.
    """

    def __init__(self, context: WorkContext, seconds: float) -> None:
        self._context = context
        self._seconds = seconds
        self._ends_at = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds until the limit or the work's deadline, whichever comes first; never negative."""
        return max(min(self._ends_at - time.monotonic(), self._context.remaining()), 0.0)

    def check(self) -> None:
        """Raises `InterestLost` or `OperationTimeout` if time is over."""
        self._context.check()
        if time.monotonic() >= self._ends_at:
            raise OperationTimeout(f"the operation took longer than its limit of {self._seconds:g} s")

    def __enter__(self) -> Limit:
        self.check()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # A block that came through has made its operation, however late.
        if isinstance(error, TimeoutError) and not isinstance(error, OperationTimeout):
            self.check()
