"""The Celery message of a work (task protocol 2, as kombu's virtual transports write it).

The ledger writes the beginning, with what differs from ring to ring (delivery tag, deadline); the letter is the rest,
the same for the work's whole life. See `interest/scripts/includes/doorbell.lua`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final

from ..interest.sealing import Seal

_EMBED = '{"callbacks":null,"errbacks":null,"chain":null,"chord":null}'
_SAME = (
    '"lang":"py","parent_id":null,"group":null,"shadow":null,"eta":null,"expires":null,"retries":0,'
    '"timelimit":[null,null],"argsrepr":"()","origin":"askfirst","ignore_result":true'
)
#: The third part of a body, and the headers that are the same in all messages.
EMBED: Final[Mapping[str, None]] = json.loads(_EMBED)
SAME: Final[Mapping[str, Any]] = json.loads(f"{{{_SAME}}}")
# One encoder for all: json.dumps makes a new one for every call that isn't plain.
_encode = json.JSONEncoder(separators=(",", ":")).encode
_encode_sorted = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode
_quote = json.encoder.encode_basestring_ascii
_SHOWN = 1024  # characters of the arguments that Flower and the logs show
_CLOCKS = 300  # seconds; callers' clocks and workers' are not compared but for this


def compose(id: str, name: str, payload: str, ours: Mapping[str, Any], seal: Seal, timeout: float) -> str:
    """The letter of a work; `payload` is the JSON of its arguments, `ours` what askfirst's header says.

    Where works are signed, the letter is good for `timeout` seconds and what clocks may differ by.
    """
    shown = payload if len(payload) <= _SHOWN else payload[:_SHOWN] + "…"
    if seal.is_on:
        ours = {**ours, "until": int(time.time() + timeout + _CLOCKS)}
        ours["signature"] = seal.sign(*_signed_parts(id, name, shown, ours, f"[[],{payload},{_EMBED}]"))
    headers = (
        f'"askfirst":{_encode(ours)},"task":{_quote(name)},"id":"{id}","root_id":"{id}",{_SAME},"kwargsrepr":{_quote(shown)}'
    )
    return _assemble(headers, f"[[],{payload},{_EMBED}]")


def is_signed(seal: Seal, headers: Mapping[str, Any], body: str) -> bool:
    """Whether the message, whose headers are otherwise right, is just as somebody with the key has composed it."""
    ours = headers["askfirst"]
    parts = _signed_parts(headers["id"], headers["task"], headers["kwargsrepr"], ours, body)
    return seal.is_right(ours.get("signature"), *parts)


def is_outdated(headers: Mapping[str, Any]) -> bool:
    """Whether the signed time of the message is over, by this host's clock."""
    until: int = headers["askfirst"].get("until", 0)
    return time.time() > until


def _signed_parts(id: str, name: str, shown: str, ours: Mapping[str, Any], body: str) -> tuple[str, ...]:
    rest = {name: value for name, value in ours.items() if name != "signature"}
    return "work", id, name, shown, _encode_sorted(rest), body


def letter(headers: Mapping[str, Any], body: str) -> str:
    """Headers and body as the tail of a message."""
    return _assemble(_encode(headers)[1:-1], body)


def _assemble(headers: str, body: str) -> str:
    kind = '"content-type":"application/json","content-encoding":"utf-8"'
    return f'{headers}}},{kind},"body":{_quote(body)}}}'
