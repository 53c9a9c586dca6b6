"""When and how often a failed run is tried again."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from types import UnionType
from typing import Final

from ..config.units import LONGEST
from ..interest.errors import InvalidWork

_DOUBLINGS: Final = 60  # more make no pause longer that was worth the name, and the power at last too large for a float


@dataclass(frozen=True, slots=True)
class Retry:
    """Tries a failed run again, within the same deadline.

    `attempts` counts the first run too. The pause before attempt n+1 is `backoff` * 2^(n-1) seconds, and with `jitter`
    a uniformly random part of it ("full jitter"; Brooker, Exponential Backoff And Jitter, 2015). It is never shorter
    than the error's own `retry_after` (seconds), if it has one, as `WorkRejected` and many HTTP clients' errors do.
    Only errors of the types in `on` are tried again. Raises `InvalidWork`.
    """

    attempts: int = 3
    backoff: float = 1.0
    jitter: bool = True
    on: tuple[type[Exception], ...] = (Exception,)

    def __post_init__(self) -> None:
        if not _is(self.attempts, int) or self.attempts < 1:
            raise InvalidWork(f"expected Retry attempts to be a whole number of at least 1, got {self.attempts!r}")
        if not _is(self.backoff, int | float) or not 0 <= self.backoff <= LONGEST:
            raise InvalidWork(f"expected Retry backoff to be from 0 seconds to ten years, got {self.backoff!r}")
        if not isinstance(self.on, tuple) or not all(isinstance(k, type) and issubclass(k, Exception) for k in self.on):
            raise InvalidWork(f"expected Retry on to be a tuple of exception types, got {self.on!r}")

    def delay(self, error: Exception, failures: int) -> float | None:
        """Seconds until the next try after this error, `failures` having gone before; None if there is none."""
        if not isinstance(error, self.on) or failures + 1 >= self.attempts:
            return None
        ceiling = self.backoff * 2.0 ** min(failures, _DOUBLINGS)
        pause = random.uniform(0, ceiling) if self.jitter else ceiling
        return min(max(pause, _asked_for(error)), LONGEST)


def _is(value: object, kind: type | UnionType) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _asked_for(error: Exception) -> float:
    """Seconds that the error asks to wait; texts and other things of that name mean something else."""
    try:
        wanted = getattr(error, "retry_after", None)
    except Exception:  # a property of somebody else's, and the run is to be ended whatever it does
        return 0.0
    # Not by math.isfinite, which whole numbers can be too large for.
    return wanted if isinstance(wanted, int | float) and wanted < math.inf else 0.0
