"""A campaign: the load, the faults, the end. It bounds itself, and ends what it started whatever happens to it."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from askfirst.interest.keys import LaneKeys
from tests.support.eventually import eventually

from . import aftermath
from .journal import Journal, Line, Reader
from .kinds import Kind
from .live import Live
from .network import Network
from .plan import Planned, plan
from .servers import Servers
from .stage import Stage, caller_roles, tell, worker_roles
from .watch import LANES, Watch

_TICK: Final = 0.1  # seconds
_ANSWERED: Final = 60.0  # seconds that callers may take to their last answer
_ENDED: Final = 15.0  # seconds that workers may take to end, with a drain of 3 and a grace of 1


@dataclass
class Tally:
    """What a campaign has come to so far."""

    faults: int = 0
    works: int = 0
    runs: int = 0
    answers: int = 0
    violations: int = 0
    now: str = "the fleet starts"
    ids: set[str] = field(default_factory=set)

    def note(self, line: Line) -> None:
        """One more line of the journal."""
        event = line["event"]
        if event == "accepted":
            self.works += 1
            self.ids.add(line["id"])
        elif event == "began":
            self.runs += 1
        elif event == "answered":
            self.answers += 1
        elif event == "fault":
            self.faults += 1
            self.now = line["kind"]
        elif event == "over":
            self.now = ""


class Campaign:
    """Runs for `seconds` under load, beside what it takes to start and to end."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        seconds: float,
        kinds: Sequence[Kind],
        rate: float,
        show: Callable[[Tally], None] | None = None,
    ) -> None:
        """`show` is told several times a second how it stands."""
        self.path = folder / "journal.jsonl"
        self._folder = folder
        self._seed = seed
        self._seconds = seconds
        self._kinds = kinds
        self._rate = rate
        self._watched = show is not None
        self._show = show or (lambda _: None)
        self._live: Live | None = None
        self._tally = Tally()

    def run(self) -> None:
        """From the start of the fleet to the last look at what is left; all of it is in the journal."""
        journal = Journal(self.path, "campaign")
        self._reader = Reader(self.path)
        with contextlib.ExitStack() as stack:
            stack.callback(journal.close)
            network = stack.enter_context(Network())
            servers = Servers(network)
            stack.callback(servers.close)
            stage = Stage(self._folder, journal, network, servers)
            stack.callback(stage.end)
            if self._watched:
                self._live = stack.enter_context(contextlib.closing(Live(self.path)))
            with contextlib.closing(Watch(servers, journal)):
                self._fill(stage)
                self._break(stage)
                self._end(stage)

    def _fill(self, stage: Stage) -> None:
        """Starts the fleet and its load."""
        workers = worker_roles()
        for role in workers:
            stage.start(role)

        def beats() -> bool:
            self._tick(stage)
            client = stage.servers.primary.client()
            return len(client.zrange(LaneKeys("faults", "io").workers, 0, -1)) == len(workers)

        eventually(beats, within=60, every=_TICK, what="all workers are heard")
        stage.journal.write("begins", seed=self._seed, seconds=self._seconds, kinds=[kind.name for kind in self._kinds])
        for role in caller_roles(self._seed, self._rate):
            stage.start(role)

    def _break(self, stage: Stage) -> None:
        over_at = time.monotonic() + self._seconds
        for planned in plan(self._seed, self._kinds):
            self._wait(stage, min(planned.gap, over_at - time.monotonic()))
            if time.monotonic() >= over_at:
                return
            with self._fault(stage, planned):
                self._wait(stage, planned.hold)

    @contextlib.contextmanager
    def _fault(self, stage: Stage, planned: Planned) -> Iterator[None]:
        kind, number = planned.kind, planned.number
        fault = kind.make(stage, planned.chance)
        stage.journal.write("fault", number=number, kind=kind.name, redis=kind.redis, **next(fault))
        try:
            next(fault)
            yield
        finally:
            next(fault, None)
        stage.servers.wait_until_usable()
        stage.journal.write("over", number=number, kind=kind.name, redis=kind.redis)

    def _wait(self, stage: Stage, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._tick(stage)
            time.sleep(min(_TICK, left))

    def _tick(self, stage: Stage, *, revive: bool = True) -> None:
        stage.look_after(revive=revive)
        for line in self._reader.lines():
            self._tally.note(line)
        if self._live is not None:
            self._live.look()
            self._tally.violations = self._live.violations
        self._show(self._tally)

    def _end(self, stage: Stage) -> None:
        """Lets the callers have their answers, the fleet come to rest, and looks at what is left."""
        self._tally.now = "the callers wait for their answers"
        self._wait(stage, 2.0)  # whoever was killed last is there again
        stage.journal.write("ends")
        for caller in stage.alive(worker=False):
            tell(caller, "over")
            caller.expected = True
        give_up_at = time.monotonic() + _ANSWERED
        while stage.alive(worker=False) and time.monotonic() < give_up_at:
            self._tick(stage, revive=False)
            time.sleep(_TICK)
        self._tick(stage, revive=False)
        self._tally.now = "the fleet comes to rest"
        self._show(self._tally)
        live = aftermath.wait_until_quiet(stage.servers)
        stage.journal.write("rest", live=live)
        if live:
            stage.show_stacks()
        aftermath.write_states(stage.servers, stage.journal, self._tally.ids)
        stage.journal.write("aside", messages=aftermath.taken_for_bad(stage.servers))
        stage.journal.write("totals", totals=aftermath.totals(stage.servers))
        self._stop_workers(stage)
        stage.journal.write("left behind", **self._left_behind(stage))

    def _stop_workers(self, stage: Stage) -> None:
        workers = stage.alive(worker=True)
        for worker in workers:
            worker.expected = True
            worker.popen.terminate()
        give_up_at = time.monotonic() + _ENDED
        while any(worker.alive for worker in workers) and time.monotonic() < give_up_at:
            self._tick(stage, revive=False)
            time.sleep(_TICK)
        for worker in workers:
            stage.journal.write("stopped worker", process=worker.name, code=worker.popen.poll())

    def _left_behind(self, stage: Stage) -> dict[str, list[str]]:
        servers = stage.servers
        with contextlib.suppress(AssertionError):
            eventually(lambda: not stage.left_over(), within=3)
        with contextlib.suppress(AssertionError):
            # The watch and the campaign look on.
            eventually(lambda: len(aftermath.connections(servers)) <= 1, within=3)
        found = {
            "processes": [str(pid) for pid in stage.left_over()],
            "connections": [each for each in aftermath.connections(servers) if "askfirst" in each],
            "queues": [
                f"{queue}: {length}"
                for lane in LANES
                for queue in LaneKeys("faults", lane).queues
                if (length := servers.primary.client().llen(queue))
            ],
            "keys": aftermath.keys_without_end(servers),
        }
        self._tally.now = "a day later"
        self._show(self._tally)
        found["a day later"] = aftermath.left_a_day_later(servers, self._folder)
        return found
