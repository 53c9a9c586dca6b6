"""What a process does at its end, also as a child of `multiprocessing`."""

from __future__ import annotations

import atexit
import multiprocessing
import sys
import threading
from collections.abc import Callable
from multiprocessing.util import Finalize
from typing import Final

_NAME: Final = "askfirst-exit"  # of the threads that make the last calls


def at_exit(call: Callable[[], object]) -> Callable[[], object]:
    """Has it called when this process exits; returns what undoes that."""
    if multiprocessing.parent_process() is None or sys.version_info >= (3, 13):
        atexit.register(call)
        return lambda: atexit.unregister(call)
    # Before Python 3.13 a forked child of multiprocessing leaves without what is registered with atexit, and a spawned
    # one must not do both.
    return Finalize(None, _after_the_threads, (call,), exitpriority=0).cancel


def _after_the_threads(call: Callable[[], object]) -> None:
    """Such a child comes by here before it waits for its threads, which may still want what they asked for."""
    threading.Thread(target=_call_last, args=(call, threading.current_thread()), name=_NAME).start()


def _call_last(call: Callable[[], object], main: threading.Thread) -> None:
    for thread in threading.enumerate():
        # Two that make last calls would wait for each other.
        if not thread.daemon and thread is not main and thread.name != _NAME:
            thread.join()
    call()
