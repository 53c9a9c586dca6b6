"""Whether a message is one that askfirst writes, to the last header: the opposite of `message.compose`.

What is let through here is handed to Celery, which acts upon many headers and trusts all of them: a callback in the
body starts another task, `called_directly` passes by the ledger, a header of the wrong type ends the worker. So what is
not known to be right is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..interest.messages import Flaw
from ..interest.records import SCHEDULED, lane_of
from .message import EMBED, SAME

#: How deep lists and objects may lie in each other: what pydantic can write is less, what breaks a pool is more.
DEEPEST: Final = 300

_IMPORTANCES = ("critical", "normal", "sheddable")
_INTEREST = re.compile(rf"[ad]:[^\n]{{1,200}}:[0-9]{{1,18}}|{SCHEDULED}")
_NAMES = frozenset(SAME) | {"askfirst_deadline", "askfirst", "task", "id", "root_id", "kwargsrepr"}
_REDELIVERED = "redelivered"  # kombu's Redis transport writes it into what it delivers again
_BROKERS = "x-"  # RabbitMQ's own headers begin so: x-death, x-delivery-count
_LATEST = 2**53  # ms; what a number in Lua and JSON can say exactly
_LONGEST = 200  # characters of a key or a partition


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a message, and what exactly."""

    flaw: Flaw
    detail: str


def problem_of_work(
    headers: Mapping[str, Any], content_type: object, content_encoding: object, properties: Mapping[str, Any]
) -> Problem | None:
    """What is wrong with the message of a work, its body apart; None if nothing."""
    if (content_type, content_encoding) != ("application/json", "utf-8"):
        return Problem(Flaw.FOREIGN_CONTENT, f"expected application/json in utf-8, got {content_type!r:.100}")
    id = headers.get("id")
    if not isinstance(id, str) or lane_of(id) is None:
        return Problem(Flaw.WRONG_ID, f"expected LANE.32 hex digits, got {id!r:.100}")
    if headers.get("root_id") != id or properties.get("correlation_id", id) != id:
        return Problem(Flaw.WRONG_ID, "root_id and correlation_id are not the work's id")
    for name, value in headers.items():
        if name.startswith(_BROKERS) or (name == _REDELIVERED and value is True):
            continue
        if name not in _NAMES:
            return _header(name, "to be left out", value)
        if name in SAME and (value != SAME[name] or type(value) is not type(SAME[name])):
            return _header(name, f"to be {SAME[name]!r}", value)
    if missing := _NAMES - headers.keys():
        return Problem(Flaw.HEADERS, f"headers are missing: {', '.join(sorted(missing))}")
    if not isinstance(headers["kwargsrepr"], str):
        return _header("kwargsrepr", "to be a text", headers["kwargsrepr"])
    if not _is_whole(headers["askfirst_deadline"]):
        return _header("askfirst_deadline", "to be a time in ms", headers["askfirst_deadline"])
    return _problem_of_ours(headers["askfirst"])


def problem_of_call(headers: Mapping[str, Any], content_type: object) -> Problem | None:
    """What is wrong with a plain Celery call of a work type, its body apart; None if nothing."""
    if content_type != "application/json":
        return Problem(Flaw.FOREIGN_CONTENT, f"expected application/json, got {content_type!r:.100}")
    id = headers.get("id")
    if not isinstance(id, str) or not 0 < len(id) <= 255 or not id.isprintable():
        return Problem(Flaw.WRONG_ID, f"expected a text of 255 printable characters at most, got {id!r:.100}")
    # Attributes of Celery's request, and what the worker itself adds to it.
    for name in ("askfirst_claim", "called_directly", "args", "kwargs"):
        if name in headers:
            return _header(name, "to be left out", headers[name])
    for name in ("eta", "expires", "shadow", "root_id", "parent_id", "group"):
        if not isinstance(headers.get(name), str | None):
            return _header(name, "to be a text", headers[name])
    if not _is_whole(headers.get("retries") or 0):
        return _header("retries", "to be a number", headers["retries"])
    limits = headers.get("timelimit")
    if limits is not None and not (isinstance(limits, list | tuple) and [*map(_is_limit, limits)] == [True, True]):
        return _header("timelimit", "to be two numbers of seconds", limits)
    if not isinstance(headers.get("stamped_headers") or [], list) or not isinstance(headers.get("stamps") or {}, dict):
        return _header("stamps", "to be an object", headers.get("stamps"))
    return None


def problem_of_body(body: Any, *, work: bool) -> Problem | None:
    """What is wrong with a decoded body; None if nothing. That of a `work` has arguments by name, and nothing else."""
    if not (isinstance(body, list | tuple) and len(body) == 3):
        return Problem(Flaw.BODY, f"expected three parts, got {_kind(body)}")
    args, kwargs, embed = body
    if not isinstance(args, list | tuple) or not isinstance(kwargs, dict) or not isinstance(embed, dict | None):
        return Problem(Flaw.BODY, f"expected a list and two objects, got {', '.join(map(_kind, body))}")
    if work and (args or embed != EMBED):
        return Problem(Flaw.BODY, "a work has arguments by name, and no callbacks")
    return None


def is_deep(value: Any, deepest: int = DEEPEST) -> bool:
    """Whether lists and objects lie deeper in each other than this. Goes by level: it can't run into a limit itself."""
    level = [value] if isinstance(value, dict | list | tuple) else []
    for _ in range(deepest):
        level = [
            part
            for each in level
            for part in (each.values() if isinstance(each, dict) else each)
            if isinstance(part, dict | list | tuple)
        ]
        if not level:
            return False
    return True


def _problem_of_ours(ours: Any) -> Problem | None:
    if not isinstance(ours, dict):
        return _header("askfirst", "to be an object", ours)
    for name, is_right in _OURS.items():
        if name in _OPTIONAL and name not in ours:
            continue
        if not is_right(ours.get(name)):
            return _header(f"askfirst.{name}", "to be as submit_work writes it", ours.get(name))
    if more := ours.keys() - _OURS.keys():
        return Problem(Flaw.HEADERS, f"unknown parts of the askfirst header: {', '.join(sorted(more))!r:.100}")
    return None


def _is_interest(value: object) -> bool:
    return isinstance(value, str) and _INTEREST.fullmatch(value) is not None


def _is_importance(value: object) -> bool:
    return isinstance(value, str) and value in _IMPORTANCES


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LATEST


def _is_duration(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return 0 <= value < _LATEST / 1000  # which infinity and NaN are not, either


def _is_limit(value: object) -> bool:
    return value is None or _is_duration(value)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST and value.isprintable()


#: What the header of ours says, and how.
_OURS: Final[Mapping[str, Callable[[object], bool]]] = {
    "interest": _is_interest,
    "retention": _is_duration,
    "importance": _is_importance,
    "key": _is_name,
    "partition": _is_name,
    "nominal": _is_whole,
    "until": _is_whole,
    "signature": _is_name,
}
_OPTIONAL: Final = ("partition", "nominal", "until", "signature")


def _kind(value: object) -> str:
    return type(value).__name__


def _header(name: str, wanted: str, value: object) -> Problem:
    return Problem(Flaw.HEADERS, f"expected the header {name!r:.100} {wanted}, got {_kind(value)} {value!r:.100}")
