"""How a tripped token reaches code that does not look at it: natively in asyncio, by an exception where opted in."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from ..interest.states import Reason
from ..tasks import InterestLost, WorkContext


def run_async(context: WorkContext, function: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Runs a coroutine on an event loop of its own, and cancels it when the token trips.

    A cancellation that is ours comes out as `InterestLost`, one that is somebody else's as it is.
    """
    return asyncio.run(_guarded(context, function))


async def _guarded(context: WorkContext, function: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    loop = asyncio.get_running_loop()
    work = asyncio.ensure_future(function())
    ours = False

    def cancel() -> None:
        nonlocal ours
        ours = ours or not work.done()
        work.cancel()

    def from_any_thread() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the work is over
            loop.call_soon_threadsafe(cancel)

    def watch_the_deadline() -> None:
        if context.interested:  # trips the token if the deadline has passed; else callers joined with a later one
            loop.call_later(max(context.remaining(), 0.001), watch_the_deadline)

    context.token.on_trip(from_any_thread)
    watch_the_deadline()
    try:
        return await work
    except asyncio.CancelledError:
        if ours:
            raise InterestLost(context.token.reason or Reason.DEADLINE_PASSED) from None
        raise


@contextlib.contextmanager
def interruptible(context: WorkContext) -> Iterator[None]:
    """Raises `InterestLost` in this thread, at its next bytecode, when the token trips inside the block.

    A call into C is not interrupted; it gets the exception when it returns.
    """
    thread = threading.get_ident()
    lock = threading.Lock()
    inside = True

    def interrupt() -> None:
        with lock:
            if inside:
                _raise_in(thread, InterestLost)

    context.token.on_trip(interrupt)
    try:
        yield
    finally:
        with lock:
            inside = False
            # Asked for, but not raised yet: it must not hit what comes after the block.
            _raise_in(thread, None)


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(error) if error else None)
