"""Requests that are held no longer leave their works together: thousands of them in a few round trips."""

from __future__ import annotations

import asyncio
from typing import Final

from ..interest.records import WorkStatus
from ..waiters.waiter import WorkWaiter
from .desk import Desk

_AT_ONCE: Final = 100  # works in one round trip: a few milliseconds of Redis

Left = asyncio.Future[WorkStatus | None]


class Leaving:
    """Those whose time is over at the same moment, such as all when the gateway closes."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._waiting: list[tuple[WorkWaiter, Left]] = []
        self._parting: asyncio.Task[None] | None = None

    async def leave(self, waiter: WorkWaiter) -> WorkStatus | None:
        """Lets the work go on without this request; how it stands then. Raises `LedgerUnavailable`."""
        loop = asyncio.get_running_loop()
        left: Left = loop.create_future()
        self._waiting.append((waiter, left))
        if self._parting is None:
            self._parting = loop.create_task(self._part())
        return await left

    async def _part(self) -> None:
        try:
            while self._waiting:
                now, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                await self._part_from(now)
        finally:
            self._parting = None

    async def _part_from(self, now: list[tuple[WorkWaiter, Left]]) -> None:
        try:
            found = await self._desk.run(lambda: self._desk.part([waiter for waiter, _ in now]))
        except Exception as error:
            # To all of them: each round would take as long to find it out.
            now, self._waiting = now + self._waiting, []
            for _, left in now:
                if not left.done():
                    left.set_exception(error)
        else:
            for waiter, left in now:
                if not left.done():  # its request is still there
                    left.set_result(found.get(waiter.id))
