"""How many slots of a prefork pool are free, by what it has."""

from __future__ import annotations

from typing import Any


def take_slots(processes: Any, semaphore: Any) -> None:
    """Takes permits from the worker's semaphore until each job that the pool has holds one; it gives none back."""
    semaphore.value = min(semaphore.value, max(semaphore.initial_value - len(processes._cache), 0))
