"""What the SQL mirror has not yet, in Redis: one method per script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ..interest.ledger import Ledger
from ..interest.script import Argument, Call, script
from .entries import Entry, read_entry
from .keys import ScheduleKeys

#: For how long (ms) changes wait for a mirror that isn't heard of.
KEPT: Final = 7 * 86_400_000
_COPIED_AT_ONCE: Final = 200
_OURS: Final = ("", "#", "@")


class Waiting(NamedTuple):
    """How many entries wait, and after which schedule the copy of the histories goes on; None if all is copied."""

    entries: int
    copied_to: str | None


@dataclass(frozen=True, slots=True)
class Unmirrored:
    """An entry that waits, behind the `number` of its change; `member` and `value` as Redis has them."""

    member: str
    value: str
    number: int
    schedule: str
    entry: Entry


class Outbox:
    """For a mirror; there may be several, but one is enough. Each method raises `LedgerUnavailable`."""

    def __init__(self, ledger: Ledger) -> None:
        self._line = ledger.line
        self._keys = ScheduleKeys(ledger.namespace)

    def wait_for_mirror(self) -> Waiting:
        """Has changes wait, from now on and as long as this is called now and then."""
        entries, copied_to = self._line.call(self._bind("mirror", keep=KEPT))
        return Waiting(int(entries), copied_to)

    def copy(self, schedule: str) -> None:
        """Has all that the history of a schedule has wait too."""
        first = 0
        while self._line.call(self._bind("copy", id=schedule, first=first, last=first + _COPIED_AT_ONCE - 1)):
            first += _COPIED_AT_ONCE

    def copied(self, before: str, reached: str) -> None:
        """Notes how far that has got: to the schedule `reached`, or to the end if that is empty."""
        self._line.call(self._bind("copied", before=before, reached=reached))

    def unmirrored(self, limit: int) -> list[Unmirrored]:
        """Some of what waits, in no order."""
        flat = self._line.command("HRANDFIELD", self._keys.outbox, limit + len(_OURS), "WITHVALUES")
        pairs = zip(flat[::2], flat[1::2], strict=True)
        return [_read(member, value) for member, value in pairs if member not in _OURS]

    def mirrored(self, rows: Sequence[Unmirrored]) -> None:
        """These are where they should be, unless they have changed meanwhile."""
        pairs: tuple[Argument, ...] = tuple(part for row in rows for part in (row.member, row.value))
        self._line.call(script("mirrored", __package__).bind((self._keys.base,), pairs))

    def _bind(self, name: str, /, **arguments: Argument) -> Call:
        return script(name, __package__).bind((self._keys.base,), **arguments)


def _read(member: str, value: str) -> Unmirrored:
    schedule = member.partition(" ")[2]
    number, _, text = value.partition(" ")
    return Unmirrored(member, value, int(number), schedule, read_entry(text))
