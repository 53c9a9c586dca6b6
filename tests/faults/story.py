"""What a journal tells: runs, waiters, faults, and who was heard when."""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from .journal import Line
from .stage import LEASE
from .watch import LATE

SETTLED = 3.0
"""Seconds after a fault until whoever was harmed by it is connected again: two tries, each with a timeout of 1 s."""


@dataclass
class Run:
    """One start of a work."""

    work: str
    attempt: int
    number: str
    kind: str
    group: str
    key: str | None
    process: str
    pid: int
    began: float
    end: float = math.inf
    """When it ended or its process died."""
    why: str = ""
    """What stopped it."""
    died: bool = False

    @property
    def lane(self) -> str:
        return self.work.partition(".")[0]


@dataclass
class Waiter:
    """What became of one submission."""

    number: str
    kind: str
    caller: str
    asked: float
    timeout: float
    to: str = ""
    """Whom it attached to."""
    id: str = ""
    accepted: float = math.inf
    deadline: float = math.inf
    refused: Line | None = None
    answers: list[Line] = field(default_factory=list)
    withdrawn: float = math.inf

    @property
    def what(self) -> str:
        """The answer: "result" or the type of the error; empty if there is none."""
        return str(self.answers[0]["what"]) if self.answers else ""

    @property
    def last(self) -> float:
        """When it was over."""
        return float(self.answers[-1]["at"]) if self.answers else self.deadline


@dataclass
class Window:
    """One fault, from before it was done until all was well again."""

    number: int
    kind: str
    at: float
    over: float
    redis: bool
    harms: frozenset[str]
    loses_since: float
    """Since when writes may have been lost: 0 if all were, infinite if none."""
    details: dict[str, Any]

    @property
    def loses_from(self) -> float:
        """From when on a work that lived may have lost something: what ended before all was lost had its answer."""
        return self.loses_since or self.at

    def overlaps(self, start: float, end: float, settle: float = SETTLED) -> bool:
        return self.at <= end and self.over + settle >= start


class Story:
    """All of a journal."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.runs: list[Run] = []
        self.waiters: dict[str, Waiter] = {}
        self.windows: list[Window] = []
        self.cancelled: set[str] = set()
        self.states: dict[str, Line] = {}
        self.said: dict[str, list[Line]] = defaultdict(list)
        """Other lines, by event."""
        self.end = 0.0
        self._beats: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._deaths: dict[int, float] = {}
        self._live: dict[tuple[str, int, int], Run] = {}
        self._open: dict[int, Window] = {}
        for line in lines:
            self.end = max(self.end, line["at"])
            getattr(self, f"_{line['event'].replace(' ', '_')}", self._other)(line)
        for beats in self._beats.values():
            beats.sort()
        for run in self._live.values():
            run.end, run.died = self._deaths.get(run.pid, math.inf), True
        self.runs.sort(key=lambda run: run.began)
        self.runs_of: dict[str, list[Run]] = defaultdict(list)
        for run in self.runs:
            self.runs_of[run.work].append(run)
        self.waiters_of: dict[str, list[Waiter]] = defaultdict(list)
        for waiter in self.waiters.values():
            self.waiters_of[waiter.id].append(waiter)
        self.waiters_of.pop("", None)

    # What it is asked

    def killed_at(self, process: str) -> float:
        """When the process was killed; infinite if it was not."""
        return min(
            (line["at"] for line in self.said["killed"] if line["process"] == process and line["whole"]),
            default=math.inf,
        )

    def harmed(self, process: str, start: float, end: float, settle: float = SETTLED) -> bool:
        """Whether a fault kept this process from what it had to do, or from Redis, in that time."""
        return any(
            window.overlaps(start, end, settle) and (window.redis or process in window.harms) for window in self.windows
        )

    def blocked(self, processes: Iterable[str], start: float, end: float) -> float:
        """Seconds of that time in which Redis was away or any of these was harmed, or had not settled yet."""
        names = frozenset(processes)
        spans = sorted(
            (max(window.at, start), min(window.over + SETTLED, end))
            for window in self.windows
            if window.overlaps(start, end) and (window.redis or names & window.harms)
        )
        total, reached = 0.0, start
        for begin, stop in spans:
            total += max(stop - max(begin, reached), 0.0)
            reached = max(reached, stop)
        return total

    def lost(self, start: float, end: float) -> bool:
        """Whether some of what Redis had acknowledged in that time may be lost."""
        return any(window.loses_from <= end and window.over + SETTLED >= start for window in self.windows)

    def life(self, work: str) -> tuple[float, float]:
        """From the first that is known of a work to the last."""
        runs, waiters = self.runs_of.get(work, []), self.waiters_of.get(work, [])
        starts = [run.began for run in runs] + [waiter.asked for waiter in waiters]
        ends = [min(run.end, self.end) for run in runs] + [waiter.last for waiter in waiters]
        return min(starts, default=0.0), max(ends, default=self.end)

    def work_lost(self, work: str) -> bool:
        return self.lost(*self.life(work))

    def lapsed(self, run: Run, at: float) -> bool:
        """Whether the run's lease had lapsed by then, as far as its worker's beats were seen."""
        beats = self._beats.get((run.process, run.lane), [])
        before = bisect_right(beats, at)
        last = beats[before - 1] if before else run.began
        return at >= last + LEASE - LATE

    def held_until(self, run: Run) -> float:
        """The end of the run, or of its lease if that lapsed before."""
        beats = self._beats.get((run.process, run.lane), [])
        first = max(bisect_left(beats, run.began) - 1, 0)
        last = min(run.end, self.end)
        times = [beat for beat in beats[first:] if beat < last]
        for earlier, later in pairwise([*times, last]):
            if later - earlier > LEASE - LATE:
                return max(earlier + LEASE - LATE, run.began)
        return run.end

    def by_group(self) -> Iterator[tuple[str, list[Run]]]:
        groups: dict[str, list[Run]] = defaultdict(list)
        for run in self.runs:
            if run.group:
                groups[run.group].append(run)
        yield from groups.items()

    # How it is read

    def _began(self, line: Line) -> None:
        run = Run(
            work=line["work"],
            attempt=line["attempt"],
            number=line["n"],
            kind=line["kind"],
            group=line["group"],
            key=line["key"],
            process=line["by"],
            pid=line["pid"],
            began=line["at"],
        )
        self.runs.append(run)
        self._live[run.work, run.attempt, run.pid] = run

    def _ended(self, line: Line) -> None:
        run = self._live.pop((line["work"], line["attempt"], line["pid"]), None)
        if run is not None:
            run.end, run.why = line["at"], line.get("why", "")

    _stopped = _ended

    def _asks(self, line: Line) -> None:
        number = line["n"]
        self.waiters[number] = Waiter(
            number, line["kind"], line["by"], line["at"], line["timeout"], to=line.get("to", "")
        )

    def _accepted(self, line: Line) -> None:
        waiter = self.waiters[line["n"]]
        waiter.id, waiter.accepted, waiter.deadline = line["id"], line["at"], line["deadline"]

    def _refused(self, line: Line) -> None:
        self.waiters[line["n"]].refused = line

    def _answered(self, line: Line) -> None:
        self.waiters[line["n"]].answers.append(line)

    def _withdraws(self, line: Line) -> None:
        self.waiters[line["n"]].withdrawn = line["at"]

    def _cancels(self, line: Line) -> None:
        self.cancelled.add(line["id"])

    def _heard(self, line: Line) -> None:
        self._beats[line["worker"], line["lane"]].append(line["beat"])

    def _killed(self, line: Line) -> None:
        for pid in line["os_pids"]:
            self._deaths.setdefault(pid, line["at"])
        self.said["killed"].append(line)

    def _gone(self, line: Line) -> None:
        self._deaths.setdefault(line["os_pid"], line["seen"])

    def _fault(self, line: Line) -> None:
        known = {"at", "by", "pid", "event", "number", "kind", "redis", "harms", "loses since"}
        window = Window(
            number=line["number"],
            kind=line["kind"],
            at=line["at"],
            over=math.inf,
            redis=line["redis"],
            harms=frozenset(line.get("harms", ())),
            loses_since=line.get("loses since", math.inf),
            details={name: value for name, value in line.items() if name not in known},
        )
        self.windows.append(window)
        self._open[window.number] = window

    def _over(self, line: Line) -> None:
        self._open.pop(line["number"]).over = line["at"]

    def _state(self, line: Line) -> None:
        self.states[line["id"]] = line

    def _other(self, line: Line) -> None:
        self.said[line["event"]].append(line)
