"""Scheduler processes as operators run them: started, killed, frozen."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from askfirst.config import Settings

from .eventually import eventually
from .processes import end, environment


class SchedulerProcess:
    """`askfirst schedule run`, or whatever other command; its log is in its folder."""

    def __init__(self, settings: Settings, folder: Path, name: str, command: tuple[str, ...] = ()) -> None:
        self.log_file = folder / f"{name}.log"
        command = command or ("-m", "askfirst", "schedule", "run")
        with self.log_file.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=environment(settings),
                text=True,
                start_new_session=True,
            )

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def is_ready(self, text: str = "ready") -> bool:
        return text in self.log()

    def wait_until_ready(self, text: str = "ready") -> "SchedulerProcess":
        def ready() -> bool:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.log()}"
            return self.is_ready(text)

        eventually(ready, within=30, what=f"it is ready: {self.log()}")
        return self

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def pause(self) -> None:
        os.killpg(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.killpg(self.process.pid, signal.SIGCONT)

    def stop(self) -> int:
        """Asks it to end, as an operator does; its exit code."""
        self.process.terminate()
        return self.process.wait(10)

    def close(self) -> None:
        if self.process.poll() is None:
            self.resume()
        end(self.process)
