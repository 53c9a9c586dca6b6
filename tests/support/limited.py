"""Works with fleet-wide limits; each notes when it runs, by the clock that all processes of a host share."""

import time
from pathlib import Path

from askfirst import work

from .works import note


def span(proof: Path, seconds: float) -> None:
    begun_at = time.monotonic()
    time.sleep(seconds)
    note(proof, f"{begun_at} {time.monotonic()}")


@work(timeout=60, max_concurrent=3)
def three_at_once(proof: Path, seconds: float = 0.05) -> None:
    span(proof, seconds)


@work(timeout=60, max_concurrent=1, partition_by="tenant")
def one_for_each(proof: Path, tenant: str, seconds: float = 0.05) -> None:
    span(proof.with_suffix(f".{tenant}"), seconds)


@work(timeout=60, rate="5/s")
def five_a_second(proof: Path) -> None:
    span(proof, 0.0)


@work(timeout=60)
def unlimited(proof: Path, seconds: float = 0.05) -> None:
    span(proof, seconds)


def spans(proof: Path) -> list[tuple[float, float]]:
    """When each run began and ended, in order of its beginning."""
    texts = proof.read_text().splitlines() if proof.exists() else []
    return sorted((float(begun), float(ended)) for begun, ended in (text.split() for text in texts))


def most_at_once(runs: list[tuple[float, float]]) -> int:
    events = sorted([(begun, 1) for begun, _ in runs] + [(ended, -1) for _, ended in runs])
    most = now = 0
    for _, change in events:
        now += change
        most = max(most, now)
    return most
