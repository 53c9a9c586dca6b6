"""The Celery message of a work (task protocol 2, as kombu's virtual transports write it).

The ledger writes the beginning, with what differs from ring to ring (delivery tag, deadline); the letter is the rest,
the same for the work's whole life. See `interest/scripts/includes/doorbell.lua`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_EMBED = '{"callbacks":null,"errbacks":null,"chain":null,"chord":null}'
_SHOWN = 1024  # characters of the arguments that Flower and the logs show


def compose(id: str, name: str, payload: str, ours: Mapping[str, Any]) -> str:
    """The letter of a work; `payload` is the JSON of its arguments, `ours` what askfirst's header says."""
    headers = {
        "askfirst": ours,
        "lang": "py",
        "task": name,
        "id": id,
        "root_id": id,
        "parent_id": None,
        "group": None,
        "shadow": None,
        "eta": None,
        "expires": None,
        "retries": 0,
        "timelimit": [None, None],
        "argsrepr": "()",
        "kwargsrepr": payload if len(payload) <= _SHOWN else payload[:_SHOWN] + "…",
        "origin": "askfirst",
        "ignore_result": True,
    }
    return letter(headers, f"[[],{payload},{_EMBED}]")


def letter(headers: Mapping[str, Any], body: str) -> str:
    """Headers and body as the tail of a message."""
    return (
        json.dumps(headers, separators=(",", ":"))[1:]
        + ',"content-type":"application/json","content-encoding":"utf-8","body":'
        + json.dumps(body)
        + "}"
    )
