"""The journal of a campaign: one line of JSON for each thing that happened, appended in one write by whoever saw it.

Times (`at`) are those of the monotonic clock, which all processes of a host share and no clock jump moves.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

JOURNAL: Final = "FAULTS_JOURNAL"
PROCESS: Final = "FAULTS_PROCESS"
"""Variables of the environment of each process of a campaign: the journal's path, and the name it goes by."""

Line = dict[str, Any]


class Journal:
    """Writes lines under one process's name."""

    def __init__(self, path: Path, process: str) -> None:
        self._process = process
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, event: str, /, **what: Any) -> None:
        """Appends a line; when this returns it survives the process."""
        line = {"at": round(time.monotonic(), 4), "by": self._process, "pid": os.getpid(), "event": event} | what
        os.write(self._descriptor, json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        os.close(self._descriptor)


def from_environment() -> Journal:
    """The journal of this process, as the stage has told it."""
    return Journal(Path(os.environ[JOURNAL]), os.environ[PROCESS])


class Reader:
    """Reads what has been written since the last reading."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def lines(self) -> Iterator[Line]:
        """The new lines. One whose end is not there yet comes next time."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for text in file:
                if not text.endswith(b"\n"):
                    return
                self._offset += len(text)
                yield json.loads(text)
