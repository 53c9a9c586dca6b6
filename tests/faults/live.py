"""How many violations there are so far, counted now and then beside a campaign, in a process of its own.

`python -m tests.faults.live JOURNAL` prints the number.
"""

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from tests.support.processes import ROOT

from .checker import check
from .journal import Reader
from .story import Story

_EVERY: Final = 20.0  # seconds from the end of one count to the next


class Live:
    """Counts again and again, until closed."""

    def __init__(self, journal: Path) -> None:
        self.violations = 0
        self._command = ["nice", sys.executable, "-m", "tests.faults.live", str(journal)]
        self._process: subprocess.Popen[str] | None = None
        self._next = time.monotonic() + _EVERY

    def look(self) -> None:
        """Starts a count if it is time, takes the number if there is one; never waits."""
        if self._process is None:
            if time.monotonic() > self._next:
                self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        elif self._process.poll() is not None:
            said, _ = self._process.communicate()
            self.violations = int(said or self.violations)
            self._process, self._next = None, time.monotonic() + _EVERY

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


if __name__ == "__main__":
    print(len(check(Story(Reader(Path(sys.argv[1])).lines()))))
