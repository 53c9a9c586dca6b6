"""Partitions of a work type: works with the same value of one argument, which have a limit of their own."""

from __future__ import annotations

import json
from typing import Any

from ..interest.errors import InvalidPayload

_LONGEST = 200  # characters; it becomes part of Redis keys and of what operators read
_EXACT = 2**53  # beyond that a float is no certain whole number


def partition_of(name: str, argument: str, payload: str, default: Any) -> str:
    """The partition that a payload (JSON) belongs to: the argument's value, other than texts as JSON.

    Raises `InvalidPayload` if that is no short printable text.
    """
    arguments = _read(payload)
    value = arguments[argument] if argument in arguments else _read(json.dumps(default))
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
    if not 0 < len(text) <= _LONGEST or not text.isprintable():
        raise InvalidPayload(
            f"{name}: {argument}: expected 1 to {_LONGEST} printable characters, since works are partitioned by it, "
            f"got {text[:_LONGEST]!r}"
        )
    return text


def _read(text: str) -> Any:
    """JSON with whole numbers as such: whether 1 or 1.0 is written depends on who writes it."""
    return json.loads(text, parse_float=_number)


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() and abs(value) <= _EXACT else value
