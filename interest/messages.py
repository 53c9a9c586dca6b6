"""Messages that were set aside: what no worker could or would run, kept for a look at it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from .ledger import Ledger
from .records import lane_of
from .script import script

#: How many are kept of a lane, the newest, and how long after the last of them.
KEPT: Final = 100
KEPT_FOR: Final = 7 * 86_400_000  # ms


class Flaw(StrEnum):
    """What is wrong with a message. The value is what people read."""

    NO_JSON = "not JSON"
    """The broker's entry is no JSON text."""
    NO_MESSAGE = "not a message"
    """It is JSON, but not what Celery's protocol makes of a task."""
    TOO_LARGE = "too large"
    """Larger than any payload that a work type admits."""
    TOO_DEEP = "nested too deep"
    """Lists in lists, deeper than can be handed to a pool process."""
    COMPRESSED = "compressed"
    """It would have to be unpacked, to whatever size."""
    FOREIGN_CONTENT = "foreign content type"
    """Anything but JSON in UTF-8: pickle, YAML and the like are never read."""
    HEADERS = "wrong headers"
    """A header is missing, unknown, or has a value that askfirst does not write."""
    BODY = "unreadable body"
    """Truncated, no JSON, or not the arguments of a work."""
    WRONG_ID = "wrong id"
    """The id is none, or not that of the message."""
    FOREIGN_LANE = "of another lane"
    """The worker does not serve the lane that the id names."""
    SIGNATURE = "wrong signature"
    """It is not signed with the signing key, or was changed since, or is sent again after its time."""
    UNKNOWN_TYPE = "unknown work type"
    """The worker has no such task."""
    REFUSED = "refused by Celery"
    """Celery found it invalid, or broke over it."""


@dataclass(frozen=True, slots=True)
class BadMessage:
    """One message on its way aside. Texts are cut to what is kept of them."""

    flaw: Flaw
    detail: str
    """What exactly is wrong, in a line."""
    queue: str
    worker: str
    message: str
    """Its beginning."""
    size: int
    """Characters of the whole message, as far as known."""
    id: str = ""
    """The work that it names."""


@dataclass(frozen=True, slots=True)
class AsideMessage:
    """One message as it is kept."""

    at: datetime
    lane: str
    bad: BadMessage


def set_aside(ledger: Ledger, lane: str, counts: Mapping[str, int], messages: Sequence[BadMessage]) -> None:
    """Counts bad messages by their flaw and keeps these of them, oldest first. Raises `LedgerUnavailable`."""
    entries = [json.dumps(asdict(message)) for message in messages[-KEPT:]]
    call = script("set_aside").bind(
        (ledger.keys(lane).base,), tuple(entries), most=KEPT, ttl=KEPT_FOR, counts=json.dumps(dict(counts))
    )
    ledger.line.call(call)


def aside_in(ledger: Ledger, lane: str) -> list[AsideMessage]:
    """What is kept of the lane, newest first. Raises `LedgerUnavailable`."""
    return [_read(lane, text) for text in ledger.line.command("LRANGE", ledger.keys(lane).aside, 0, -1)]


def clear_aside(ledger: Ledger, lane: str) -> int:
    """Forgets what is kept of the lane; how many there were. The counts stay. Raises `LedgerUnavailable`."""
    key = ledger.keys(lane).aside
    kept, _ = ledger.line.batch([("LLEN", key), ("DEL", key)])
    return int(kept)


def letter_of(ledger: Ledger, id: str) -> str | None:
    """What a live work is rung with, or None. Raises `LedgerUnavailable`."""
    found: str | None = ledger.line.command("GET", ledger.keys(lane_of(id) or "").letter(id))
    return found


def _read(lane: str, text: str) -> AsideMessage:
    at, _, entry = text.partition(" ")
    values = json.loads(entry)
    return AsideMessage(
        datetime.fromtimestamp(int(at) / 1000, UTC), lane, BadMessage(**values | {"flaw": Flaw(values["flaw"])})
    )
