"""What a lane has to do, what it has to do it with, and what came of it so far: figures for operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from .ledger import Ledger
from .script import script
from .states import State

#: In the order in which workers take them, as look.lua replies and `LaneKeys.queues` has them.
IMPORTANCES: Final = ("critical", "normal", "sheddable")


@dataclass(frozen=True, slots=True)
class Waiting:
    """The works of one importance whose messages wait for a worker. Durations in seconds."""

    works: int
    run_time: float
    """How long they are expected to run, all together."""
    foreseen_wait: float | None
    """How long one more would wait for a slot; None where no worker is heard."""


@dataclass(frozen=True, slots=True)
class LaneLoad:
    """One lane at one moment. The totals count from the beginning of the lane."""

    lane: str
    slots: int
    """Works that its workers can run at once, as they said last; 0 where none is heard."""
    running: int
    pending: int
    """Works that have not started: waiting for a worker, for their time, or for a limit."""
    waiting: Mapping[str, Waiting]
    """By importance."""
    dead: int | None
    """Messages in the queue whose works have ended; None where the queue is on another server.

    Messages that workers have taken ahead count against them, so there may be a few more.
    """
    ended: Mapping[str, int]
    """Works by `STATE` or `STATE: reason`."""
    rejected: Mapping[str, int]
    """Submissions by reason."""
    aside: Mapping[str, int]
    """Messages that were set aside, by what is wrong with them."""
    overstayed: int
    """Runs that ignored their token and could not be killed."""
    useful: float
    """Seconds of runs whose answer came while somebody could take it."""
    wasted: float
    """Seconds of all other runs."""


def load_of(ledger: Ledger, lane: str) -> LaneLoad:
    """The lane as it is now; nothing is written."""
    names = ledger.keys(lane)
    slots = ledger.slots(lane)
    # A second slot is the queue itself: it is on this server.
    lengths = [("LLEN", queue) for queue in names.queues] if len(slots) > 1 else []
    look, pending, totals, spent, *queued = ledger.line.batch(
        [
            script("look").bind(slots),
            ("ZCARD", names.index(State.PENDING)),
            ("HGETALL", names.totals),
            ("HMGET", names.spent, "useful", "wasted"),
            *lengths,
        ]
    )
    waiting = _read_waiting(look[2:])
    works = sum(each.works for each in waiting.values())
    counted = {name: int(count) for name, count in zip(totals[::2], totals[1::2], strict=True)}
    return LaneLoad(
        lane=lane,
        slots=look[0],
        running=look[1],
        pending=pending,
        waiting=waiting,
        dead=max(sum(queued) - works, 0) if lengths else None,
        ended={name: count for name, count in counted.items() if name.partition(":")[0] in State.__members__},
        rejected=_counted(counted, "REJECTED: "),
        aside=_counted(counted, "ASIDE: "),
        overstayed=counted.get("overstayed", 0),
        useful=int(spent[0] or 0) / 1000,
        wasted=int(spent[1] or 0) / 1000,
    )


def _counted(totals: Mapping[str, int], kind: str) -> dict[str, int]:
    return {name.removeprefix(kind): count for name, count in totals.items() if name.startswith(kind)}


def _read_waiting(reply: list[Any]) -> dict[str, Waiting]:
    threes = zip(reply[::3], reply[1::3], reply[2::3], strict=True)
    return {
        importance: Waiting(works, ms / 1000, None if wait < 0 else wait / 1000)
        for importance, (works, ms, wait) in zip(IMPORTANCES, threes, strict=True)
    }
