"""What is compared, and the figures of all rounds made into it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Rounds = Mapping[str, Sequence[Mapping[str, float]]]
"""By side: the figures of each round, by name."""


LESSER_ROUNDS = 3  # at most, in the comparisons beside the main one


@dataclass(frozen=True)
class Row:
    """One comparison: the figure of either side, and what the ratio askfirst / Celery should be."""

    label: str
    figure: str
    other: str = ""
    """Celery's figure, where it has another name."""
    digits: int = 0
    at_least: float | None = None
    at_most: float | None = None

    @property
    def target(self) -> str:
        """As shown; empty where none was set."""
        if self.at_least is not None:
            return f"≥ {self.at_least:.1f}"
        return f"≤ {self.at_most:.1f}" if self.at_most is not None else ""

    def reached(self, ratio: float) -> bool | None:
        """Whether the target is; None where none was set."""
        if self.at_least is not None:
            return ratio >= self.at_least
        return ratio <= self.at_most if self.at_most is not None else None


MAIN = (
    Row("round trips/s, many outstanding", "round_trips_per_second", at_least=1.2),
    Row("one at a time: p50, ms", "p50", digits=2, at_most=1.0),
    Row("one at a time: p95, ms", "p95", digits=2),
    Row("submit_many against a loop of apply_async, works/s", "submit_many", "apply_async", at_least=5.0),
    Row("a loop of submit_work against one of apply_async, works/s", "submit_work", "apply_async"),
    Row("submit_many against apply_async, CPU µs per work: client and Redis", "cpu_submit_many", "cpu_apply_async"),
    Row("client: round trips to Redis per work", "client_round_trips", digits=2, at_most=1.0),
    Row("client: bytes to and from Redis per work", "client_bytes"),
    Row("all: bytes to and from Redis per work", "redis_bytes"),
    Row("Redis: commands of the client per work", "commands_client", digits=1),
    Row("Redis: commands of the worker per work", "commands_worker", digits=1),
    Row("Redis: commands inside scripts per work", "commands_script", digits=1),
    Row("CPU µs per work: client", "cpu_client"),
    Row("CPU µs per work: worker", "cpu_worker"),
    Row("CPU µs per work: its pool processes", "cpu_pool"),
    Row("CPU µs per work: Redis", "cpu_redis"),
    Row("CPU µs per work: all", "cpu_all"),
    Row("memory of worker and pool, MB", "memory"),
    Row("idle worker, pool and Redis, % of a CPU", "idle", digits=1),
    Row("other programs meanwhile, % of all CPUs", "others"),
)

LESSER = (
    Row("round trips/s, many outstanding", "round_trips_per_second"),
    Row("one at a time: p50, ms", "p50", digits=2),
    Row("other programs meanwhile, % of all CPUs", "others"),
)


def summarise(rows: Sequence[Row], rounds: Rounds) -> list[dict[str, Any]]:
    """Medians and ranges of both sides, the ratio of the medians and the range of the rounds' own ratios."""
    summary = []
    for row in rows:
        celery = [figures[row.other or row.figure] for figures in rounds["celery"]]
        askfirst = [figures[row.figure] for figures in rounds["askfirst"]]
        middle = statistics.median(celery)
        # Celery has no scripts; and idleness may be below what the clock can tell.
        ratio = statistics.median(askfirst) / middle if middle else None
        ratios = [ours / theirs for ours, theirs in zip(askfirst, celery, strict=True) if theirs]
        summary.append(
            {
                "label": row.label,
                "digits": row.digits,
                "celery": _spread(celery),
                "askfirst": _spread(askfirst),
                "ratio": ratio,
                "ratios": [min(ratios), max(ratios)] if ratios else None,
                "target": row.target,
                "reached": row.reached(ratio) if ratio is not None else None,
            }
        )
    return summary


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}
