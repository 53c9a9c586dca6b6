"""Real workers: started as an operator does, awaited until they beat in the ledger, stopped or killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from askfirst import submit_many, submit_work
from askfirst.config import Settings
from askfirst.interest.ledger import Ledger, Policy
from askfirst.interest.line import Line

from . import works
from .eventually import eventually
from .lanes import Lane
from .leaks import lasting_children
from .processes import end, environment

_HEARD = 2.5  # seconds; a worker beats every second


class Worker:
    """A worker process with its pool; its log is in its folder."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        *,
        name: str = "w1",
        pool: str = "prefork",
        concurrency: int = 2,
        lanes: Sequence[str] = ("default", "io"),
        imports: Sequence[str] = ("tests.support.works",),
        command: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.lanes = lanes
        self.log_file = folder / f"{name}.log"
        ours = [
            *("-m", "askfirst", "worker", "--hostname", f"{name}@%h", "--lanes", ",".join(lanes)),
            *("--concurrency", str(concurrency), "--pool-type", pool),
            *(part for module in imports for part in ("--import", module)),
        ]
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, *(command or ours)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=environment(settings),
                text=True,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def children(self) -> set[int]:
        """The processes of its pool."""
        return {int(pid) for tasks in Path(f"/proc/{self.pid}/task").iterdir() for pid in _children_of(tasks)}

    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    def wait_until_heard(self, ledger: Ledger, within: float = 20.0) -> None:
        """Waits until it beats in all its lanes."""

        def heard() -> bool:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.log()[-3000:]}"
            return all(self._heard_in(ledger, lane) for lane in self.lanes)

        eventually(heard, within=within, what=f"worker {self.name} beats; its log:\n{self.log()[-3000:]}", every=0.05)

    def kill(self) -> None:
        """Kills it with its pool processes, as the kernel or a power cut does."""
        os.killpg(self.pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self, within: float = 10.0) -> int:
        """Asks it to end by SIGTERM, as an operator does, and waits; its exit code."""
        self.process.terminate()
        return self.process.wait(within)

    def close(self) -> None:
        """Ends it without ceremony, if it runs still: how workers end in order is a test's business."""
        if self.process.poll() is None:
            self.kill()
        end(self.process)
        lasting_children.discard(self.pid)

    def _heard_in(self, ledger: Ledger, lane: str) -> bool:
        silences = ledger.workers(lane)
        return any(name.startswith(f"{self.name}@") and silence < _HEARD for name, silence in silences.items())


class Fleet:
    """A worker, the ledger it beats in, and this process as its caller."""

    def __init__(self, settings: Settings, redis: Any, worker: Worker, slots: int) -> None:
        self.settings = settings
        self.redis = redis
        self.worker = worker
        self.slots = slots
        assert settings.redis_url is not None
        policy = Policy(settings.lease, settings.pulse_timeout, settings.max_deliveries)
        self.ledger = Ledger(Line(settings.redis_url, 2.0), settings.namespace, policy)
        self.lane = Lane(self.ledger, redis)
        for lane in worker.lanes:
            redis.delete(self.ledger.keys(lane).runtimes)  # how long works took in other tests says nothing in this one
        worker.wait_until_heard(self.ledger)

    @contextmanager
    def busy(self, folder: Path, slots: int | None = None) -> Iterator[None]:
        """All slots, or so many, are taken while this lasts: what is submitted waits in the queue."""
        gate, proof = folder / "gate", folder / "busy"
        count = self.slots if slots is None else slots
        holders = submit_many(works.wait_for, [{"gate": gate, "proof": proof}] * count)
        eventually(lambda: lines(proof) == ["began"] * count, what="the slots are taken")
        try:
            yield
        finally:
            gate.touch()
            for holder in holders:
                holder.result(timeout=10)

    def sweep(self, folder: Path) -> None:
        """Runs a work to its end: whatever was queued before it has been asked about by then."""
        for _ in range(self.slots):
            assert submit_work(works.prove, proof=folder / "sweep", timeout=20).result() == "ran"

    def wait_for_deadline(self, id: str) -> None:
        """Waits for that of the ledger, which is later than the caller's by the way of the submission."""
        deadline = self.lane.status(id).deadline.timestamp() * 1000
        eventually(lambda: self.lane.now() > deadline, what="the deadline has passed")

    def reason(self, id: str) -> str:
        """How and why a work ended, by the ledger."""
        status = self.lane.status(id)
        return f"{status.state}: {status.reason}" if status.reason else str(status.state)

    def close(self) -> None:
        self.ledger.line.close()


def _children_of(task: Path) -> list[str]:
    try:
        return (task / "children").read_text().split()
    except OSError:
        return []  # the thread is over


def lines(path: Path) -> list[str]:
    """The lines of a proof, none if nothing was proved."""
    return path.read_text().splitlines() if path.exists() else []
