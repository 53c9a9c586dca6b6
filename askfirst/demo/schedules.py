"""What `askfirst demo --schedules` tells: a minute of fires, a holiday, and schedulers that are killed."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from rich.console import Console

from .. import schedules, submit_work
from ..schedules.calendars.definition import Dates, Day
from . import show
from .errors import DemoError
from .instants import NAME, Outcome, note_instant, outcome
from .logs import entries
from .stage import Stage

EVERY_SECOND: Final = "every-second"
ON_HOLIDAY: Final = "closed-today"
_HOLIDAYS: Final = "holidays"
_READY_PATIENCE: Final = 45.0  # seconds until worker and schedulers are there
_END_PATIENCE: Final = 30.0  # seconds until the last run has ended
_AHEAD: Final = 3.0  # seconds from the putting of the schedules to their first instant
_POLL: Final = 0.1
_WORKER_LOG: Final = "worker.log"


@dataclass(frozen=True, slots=True)
class Course:
    """What happens when, in seconds from the first instant."""

    instants: int = 60
    kill_one_at: float = 15.0
    kill_others_at: float = 30.0
    restart_at: float = 37.0
    """So long nobody is there that what is missed is a misfire, five seconds after its instant."""
    schedulers: int = 2


def perform(console: Console, stage: Stage, course: Course) -> bool:
    """Shows it; whether each instant ran exactly once, and none on the holiday."""
    _introduce(console, course)
    with stage.worker(_WORKER_LOG, "askfirst", "worker", "--import", "askfirst.demo.instants") as worker:
        return _Minute(console, stage, course, worker).show()


def _introduce(console: Console, course: Course) -> None:
    show.heading(console, "Schedules: exactly one fire of each instant")
    show.paragraph(
        console,
        f"Two schedules have the same {course.instants} instants, one each second; for the second one today is a"
        f" holiday. {course.schedulers} schedulers run side by side. One of them is killed (kill -9) after"
        f" {course.kill_one_at:g} s, the others after {course.kill_others_at:g} s. A new one comes after"
        f" {course.restart_at:g} s, and fires what nobody was there for. Each run writes down its instant: the figures"
        " come from these notes, beside what the history says.",
    )


class _Minute:
    """The story, with what it needs at hand."""

    def __init__(self, console: Console, stage: Stage, course: Course, worker: subprocess.Popen[str]) -> None:
        self._console = console
        self._stage = stage
        self._course = course
        self._worker = worker
        self._runs = stage.folder / "runs"
        self._schedulers: list[subprocess.Popen[str]] = []
        self._started = 0
        self._outage = (0.0, 0.0)

    def show(self) -> bool:
        """Whether the promise was kept."""
        for _ in range(self._course.schedulers):
            self._start_scheduler()
        self._wait_until_ready()
        begins = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=_AHEAD)
        instants = [begins + timedelta(seconds=n) for n in range(self._course.instants)]
        self._put(instants)
        self._watch(begins.timestamp())
        return report(self._console, {id: self._outcome(id, instants) for id in (EVERY_SECOND, ON_HOLIDAY)})

    def _start_scheduler(self) -> None:
        self._started += 1
        process = self._stage.start(self._log(self._started), "askfirst", "schedule", "run", "--loglevel", "warning")
        self._schedulers.append(process)

    def _log(self, number: int) -> str:
        return f"scheduler-{number}.log"

    def _is_ready(self, number: int) -> bool:
        log = self._stage.folder / self._log(number)
        return log.exists() and "ready" in log.read_text()

    def _wait_until_ready(self) -> None:
        """Waits until the worker has run something, and all schedulers look after what is due."""
        give_up_at = time.monotonic() + _READY_PATIENCE
        with submit_work(note_instant, schedule="", log=self._runs, timeout=_READY_PATIENCE) as waiter:
            while not (waiter.done() and all(map(self._is_ready, range(1, self._started + 1)))):
                self._stage.require_alive(self._worker, "the worker", _WORKER_LOG)
                for number, process in enumerate(self._schedulers, 1):
                    self._stage.require_alive(process, "a scheduler", self._log(number))
                if time.monotonic() > give_up_at:
                    raise DemoError(f"the fleet was not ready within {_READY_PATIENCE:g} s: is the machine very busy?")
                time.sleep(_POLL)
            waiter.result()

    def _put(self, instants: list[datetime]) -> None:
        """Makes the holiday and both schedules, in time."""
        today = instants[0].date()
        days = [Day(day=today + timedelta(days=n), note="a holiday of the demo") for n in range(2)]
        schedules.put_calendar(Dates(name=_HOLIDAYS, first=days[0].day, last=days[-1].day, days=tuple(days)))
        for id, excluded in ((EVERY_SECOND, ()), (ON_HOLIDAY, (_HOLIDAYS,))):
            schedules.put(
                schedules.Schedule(
                    id=id,
                    work=NAME,
                    payload={"schedule": id, "log": str(self._runs)},
                    triggers=(schedules.Every(period=1.0),),
                    start=instants[0],
                    end=instants[-1] + timedelta(milliseconds=1),
                    exclude=excluded,
                    misfire="all",
                    overlap="allow_all",
                )
            )
        if datetime.now(UTC) >= instants[0]:
            raise DemoError(f"the schedules were not made within {_AHEAD:g} s: is the machine very busy?")

    def _watch(self, begins: float) -> None:
        """Shows the minute while it passes, kills and starts what is to be, and waits for the last run."""
        course = self._course
        events = [
            (course.kill_one_at, self._kill_one),
            (course.kill_others_at, self._kill_others),
            (course.restart_at, self._restart),
        ]
        ends = course.instants - 1
        with show.bar(self._console, "A minute of fires", ends) as update:
            while (elapsed := time.time() - begins) < ends + _END_PATIENCE:
                while events and elapsed >= events[0][0]:
                    self._console.print(f"  {elapsed:4.1f} s: {events.pop(0)[1]()}", highlight=False)
                self._note_end_of_outage()
                runs = self._runs_of(EVERY_SECOND)
                update(min(elapsed, ends), f"runs: {runs}, schedulers: {len(self._schedulers)}")
                if elapsed > ends and not events and self._all_is_told():
                    return
                self._stage.require_alive(self._worker, "the worker", _WORKER_LOG)
                time.sleep(_POLL)

    def _kill_one(self) -> str:
        self._schedulers.pop().kill()
        return f"a scheduler is killed, {len(self._schedulers)} left"

    def _kill_others(self) -> str:
        for process in self._schedulers:
            process.kill()
        self._schedulers.clear()
        # What was claimed in the last second may not be published.
        self._outage = (time.time() - 1, float("inf"))
        return "no scheduler is left"

    def _restart(self) -> str:
        self._start_scheduler()
        return "a new scheduler is started"

    def _note_end_of_outage(self) -> None:
        if self._outage[1] == float("inf") and self._schedulers and self._is_ready(self._started):
            self._outage = (self._outage[0], time.time())

    def _runs_of(self, id: str) -> int:
        return sum(run["schedule"] == id for run in entries(self._runs))

    def _all_is_told(self) -> bool:
        """Whether the history has the fate of each instant and the end of each run."""
        for id in (EVERY_SECOND, ON_HOLIDAY):
            found = schedules.history(id, limit=self._course.instants * 2)
            settled = [each for each in found if each.status in ("skipped", "missed") or each.state is not None]
            if sum(each.count for each in settled) < self._course.instants:
                return False
        return True

    def _outcome(self, id: str, instants: list[datetime]) -> Outcome:
        told: Counter[str] = Counter()
        for entry in schedules.history(id, limit=len(instants) * 2):
            told[f"{entry.status}: {entry.why}" if entry.why else str(entry.status)] += entry.count
        runs = [run for run in entries(self._runs) if run["schedule"] == id]
        return outcome(len(instants), instants if id == EVERY_SECOND else (), runs, told, self._outage)


def report(console: Console, found: dict[str, Outcome]) -> bool:
    """Shows what came of the instants; whether each ran exactly once, and none on the holiday."""
    table = show.table("", *found)
    outcomes = [*found.values()]

    def row(name: str, *cells: object) -> None:
        table.add_row(name, *(str(cell) for cell in cells))

    for fate in sorted({fate for each in outcomes for fate in each.told}):
        row(f"the history says: {fate}", *(each.told[fate] for each in outcomes))
    table.add_section()
    row("instants that were to run", *(each.expected for each in outcomes))
    row("runs", *(each.runs for each in outcomes))
    row("lost", *(each.lost for each in outcomes))
    row("doubled", *(each.doubled for each in outcomes))
    row("run though not wanted", *(each.uncalled for each in outcomes))
    row("latest, with a scheduler there", *(_seconds(each.latest) for each in outcomes))
    row("latest, with none there", *(_seconds(each.latest_after_outage) for each in outcomes))
    table.add_section()
    table.add_row("kept", *(show.mark(console, each.kept) for each in outcomes))
    console.print(table)
    kept = all(each.kept for each in outcomes)
    show.paragraph(
        console,
        "Each instant has run exactly once, whoever was killed, and none on the holiday."
        if kept
        else "The promise was broken: an instant was lost, came twice, or is not in the history.",
    )
    return kept


def _seconds(late: float) -> str:
    return f"{late:.1f} s" if late else "–"
