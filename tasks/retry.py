"""When and how often a failed run is tried again."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from ..interest.errors import InvalidWork


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
        if self.attempts < 1:
            raise InvalidWork(f"expected Retry attempts to be at least 1, got {self.attempts}")
        if not self.backoff >= 0:
            raise InvalidWork(f"expected Retry backoff to be 0 seconds or more, got {self.backoff}")
        if not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in self.on):
            raise InvalidWork(f"expected Retry on to be exception types, got {self.on!r}")

    def delay(self, error: Exception, failures: int) -> float | None:
        """Seconds until the next try after this error, `failures` having gone before; None if there is none."""
        if not isinstance(error, self.on) or failures + 1 >= self.attempts:
            return None
        ceiling = self.backoff * 2.0**failures
        return max(random.uniform(0, ceiling) if self.jitter else ceiling, _asked_for(error))


def _asked_for(error: Exception) -> float:
    """Seconds that the error asks to wait; texts and other things of that name mean something else."""
    wanted = getattr(error, "retry_after", None)
    return wanted if isinstance(wanted, int | float) and math.isfinite(wanted) else 0.0
