"""Calls that are made on another thread."""

import threading
import time

import pytest

from askfirst.waiters.background import BackgroundCalls


def test_closing_waits_for_what_is_to_be_called_and_no_longer() -> None:
    called: list[int] = []
    calls = BackgroundCalls("test-calls")
    calls.put(lambda: time.sleep(0.1))
    calls.put(lambda: called.append(1))
    began_at = time.monotonic()
    calls.close()
    assert called == [1]
    assert time.monotonic() - began_at < 0.8


def test_calls_after_closing_are_made_too() -> None:
    called: list[int] = []
    calls = BackgroundCalls("test-calls")
    calls.close()
    calls.put(lambda: called.append(1))
    calls.close()
    assert called == [1]


def test_a_call_that_finds_no_thread_is_made_with_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    called: list[int] = []
    calls = BackgroundCalls("test-calls")
    with monkeypatch.context() as refusing:
        refusing.setattr(threading.Thread, "start", refuse)
        calls.put(lambda: called.append(1))
    calls.put(lambda: called.append(2))
    calls.close()
    assert called == [1, 2]
