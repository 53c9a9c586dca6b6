"""Another process that asks for work."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

from askfirst.config import Settings

from .eventually import eventually
from .processes import end, environment

_PREAMBLE = """
import os, sys, time
from pathlib import Path
from askfirst import *
from tests.support import works

def say(*words):
    # in one write, so that what threads and children say doesn't mix
    os.write(sys.stdout.fileno(), (" ".join(map(str, words)) + "\\n").encode())
"""


class Caller:
    """Runs a script; what it says by `say(…)` can be awaited line by line."""

    def __init__(self, script: str, settings: Settings, folder: Path, arguments: Iterable[object] = ()) -> None:
        self._said = folder / "said.txt"
        self._errors = folder / "errors.txt"
        self._read = 0
        command = [sys.executable, "-c", _PREAMBLE + textwrap.dedent(script), *map(str, arguments)]
        with self._said.open("w") as said, self._errors.open("w") as errors:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=errors,
                cwd=folder,
                env=environment(settings),
                text=True,
                start_new_session=True,
            )

    def line(self, within: float = 10.0) -> str:
        """The next line it says."""
        eventually(lambda: len(self._lines()) > self._read or self._failed(), within=within, what="it says something")
        assert len(self._lines()) > self._read, f"it ended with {self.process.returncode}: {self.errors()}"
        self._read += 1
        return self._lines()[self._read - 1]

    def rest(self, within: float = 10.0) -> list[str]:
        """Waits for its end, which must be a good one; the lines not read yet."""
        code = self.wait(within)
        assert code == 0, f"it ended with {code}: {self.errors()}"
        return self._lines()[self._read :]

    def wait(self, within: float = 10.0) -> int:
        """Waits for its end; its exit code."""
        return self.process.wait(within)

    def errors(self) -> str:
        return self._errors.read_text()

    def kill(self) -> None:
        """Kills it, as the kernel or an operator does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def go_on(self) -> None:
        """Lets it pass a `sys.stdin.readline()`."""
        assert self.process.stdin is not None
        self.process.stdin.write("go on\n")
        self.process.stdin.flush()

    def close(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        end(self.process)

    def _lines(self) -> list[str]:
        return self._said.read_text().splitlines()

    def _failed(self) -> bool:
        return self.process.poll() is not None
