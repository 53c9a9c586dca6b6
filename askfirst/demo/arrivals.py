"""When callers arrive, and which of them leave early: drawn once, and the same for both fleets."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arrival:
    """One caller: when it comes, in seconds from the start, and how long it waits."""

    at: float
    patience: float


def arrivals(seed: int, rate: float, duration: float, patience: float, leaving: float, leave_after: float) -> Iterator[Arrival]:
    """Poisson arrivals of `rate` a second for `duration` seconds; the share `leaving` waits `leave_after` only."""
    chance = random.Random(seed)
    at = chance.expovariate(rate)
    while at < duration:
        yield Arrival(at, leave_after if chance.random() < leaving else patience)
        at += chance.expovariate(rate)
