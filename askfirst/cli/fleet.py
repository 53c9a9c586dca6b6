"""Child processes under one roof: their lines told apart, and none of them left behind."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Final

import click

from . import tether

_TICK: Final = 0.2  # seconds between two looks at the children
_COLOURS: Final = ("cyan", "green", "yellow", "magenta", "blue")
_LAST_WORDS: Final = 2.0  # seconds to read what ended children still have to say


@dataclass(slots=True)
class _Child:
    name: str
    process: subprocess.Popen[bytes]
    colour: str
    unfinished: bytes = field(default=b"")

    @property
    def out(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout


class Fleet:
    """Starts children, shows what they say, and ends them all. For the main thread only."""

    def __init__(self, names: Sequence[str]) -> None:
        self._width = max(map(len, names), default=0)
        self._children: list[_Child] = []
        self._selector = selectors.DefaultSelector()

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Starts one, in a process group of its own: Ctrl-C reaches only us, and we say when to stop."""
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), *command],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        child = _Child(name, process, _COLOURS[len(self._children) % len(_COLOURS)])
        os.set_blocking(child.out.fileno(), False)
        self._children.append(child)
        self._selector.register(child.out, selectors.EVENT_READ, child)

    def show(self, until: Callable[[], bool], patience: float | None = None) -> None:
        """Shows the children's lines until so, or for so many seconds."""
        give_up_at = None if patience is None else time.monotonic() + patience
        while not until() and (give_up_at is None or time.monotonic() < give_up_at):
            for key, _ in self._selector.select(_TICK):
                self._read(key.data)
            if not self._selector.get_map():
                time.sleep(_TICK)

    def ended(self) -> list[tuple[str, int]]:
        """The children that have ended, with their exit codes."""
        return [(child.name, code) for child in self._children if (code := child.process.poll()) is not None]

    def stop(self, patience: float, hurry: Callable[[], int]) -> None:
        """Asks all to end, and after `patience` seconds kills them with their children.

        `hurry` counts how often somebody has asked for haste: at once they are asked again, which to a worker means not
        to drain; at twice they are killed.
        """
        give_up_at = time.monotonic() + patience
        self._terminate()
        self.show(lambda: self._all_ended() or hurry() > 0, patience)
        if hurry():
            self._terminate()
            self.show(lambda: self._all_ended() or hurry() > 1, give_up_at - time.monotonic())
        for child in self._children:
            if child.process.poll() is None:
                click.echo(f"{child.name} does not end: killing it", err=True)
            # Also where it has ended: what it had started may be left in its group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()
        self.show(lambda: not self._selector.get_map(), _LAST_WORDS)
        for child in self._children:
            child.out.close()
        self._selector.close()

    def _terminate(self) -> None:
        for child in self._children:
            if child.process.poll() is None:
                child.process.terminate()

    def _all_ended(self) -> bool:
        return len(self.ended()) == len(self._children)

    def _read(self, child: _Child) -> None:
        part = os.read(child.out.fileno(), 65536)
        *lines, child.unfinished = (child.unfinished + part).split(b"\n")
        if not part:
            self._selector.unregister(child.out)
            lines += [child.unfinished] if child.unfinished else []
        for line in lines:
            text = line.decode(errors="replace").rstrip()
            if text:
                click.echo(f"{click.style(child.name.ljust(self._width), fg=child.colour)} | {text}")
