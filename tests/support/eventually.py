"""The one way to wait in a test: ask again until it is so, and say what was wrong when it never was."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def eventually(predicate: Callable[[], Found], *, within: float = 10.0, what: str = "", every: float = 0.02) -> Found:
    """What the predicate returns as soon as that is true; fails after `within` seconds."""
    give_up_at = time.monotonic() + within
    while True:
        found = predicate()
        if found:
            return found
        if time.monotonic() > give_up_at:
            raise AssertionError(f"not within {within:g} s: {what or getattr(predicate, '__doc__', None) or predicate}")
        time.sleep(every)


def stays(predicate: Callable[[], object], *, during: float, what: str = "", every: float = 0.05) -> None:
    """Fails if the predicate ever turns false in that many seconds: for what must not happen."""
    over_at = time.monotonic() + during
    while time.monotonic() < over_at:
        assert predicate(), f"held less than {during:g} s: {what or predicate}"
        time.sleep(every)
