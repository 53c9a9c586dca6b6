"""Fleet-wide limits: what work types declare, what operators set, and how far they are used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict, Unpack

from ..config.units import Rate
from .ledger import Ledger
from .script import script


@dataclass(frozen=True, slots=True)
class Limit:
    """How many runs at once, and how many starts in a period; None where there is no such limit."""

    max_concurrent: int | None = None
    rate: Rate | None = None

    def as_text(self) -> str:
        """As `scripts/includes/limits.lua` reads it: "concurrent count period", the period in ms."""
        count, period = (self.rate.count, round(self.rate.period * 1000)) if self.rate else ("-", "-")
        return f"{self.max_concurrent or '-'} {count} {period}"

    @classmethod
    def from_text(cls, text: str) -> Limit:
        """The limit that such a text stands for."""
        concurrent, count, period = text.split()
        rate = None if count == "-" else Rate(int(count), int(period) / 1000)
        return cls(None if concurrent == "-" else int(concurrent), rate)


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a work type says of itself: its limit, and the seconds a run is expected to take (None: unknown)."""

    limit: Limit
    expected: float | None = None


@dataclass(frozen=True, slots=True)
class LimitInUse:
    """The limit of a work type, or of one partition of it (`partition`), and how far it is used."""

    lane: str
    name: str
    partition: str | None
    declared: Limit | None
    set: Limit | None
    """What an operator set; it comes before what is declared."""
    running: int
    """Works that have a permit: those that run, and those about to."""
    held: int
    """Works that wait for one."""


@dataclass(frozen=True, slots=True)
class LimitChange:
    """What setting or lifting a limit did: what was in force, what is now."""

    was_set: bool
    """Whether something had been set for just this type or partition."""
    before: Limit
    now: Limit


class Changes(TypedDict, total=False):
    """The parts of a limit that are to change; None: no such limit, whatever is declared."""

    max_concurrent: int | None
    rate: Rate | None


def declare(ledger: Ledger, lane: str, types: Mapping[str, Declaration], max_pending: int | None) -> None:
    """Makes the limits of these types, their expected run times and the lane's bound known to all."""
    names = ledger.keys(lane)
    put: list[str] = []
    gone: list[str] = []
    for name, declaration in types.items():
        limited = declaration.limit != Limit()
        put += [f"declared {name}", declaration.limit.as_text()] if limited else []
        gone += [] if limited else [f"declared {name}"]
        expected = declaration.expected
        put += [f"expected {name}", str(round(expected * 1000))] if expected else []
        gone += [] if expected else [f"expected {name}"]
    commands: list[tuple[str | int | float, ...]] = []
    if put:
        commands.append(("HSET", names.limits, *put))
    if gone:
        commands.append(("HDEL", names.limits, *gone))
    bound = ("HSET", names.load, "max_pending", max_pending) if max_pending else ("HDEL", names.load, "max_pending")
    ledger.line.batch([*commands, bound])
    # Each time: whoever declared it first may have died before all runs were seen.
    for name, declaration in types.items():
        if declaration.limit != Limit():
            _spread(ledger, lane, name)


def set_limit(ledger: Ledger, lane: str, name: str, partition: str | None, limit: Limit | None) -> LimitChange:
    """Sets a type's limit, or one partition's, instead of the declared one; None lifts what was set."""
    return _set(ledger, lane, _group(name, partition), limit.as_text() if limit else "")


def change_limit(
    ledger: Ledger, lane: str, name: str, partition: str | None, **changes: Unpack[Changes]
) -> LimitChange:
    """The same for just `max_concurrent` or `rate`: what is not given stays as it is in force at that moment."""
    concurrent, rate = Limit(**changes).as_text().split(" ", 1)
    kept = (concurrent if "max_concurrent" in changes else "=", rate if "rate" in changes else "= =")
    return _set(ledger, lane, _group(name, partition), " ".join(kept))


def _set(ledger: Ledger, lane: str, group: str, limit: str) -> LimitChange:
    set_it = script("set_limit").bind(ledger.slots(lane)[:1], group=group, limit=limit)
    was_set, before, now = ledger.line.call(set_it)
    _spread(ledger, lane, group)
    return LimitChange(bool(was_set), Limit.from_text(before), Limit.from_text(now))


def _spread(ledger: Ledger, lane: str, group: str) -> None:
    """Counts the runs from before the limit, then releases what may run now."""
    cursor = None
    while cursor != "":
        call = script("spread_limit").bind(ledger.slots(lane), group=group, cursor=cursor or "")
        cursor, letters = ledger.line.call(call)
        ledger.ring(lane, letters)


def limits_of(ledger: Ledger, lane: str) -> list[LimitInUse]:
    """All limits of the lane, by type and partition: declared, set, and of partitions where works are held."""
    names = ledger.keys(lane)
    flat, waiting = ledger.line.batch([("HGETALL", names.limits), ("ZRANGE", names.index("HELD"), 0, -1)])
    said = dict(zip(flat[::2], flat[1::2], strict=True))
    groups = sorted({field.split(" ", 1)[1] for field in said if not field.startswith("expected ")} | set(waiting))
    if not groups:
        return []
    used = ledger.line.batch(
        [command for group in groups for command in (("ZCARD", names.permits(group)), ("ZCARD", names.held(group)))]
    )
    return [
        _in_use(lane, group, said, running, held)
        for group, running, held in zip(groups, used[::2], used[1::2], strict=True)
    ]


def _in_use(lane: str, group: str, said: Mapping[str, str], running: int, held: int) -> LimitInUse:
    name, _, partition = group.partition(" ")
    declared = said.get(f"declared {name}")
    chosen = said.get(f"set {group}") or said.get(f"set {name}")
    return LimitInUse(
        lane=lane,
        name=name,
        partition=partition or None,
        declared=Limit.from_text(declared) if declared else None,
        set=Limit.from_text(chosen) if chosen else None,
        running=running,
        held=held,
    )


def _group(name: str, partition: str | None) -> str:
    return name if partition is None else f"{name} {partition}"
