"""Everything the demo makes, a folder, a Redis and processes, and its removal."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX
from pathlib import Path

from ..cli import tether
from ..interest.embedded import EmbeddedRedis, embedded_redis
from ..interest.keeper import SERVER_LOCK, open_lock, try_lock
from .errors import DemoError
from .interrupts import Interrupts

_STOP_PATIENCE = 8.0  # seconds: a worker ends what it runs, no work of the demo takes longer to stop
_KILL_PATIENCE = 5.0
_REDIS_PATIENCE = 15.0
_POLL = 0.05
# The demo is the same whatever the user's own fleet is configured to be.
_FOREIGN = ("ASKFIRST_", "CELERY_")


class Stage:
    """A temporary folder and what runs in it, from `open` to `clear`."""

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts
        self._processes: list[subprocess.Popen[str]] = []
        self._redis: EmbeddedRedis | None = None
        # Named before it is made: there is no moment at which `clear` would not find it.
        self.folder = Path(tempfile.gettempdir(), f"askfirst-demo-{secrets.token_hex(6)}")
        self.data_dir = self.folder / "data"

    def open(self) -> None:
        """Makes the folder, for this user only."""
        self.folder.mkdir(mode=0o700)

    def start_redis(self) -> EmbeddedRedis:
        """The embedded Redis of the folder. Raises `LedgerUnavailable` where there is none to start."""
        with self._interrupts.held():
            self._redis = embedded_redis(self.data_dir)
        return self._redis

    def start(self, log: str, *command: str, **settings: object) -> subprocess.Popen[str]:
        """Starts `python -m COMMAND` with these settings of askfirst; what it says goes to the log."""
        with self._interrupts.held(), (self.folder / log).open("a") as output:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), sys.executable, "-m", *command],
                cwd=self.folder,
                # A worker that is killed leaves what it keeps in a folder for temporary files.
                env=_environment({"data_dir": self.data_dir, **settings}) | {"TMPDIR": str(self.folder)},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                # Ctrl-C is for the demo alone, which then ends the others in order.
                start_new_session=True,
            )
            self._processes.append(process)
        return process

    @contextmanager
    def worker(self, log: str, *command: str, **settings: object) -> Iterator[subprocess.Popen[str]]:
        """The same for as long as the block lasts; nobody waits for it to end, which takes Celery two seconds."""
        process = self.start(log, *command, **settings)
        try:
            yield process
        finally:
            process.terminate()

    def end(self, processes: Iterable[subprocess.Popen[str]]) -> None:
        """Ends these, those that don't by themselves with force, and whatever they started."""
        ending = list(processes)
        with self._interrupts.held():
            for process in ending:
                process.terminate()
            give_up_at = time.monotonic() + _STOP_PATIENCE
            for process in ending:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(max(give_up_at - time.monotonic(), 0))
                _end_session(process)
                self._processes.remove(process)

    def why(self, log: str) -> str:
        """The last line of a log."""
        path = self.folder / log
        lines = path.read_text(errors="replace").split("\n") if path.exists() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")

    def require_alive(self, process: subprocess.Popen[str], what: str, log: str) -> None:
        """Raises `DemoError` if the process has ended."""
        if process.poll() is not None:
            raise DemoError(f"{what} has ended by itself: {self.why(log)}")

    def clear(self) -> None:
        """Ends and removes everything. Signals are not listened to from here on: it takes a few seconds at most."""
        self._interrupts.hold()
        self.end(self._processes)
        if self._redis is not None:
            self._redis.release()
            _wait_until_unused(self.data_dir / "redis" / SERVER_LOCK)
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.folder.exists():
            raise DemoError(f"{self.folder} could not be removed: please do")


def _environment(settings: Mapping[str, object]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return inherited | {f"ASKFIRST_{name.upper()}": str(value) for name, value in settings.items()}


def _end_session(process: subprocess.Popen[str]) -> None:
    # It leads a session of its own: whatever is left there is its own, pool processes of a killed worker for example.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_KILL_PATIENCE)
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()


def _wait_until_unused(lock: Path) -> None:
    """Waits for the end of the Redis and of its keeper: both hold this lock for their life."""
    give_up_at = time.monotonic() + _REDIS_PATIENCE
    descriptor = open_lock(lock)
    try:
        while not try_lock(descriptor, LOCK_EX) and time.monotonic() < give_up_at:
            time.sleep(_POLL)
    finally:
        os.close(descriptor)
