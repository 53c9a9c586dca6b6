"""Holding a request: until there is an answer, the time is up, the client hangs up, or the gateway closes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Future
from enum import Enum, auto
from typing import Any

from starlette.requests import Request


class Why(Enum):
    """Why a request is held no longer."""

    ANSWERED = auto()
    """The work has ended."""
    ELAPSED = auto()
    """The client's waiting time is over."""
    GONE = auto()
    """The client has hung up."""
    CLOSING = auto()
    """The gateway is told to stop."""


class Holds:
    """The requests that are held now. One future each, and no thread."""

    def __init__(self) -> None:
        self._wakers: set[Callable[[Why], None]] = set()
        self._closing = False

    async def hold(self, request: Request, answer: Future[Any], seconds: float) -> Why:
        """Waits, at most so many seconds. The request's body must have been read."""
        if self._closing:
            return Why.CLOSING
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[Why] = loop.create_future()

        def wake(why: Why) -> None:
            if not woken.done():
                woken.set_result(why)

        def answered(_: Future[Any]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
                loop.call_soon_threadsafe(wake, Why.ANSWERED)

        answer.add_done_callback(answered)
        timer = loop.call_later(seconds, wake, Why.ELAPSED)
        listening = loop.create_task(_until_gone(request))
        listening.add_done_callback(lambda _: wake(Why.GONE))
        self._wakers.add(wake)
        try:
            return await woken
        finally:
            self._wakers.discard(wake)
            timer.cancel()
            listening.cancel()

    def close(self) -> None:
        """Lets all of them go, and those that come."""
        self._closing = True
        for wake in list(self._wakers):
            wake(Why.CLOSING)


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
