"""`@work`: declares what a function is as work, and leaves the function as it is."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from ..config.units import LONGEST, Rate, seconds, size_in_bytes
from ..config.units import rate as as_rate
from ..interest.errors import InvalidWork
from . import registry
from .payload import PayloadCarrier
from .retry import Retry

Function = TypeVar("Function", bound=Callable[..., Any])

#: How a second submission of a key that is taken is answered.
DUPLICATE_POLICIES = ("join", "reject", "replace")
_LANE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAME = re.compile(r"\S{1,200}")


@dataclass(frozen=True, slots=True)
class WorkType:
    """A function declared as work. Durations in seconds; None means the setting of that name."""

    name: str
    function: Callable[..., Any]
    timeout: float
    lane: str
    on_duplicate: str
    retry: Retry
    grace: float | None
    interrupt: bool
    retention: float | None
    max_payload: int | None
    expected: float | None
    max_concurrent: int | None
    rate: Rate | None
    partition_by: str | None
    carrier: PayloadCarrier = field(repr=False)

    @property
    def is_async(self) -> bool:
        """Whether it runs on an event loop."""
        return inspect.iscoroutinefunction(self.function)


def work(
    *,
    timeout: float | str | timedelta,
    name: str | None = None,
    lane: str = "default",
    on_duplicate: str = "join",
    retry: Retry | None = None,
    grace: float | str | timedelta | None = None,
    interrupt: bool = False,
    retention: float | str | timedelta | None = None,
    max_payload: int | str | None = None,
    expected: float | str | timedelta | None = None,
    max_concurrent: int | None = None,
    rate: str | None = None,
    partition_by: str | None = None,
) -> Callable[[Function], Function]:
    """Declares a function as a work type; it stays callable as the plain function it is.

    `timeout` is the deadline of each work in seconds (or "30s", "5m", timedelta) unless its caller says otherwise;
    `name` defaults to module.function; `lane` is the queue it goes to; `retention` is how long the record of an ended
    work is kept; `max_payload` bounds the arguments and the result ("256KiB"). A run that must stop gets `grace`
    seconds to do so; with `interrupt`, `InterestLost` is raised in its thread at once. `expected` is how long a run
    takes, until some have run. `max_concurrent` runs at once and `rate` ("10/s") starts are the most that the whole
    fleet makes; with `partition_by`, a parameter's name, of each value of it. Raises `InvalidWork`.
    """

    def declare(function: Function) -> Function:
        type_name = f"{function.__module__}.{function.__qualname__}" if name is None else name
        definition = WorkType(
            name=type_name,
            function=function,
            timeout=_positive(type_name, "timeout", timeout),
            lane=lane,
            on_duplicate=on_duplicate,
            retry=_retry(type_name, retry),
            grace=None if grace is None else _duration(type_name, "grace", grace),
            interrupt=interrupt,
            retention=None if retention is None else _positive(type_name, "retention", retention),
            max_payload=None if max_payload is None else _size(type_name, max_payload),
            expected=None if expected is None else _positive(type_name, "expected", expected),
            max_concurrent=_count(type_name, max_concurrent),
            rate=None if rate is None else _rate(type_name, rate),
            partition_by=partition_by,
            carrier=PayloadCarrier(type_name, function),
        )
        _check_names(definition)
        registry.add(definition)
        function.__askfirst_work__ = definition  # type: ignore[attr-defined]  # a function's own namespace
        return function

    return declare


def work_type_of(function: Callable[..., Any]) -> WorkType:
    """What `@work` declared for this function. Raises `InvalidWork` if it did not."""
    definition = getattr(function, "__askfirst_work__", None)
    if not isinstance(definition, WorkType):
        raise InvalidWork(f"expected a function declared with @work, got {function!r}")
    return definition


def _check_names(definition: WorkType) -> None:
    name = definition.name
    if not isinstance(name, str) or not _NAME.fullmatch(name) or not name.isprintable():
        raise InvalidWork(f"expected a name of 1 to 200 printable characters without spaces, got {name!r}")
    if not isinstance(definition.lane, str) or not _LANE.fullmatch(definition.lane):
        raise InvalidWork(f"{name}: expected lane to be 1 to 64 letters, digits, _ or -, got {definition.lane!r}")
    if definition.on_duplicate not in DUPLICATE_POLICIES:
        known = ", ".join(DUPLICATE_POLICIES)
        raise InvalidWork(f"{name}: expected on_duplicate to be one of {known}, got {definition.on_duplicate!r}")
    if definition.partition_by is not None and definition.partition_by not in definition.carrier.parameters:
        known = ", ".join(definition.carrier.parameters) or "none"
        raise InvalidWork(f"{name}: expected partition_by to be a parameter ({known}), got {definition.partition_by!r}")


def _retry(name: str, value: Retry | None) -> Retry:
    if value is not None and not isinstance(value, Retry):
        raise InvalidWork(f"{name}: expected retry to be a Retry, got {value!r}")
    return Retry(attempts=1) if value is None else value


def _count(name: str, value: int | None) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise InvalidWork(f"{name}: expected max_concurrent to be 1 or more, got {value!r}")


def _rate(name: str, value: str) -> Rate:
    try:
        return as_rate(value)
    except ValueError as error:
        raise InvalidWork(f"{name}: rate: {error}") from None


def _duration(name: str, option: str, value: float | str | timedelta) -> float:
    try:
        duration = seconds(value)
    except ValueError as error:
        raise InvalidWork(f"{name}: {option}: {error}") from None
    if not 0 <= duration <= LONGEST:
        raise InvalidWork(f"{name}: expected {option} to be from 0 seconds to ten years, got {value!r}")
    return duration


def _positive(name: str, option: str, value: float | str | timedelta) -> float:
    duration = _duration(name, option, value)
    if duration == 0:
        raise InvalidWork(f"{name}: expected {option} to be more than 0 seconds, got {value!r}")
    return duration


def _size(name: str, value: int | str) -> int:
    try:
        size = size_in_bytes(value)
    except ValueError as error:
        raise InvalidWork(f"{name}: max_payload: {error}") from None
    if size <= 0:
        raise InvalidWork(f"{name}: expected max_payload to be more than 0 bytes, got {value!r}")
    return size
