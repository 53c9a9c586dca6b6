"""What other threads do that a child must not inherit half done: a fork of the process waits for it.

A child has its parent's locks as they were, those of the C library and of compiled extensions too, but only the thread
that forked: what another thread held stays locked for ever.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Final

_PATIENCE: Final = 5.0  # seconds; those locks are held for moments, and never while waiting for the network


@contextlib.contextmanager
def no_fork_meanwhile() -> Iterator[None]:
    """What a fork by another thread waits for, some seconds at most, and which waits for a fork.

    Needed around a look-up of a host, which takes locks of the C library and may take that of an import, and around
    each use of a pydantic model: the first ones take locks of its compiled core. Not to be nested.
    """
    me = threading.get_ident()
    try:  # from here on: whoever hard-cancels this thread must not leave it among the busy
        with _gate:
            _busy.add(me)
        yield
    finally:
        with _left:
            _busy.discard(me)
            _left.notify_all()


_gate = threading.RLock()  # held by a thread that forks: nobody begins before there are two processes
_left = threading.Condition()
_busy: set[int] = set()  # threads that must not be forked beside


def _before_fork() -> None:
    _gate.acquire()
    with _left:
        _left.wait_for(lambda: not _busy - {threading.get_ident()}, _PATIENCE)


def _after_fork_in_parent() -> None:
    _gate.release()


def _after_fork_in_child() -> None:
    global _gate, _left
    _gate, _left = threading.RLock(), threading.Condition()
    _busy.clear()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
