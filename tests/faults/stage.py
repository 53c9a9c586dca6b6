"""The processes of a campaign: workers and callers, each with a road of its own; whoever dies comes back."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from askfirst.config import Settings
from tests.support.processes import environment

from . import clocks
from .journal import JOURNAL, PROCESS, Journal
from .network import Network, Road
from .servers import Servers
from .works import STACKS

_BACK_AFTER: Final = 1.0  # seconds from the death of a process until whoever looks after it starts another
LEASE: Final = 3.0
PULSE_TIMEOUT: Final = 3.0
MAX_DELIVERIES: Final = 5
RETENTION: Final = 1800.0


@dataclass(frozen=True)
class Role:
    """What a process is for."""

    name: str
    worker: bool
    command: tuple[str, ...]
    clock: bool = False
    """Whether its clock can be made to jump."""


@dataclass
class Process:
    """One process in its role: `name` tells it from those that had the role before it."""

    role: Role
    name: str
    popen: "subprocess.Popen[str]"
    expected: bool = False
    """Whether its end is our doing."""
    died_at: float | None = None

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def alive(self) -> bool:
        return self.popen.poll() is None

    def children(self) -> set[int]:
        """The processes of its pool."""
        found: set[int] = set()
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{self.pid}/task").iterdir():
                with contextlib.suppress(OSError):
                    found.update(map(int, (task / "children").read_text().split()))
        return found

    def signal(self, number: signal.Signals) -> None:
        """To it and all that it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)


def worker_roles() -> list[Role]:
    """Three workers of processes, one of threads; one of them serves a lane that no other does."""

    def worker(name: str, pool: str, slots: int, lanes: str = "default,io", clock: bool = False) -> Role:
        options = ("--pool-type", pool, "--concurrency", str(slots), "--lanes", lanes, "--import", "tests.faults.works")
        return Role(name, True, ("-m", "askfirst", "worker", *options, "--hostname"), clock)

    return [
        worker("w1", "prefork", 4),
        worker("w2", "prefork", 4),
        worker("w3", "prefork", 3, lanes="tree,io", clock=True),
        worker("w4", "threads", 6),
    ]


def caller_roles(seed: int, rate: float, count: int = 3) -> list[Role]:
    """Callers that ask for `rate` works a second together."""
    return [
        Role(f"c{number}", False, ("-m", "tests.faults.caller", f"{seed}.{number}", f"{rate / count:g}"), number == 1)
        for number in range(1, count + 1)
    ]


@dataclass
class Stage:
    """All that runs, and the journal."""

    folder: Path
    journal: Journal
    network: Network
    servers: Servers
    processes: dict[str, Process] = field(default_factory=dict)
    """By role: the last process that had it."""
    roads: dict[str, Road] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)
    _pool: dict[int, tuple[str, float]] = field(default_factory=dict)
    """Pool processes: whose they are, and when they were last seen."""

    @property
    def journal_path(self) -> Path:
        return self.folder / "journal.jsonl"

    def settings(self, port: int) -> Settings:
        """What a process goes by that comes to Redis by this port."""
        return Settings(
            redis_url=f"redis://127.0.0.1:{port}/0",
            namespace="faults",
            lease=LEASE,
            pulse_interval=1.0,
            pulse_timeout=PULSE_TIMEOUT,
            grace=1.0,
            drain=3.0,
            connect_timeout=1.0,
            max_deliveries=MAX_DELIVERIES,
            retention=RETENTION,
        )

    def __post_init__(self) -> None:
        clocks.build(self.folder)

    def start(self, role: Role) -> Process:
        """Starts a process in this role."""
        number = self._counts[role.name] = self._counts.get(role.name, 0) + 1
        name = f"{role.name}.{number}"
        road = self.roads.setdefault(role.name, self.network.road(self.servers.primary.port))
        variables = environment(self.settings(road.port)) | {JOURNAL: str(self.journal_path), PROCESS: name}
        if role.clock:
            variables |= clocks.variables(self.folder, self.clock_file(role.name))
        command = [sys.executable, *role.command, *([f"{name}@%h"] if role.worker else [])]
        if not role.worker:
            command[-2] = f"{role.command[-2]}.{number}"  # not the same mix again
        with (self.folder / f"{name}.log").open("w") as log:
            popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL if role.worker else subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=variables,
                text=True,
                start_new_session=True,
            )
        process = self.processes[role.name] = Process(role, name, popen)
        self.journal.write("started", process=name, os_pid=popen.pid)
        return process

    def clock_file(self, role: str) -> Path:
        """What the clock of the processes in this role is told."""
        return self.folder / f"{role}.clock"

    def alive(self, *, worker: bool) -> list[Process]:
        """The workers, or the callers, that live."""
        return [each for each in self.processes.values() if each.role.worker is worker and each.alive]

    def kill(self, process: Process, *, group: bool) -> None:
        """Kills it, or all its group."""
        pids = [process.pid, *(sorted(process.children()) if group else ())]
        process.expected = True
        if group:
            process.signal(signal.SIGKILL)
        else:
            os.kill(process.pid, signal.SIGKILL)
        self.journal.write("killed", process=process.name, os_pids=pids, whole=True)

    def kill_child(self, process: Process, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        self.journal.write("killed", process=process.name, os_pids=[pid], whole=False)

    def show_stacks(self) -> None:
        """Has the workers and their pools write to their logs where they are."""
        for worker in self.alive(worker=True):
            for pid in (worker.pid, *worker.children()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, STACKS)

    def look_after(self, *, revive: bool = True) -> None:
        """Notes who has died, and starts others in their place if they are to `revive`."""
        now = time.monotonic()
        self._watch_pools(now)
        for process in list(self.processes.values()):
            if process.alive:
                continue
            if process.died_at is None:
                process.died_at = now
                code = process.popen.returncode
                self.journal.write("died", process=process.name, code=code, expected=process.expected)
            elif revive and now > process.died_at + _BACK_AFTER:
                self.start(process.role)

    def _watch_pools(self, now: float) -> None:
        for process in self.processes.values():
            if process.role.worker and process.alive:
                for pid in process.children():
                    self._pool[pid] = (process.name, now)
        for pid, (name, seen_at) in list(self._pool.items()):
            if seen_at < now and not Path(f"/proc/{pid}").exists():
                del self._pool[pid]
                self.journal.write("gone", process=name, os_pid=pid, seen=round(seen_at, 4))
            elif seen_at < now:
                self._pool[pid] = (name, now)  # it has outlived its worker

    def left_over(self) -> list[int]:
        """Processes of this campaign that live, whoever started them."""
        mark = f"{JOURNAL}={self.journal_path}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and int(entry.name) != os.getpid() and mark in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
        return found

    def end(self) -> None:
        """Ends whatever is left, without ceremony."""
        for process in self.processes.values():
            process.expected = True
            process.signal(signal.SIGKILL)
            if process.popen.stdin is not None:
                with contextlib.suppress(OSError):
                    process.popen.stdin.close()
            process.popen.wait(10)
        for pid in self.left_over():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def tell(process: Process, line: str) -> None:
    """Writes a line to a caller."""
    assert process.popen.stdin is not None
    with contextlib.suppress(OSError):
        process.popen.stdin.write(f"{line}\n")
        process.popen.stdin.flush()
