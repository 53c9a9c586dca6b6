"""A small file of flights, and the demo as a process of its own."""

import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from askfirst.demo.flights import Flights
from tests.support.eventually import eventually

HEADER = "carrier,dest,dep_time,arr_delay,distance"
ROWS = ("UA,IAH,517,11,1400", "UA,IAH,,,1416", "AA,MIA,542,-33,1089", "B6,BQN,544,-18,1576", "UA,ORD,NA,NA,719")

RUN = """
import sys
from pathlib import Path
from rich.console import Console
from askfirst.demo.flights import Flights
from askfirst.demo.load import Load
from askfirst.demo.main import Scale, run_demo
load = Load(slots=2, duration=1.5, crowds=2, recovery=6.0)
sys.exit(run_demo(Console(width=200), Scale(load, Flights(Path(sys.argv[1]), 5))))
"""

RUN_SCHEDULES = """
import sys
from rich.console import Console
from askfirst.demo.main import run_schedules
from askfirst.demo.schedules import Course
course = Course(instants=4, kill_one_at=0.5, kill_others_at=1.0, restart_at=1.5)
sys.exit(run_schedules(Console(width=200), course))
"""


@pytest.fixture
def flights(tmp_path: Path) -> Flights:
    path = tmp_path / "flights.csv.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("flights.csv", "\n".join([HEADER, *ROWS, ""]))
    return Flights(path, len(ROWS))


@dataclass
class Demo:
    """A running demo, all whose files and processes can be told by its folder for temporary files."""

    process: "subprocess.Popen[str]"
    tmp: Path

    def read_until(self, text: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if text in line:
                return
        pytest.fail(f"the demo ended without saying {text!r}")

    def finish(self) -> tuple[int, str]:
        """Its exit code, and the rest of what it says."""
        said, _ = self.process.communicate(timeout=90)
        return self.process.returncode, said

    def processes(self) -> list[str]:
        """The processes that it started, and those started its descendants, each with what it is."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if f"TMPDIR={self.tmp}".encode() in (folder / "environ").read_bytes():
                    found.append((folder / "cmdline").read_text().replace("\0", " "))
        return found

    def has_left_nothing(self) -> bool:
        eventually(lambda: not self.processes(), within=2, what=f"none of these is left: {self.processes()}")
        return not list(self.tmp.iterdir())


@pytest.fixture(scope="session")
def inherited(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment. Where no bytecode is written, a folder for it: a dozen processes must not compile all anew."""
    if not sys.dont_write_bytecode:
        return dict(os.environ)
    given = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return given | {"PYTHONPYCACHEPREFIX": str(tmp_path_factory.mktemp("bytecode"))}


@pytest.fixture
def start_demo(tmp_path: Path, inherited: dict[str, str]) -> Iterator[Callable[..., Demo]]:
    started: list[Demo] = []

    def start(*command: str, **environment: str) -> Demo:
        tmp = tmp_path / "tmp"
        tmp.mkdir()
        process = subprocess.Popen(
            [sys.executable, *command],
            env={**inherited, "TMPDIR": str(tmp), "PYTHONUNBUFFERED": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(Demo(process, tmp))
        return started[-1]

    yield start
    for demo in started:
        if demo.process.poll() is None:
            demo.process.send_signal(signal.SIGTERM)
            demo.finish()


@pytest.fixture
def demo(start_demo: Callable[..., Demo], flights: Flights) -> Demo:
    """The small variant, started."""
    return start_demo("-c", RUN, str(flights.path))
