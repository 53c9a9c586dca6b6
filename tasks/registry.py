"""The work types that this process knows, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..interest.errors import InvalidWork

if TYPE_CHECKING:
    from .definition import WorkType

_types: dict[str, WorkType] = {}
_listeners: list[Callable[[WorkType], None]] = []


def add(definition: WorkType) -> None:
    """Makes a work type known. Raises `InvalidWork` if another function has its name."""
    other = _types.get(definition.name)
    if other is not None and _place(other) != _place(definition):
        raise InvalidWork(f"{definition.name}: the name is taken by {_place(other)}; give one of them another name=")
    _types[definition.name] = definition
    for listener in _listeners:
        listener(definition)


def find(name: str) -> WorkType | None:
    """The work type of that name, if it was declared in this process."""
    return _types.get(name)


def all_types() -> list[WorkType]:
    """All work types declared in this process."""
    return list(_types.values())


def listen(listener: Callable[[WorkType], None]) -> None:
    """Calls the listener with every work type, those declared already first."""
    for definition in all_types():
        listener(definition)
    _listeners.append(listener)


def _place(definition: WorkType) -> str:
    """Where its function stands. A module that is imported anew declares the same function again."""
    return f"{definition.function.__module__}.{definition.function.__qualname__}"
