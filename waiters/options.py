"""The options of a submission, checked before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from ..config.units import LONGEST, seconds
from ..interest.errors import InvalidPayload
from ..tasks import current_context
from ..tasks.definition import DUPLICATE_POLICIES
from ..tasks.published import Callee

IMPORTANCES = ("critical", "normal", "sheddable")
_LONGEST_KEY = 200

Duration = float | str | timedelta


@dataclass(frozen=True, slots=True)
class Options:
    """Checked options; durations in seconds.

    `on_duplicate` may also be "once", which is for requests sent again; `digest` is the payload's as it was sent then.
    """

    timeout: float
    key: str | None
    on_duplicate: str
    detached: bool
    delay: float
    importance: str
    wait_for_room: bool = False
    digest: str = ""


def check_options(
    callee: Callee,
    timeout: Duration | None,
    key: str | None,
    on_duplicate: str | None,
    detached: bool,
    delay: Duration,
    importance: str,
    wait_for_room: bool = False,
) -> Options:
    """The options with the work type's defaults. Raises `InvalidPayload`, naming the one that is wrong."""
    wanted = callee.timeout if timeout is None else check_duration(callee, "timeout", timeout)
    if wanted <= 0:
        raise InvalidPayload(f"{callee.name}: expected timeout to be more than 0 seconds, got {timeout!r}")
    if wanted > LONGEST:
        raise InvalidPayload(f"{callee.name}: expected timeout to be ten years at most, got {timeout!r}")
    wanted = _within_parent(wanted, detached)
    pause = check_duration(callee, "delay", delay)
    if pause < 0 or pause >= wanted:
        raise InvalidPayload(f"{callee.name}: expected delay to be from 0 to less than the timeout, got {delay!r}")
    _one_of(callee, "importance", importance, IMPORTANCES)
    policy = callee.on_duplicate if on_duplicate is None else on_duplicate
    _one_of(callee, "on_duplicate", policy, DUPLICATE_POLICIES)
    _flag(callee, "detached", detached)
    _flag(callee, "wait_for_room", wait_for_room)
    return Options(wanted, check_key(callee.name, key), policy, detached, pause, importance, wait_for_room)


def check_key(name: str, key: str | None) -> str | None:
    """The key, if one can be that. Raises `InvalidPayload`."""
    if key is None:
        return None
    if not isinstance(key, str) or not 0 < len(key) <= _LONGEST_KEY or not key.isprintable():
        raise InvalidPayload(f"{name}: expected key to be 1 to {_LONGEST_KEY} printable characters, got {key!r}")
    return key


def _within_parent(timeout: float, detached: bool) -> float:
    """A work asked for inside a work cannot outlast it, unless it is detached. Raises `InterestLost`."""
    parent = current_context()
    if parent is None or detached:
        return timeout
    parent.check()
    return min(timeout, parent.remaining())


def check_duration(callee: Callee, option: str, value: Duration) -> float:
    """The option's value in seconds. Raises `InvalidPayload`."""
    try:
        return seconds(value)
    except ValueError as error:
        raise InvalidPayload(f"{callee.name}: {option}: {error}") from None


def _flag(callee: Callee, option: str, value: bool) -> None:
    if not isinstance(value, bool):
        raise InvalidPayload(f"{callee.name}: expected {option} to be True or False, got {value!r}")


def _one_of(callee: Callee, option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise InvalidPayload(f"{callee.name}: expected {option} to be one of {', '.join(known)}, got {value!r}")
