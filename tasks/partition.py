"""Partitions of a work type: works with the same value of one argument, which have a limit of their own."""

from __future__ import annotations

import json
from typing import Any

from ..interest.errors import InvalidPayload

_LONGEST = 200  # characters; it becomes part of Redis keys and of what operators read


def partition_of(name: str, argument: str, payload: str, default: Any) -> str:
    """The partition that a payload (JSON) belongs to: the argument's value, other than texts as JSON.

    Raises `InvalidPayload` if that is no short printable text.
    """
    value = json.loads(payload).get(argument, default)
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
    if not 0 < len(text) <= _LONGEST or not text.isprintable():
        raise InvalidPayload(
            f"{name}: {argument}: expected 1 to {_LONGEST} printable characters, since works are partitioned by it, "
            f"got {text[:_LONGEST]!r}"
        )
    return text
