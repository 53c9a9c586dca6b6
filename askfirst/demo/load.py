"""The load that both fleets get: who comes when, who leaves early, which process of callers is killed."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass

NAME = "demo.work"
"""The name of the askfirst work type."""
TIMEOUT = 1.0
"""Seconds that a caller is ready to wait."""
WORK = 0.1
"""Seconds that a work holds its slot."""

#: What a caller can meet with.
ON_TIME, LATE, LEFT, REFUSED = "on time", "late", "left", "refused"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One caller: when it comes, in seconds from the start, and for how long it waits."""

    at: float
    patience: float


@dataclass(frozen=True, slots=True)
class Load:
    """Callers that come whatever became of those before them. All times in seconds."""

    slots: int = 4
    overload: float = 3.0
    """Arrivals by what the slots can do."""
    duration: float = 8.0
    crowds: int = 4
    """Processes that the callers are spread over; the first is killed half-way."""
    leaving: float = 0.2
    """Share of the callers that leave after `leave_after`."""
    leave_after: float = 0.3
    recovery: float = 20.0
    """For how long fresh callers try their luck when the others have stopped coming."""
    seed: int = 2013

    @property
    def span(self) -> float:
        """From the start until the last caller stops waiting."""
        return self.duration + TIMEOUT

    @property
    def capacity(self) -> float:
        """How many works the slots can do in that time."""
        return self.slots / WORK * self.span

    @property
    def kill_at(self) -> float:
        """When the first crowd is killed."""
        return self.duration / 2

    def arrivals(self, crowd: int) -> list[Arrival]:
        """The callers of one crowd: Poisson arrivals, the same in every run."""
        chance = random.Random(self.seed * 1000 + crowd)
        rate = self.overload * self.slots / WORK / self.crowds
        found = []
        at = chance.expovariate(rate)
        while at < self.duration:
            found.append(Arrival(at, self.leave_after if chance.random() < self.leaving else TIMEOUT))
            at += chance.expovariate(rate)
        return found


@dataclass(frozen=True, slots=True)
class Crowd:
    """What one process of callers is to do."""

    fleet: str
    broker_url: str
    arrivals: list[Arrival]
    probe_from: float
    """From then on fresh callers come, one after the other, until one is answered on time."""
    probe_until: float
    calls: str
    """Its log; it is there as soon as the callers are ready."""
    runs: str
    """The log of the works."""

    def to_json(self) -> str:
        """The line that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Crowd:
        """The crowd from its line."""
        read = json.loads(text)
        return cls(**read | {"arrivals": [Arrival(**arrival) for arrival in read["arrivals"]]})
