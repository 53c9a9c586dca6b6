"""The load: who comes when, with how long a work, and for how long they wait. The same for every system."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Final

SLOTS: Final = 4
DEADLINE: Final = 1.0
"""Seconds that a caller waits for its answer, from the moment it meant to ask."""
RUN_TIME: Final = 0.1
"""Seconds that a work holds its slot, on average."""
CAPACITY: Final = SLOTS / RUN_TIME
"""Works per second that the slots could do if nothing else took time."""
SIGMA: Final = 1.0
"""Of the lognormal distribution of heavy-tailed run times: one in a hundred takes more than six times the mean."""


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller. Times in seconds, `at` from the start."""

    at: float
    seconds: float
    """How long its work holds a slot."""
    patience: float
    """It leaves then, or at its deadline."""
    importance: str


@dataclass(frozen=True, slots=True)
class Stream:
    """Callers that come from `start` to `end`, independently (Poisson), at `factor` times the capacity."""

    factor: float
    start: float
    end: float
    importance: str = "normal"


@dataclass(frozen=True)
class Load:
    """Streams of callers with something in common."""

    streams: tuple[Stream, ...]
    heavy: bool = False
    """Heavy-tailed run times instead of fixed ones."""
    leaving: float = 0.0
    """Share of the callers that leave before their deadline, at any time until then."""
    tries: int = 1
    """How often a caller that is not answered asks in all."""
    seed: int = 1

    @property
    def end(self) -> float:
        """When the last caller has come."""
        return max(stream.end for stream in self.streams)

    def callers(self) -> list[Caller]:
        """All of them, by their times: the same for each system and, with another seed, others in each round."""
        found = [caller for n, stream in enumerate(self.streams) for caller in self._of(stream, n)]
        return sorted(found, key=lambda caller: caller.at)

    def _of(self, stream: Stream, number: int) -> list[Caller]:
        chance = random.Random(self.seed * 1000 + number)
        rate = stream.factor * CAPACITY
        found = []
        at = stream.start + chance.expovariate(rate)
        while at < stream.end:
            patience = chance.uniform(0, DEADLINE) if chance.random() < self.leaving else math.inf
            found.append(Caller(at, run_time(chance, self.heavy), patience, stream.importance))
            at += chance.expovariate(rate)
        return found


def run_time(chance: random.Random, heavy: bool) -> float:
    """Seconds of one work; the mean of heavy-tailed ones is `RUN_TIME` too."""
    if not heavy:
        return RUN_TIME
    return chance.lognormvariate(math.log(RUN_TIME) - SIGMA**2 / 2, SIGMA)


@dataclass(slots=True)
class Call:
    """One try of one caller, and what came of it. Times in seconds of the host's monotonic clock."""

    number: int
    caller: int
    attempt: int
    due: float
    """When it was meant to be made: what is late for it is late, whoever is to blame."""
    seconds: float
    leaves_at: float | None
    importance: str
    began: float = 0.0
    returned: float = 0.0
    answered: float | None = None
    refused: bool = False
    retry_after: float = 0.0
    failed: str = ""
    """What it met with besides: the error's name."""

    @property
    def deadline(self) -> float:
        """Until then an answer is on time, if the caller is still there."""
        return self.due + DEADLINE

    @property
    def wanted_until(self) -> float:
        """When the caller stops waiting."""
        return self.deadline if self.leaves_at is None else min(self.leaves_at, self.deadline)

    @property
    def on_time(self) -> bool:
        """Whether somebody got the answer who still waited."""
        return self.answered is not None and self.answered <= self.wanted_until
