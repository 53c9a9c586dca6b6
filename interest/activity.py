"""Who runs what in a lane: its workers, its work types, and how far limits are used, for operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from .ledger import Ledger
from .limits import LimitInUse, limits_of
from .states import State

_SAMPLE: Final = 2000  # runs looked at: beyond that, those of each type and worker are estimated from as many


@dataclass(frozen=True, slots=True)
class WorkerActivity:
    """A worker that serves the lane."""

    lane: str
    name: str
    slots: int
    """As it said last."""
    runs: int
    silence: float
    """Seconds since it was last heard; it beats every second."""


@dataclass(frozen=True, slots=True)
class TypeActivity:
    """A work type that has run in the lane, or that declares its run time or a limit."""

    lane: str
    name: str
    running: int
    expected: float | None
    """Seconds that a run takes, learned, or else declared; None if neither."""


@dataclass(frozen=True, slots=True)
class Activity:
    """The lane at one moment. Beyond 2000 runs, those of each type, partition and worker are estimates."""

    workers: Sequence[WorkerActivity]
    types: Sequence[TypeActivity]
    limits: Sequence[LimitInUse]


@dataclass(slots=True)
class _Runs:
    """How many runs there are, counted by whatever they have in common."""

    by_type: Counter[str] = field(default_factory=Counter)
    by_worker: Counter[str] = field(default_factory=Counter)
    by_partition: Counter[tuple[str, str]] = field(default_factory=Counter)


def activity_of(ledger: Ledger, lane: str) -> Activity:
    """Who runs what in the lane now; nothing is written."""
    names = ledger.keys(lane)
    silences = ledger.workers(lane)
    slots, learned, declared = (
        dict(zip(flat[::2], flat[1::2], strict=True))
        for flat in ledger.line.batch(
            [("HGETALL", names.slots), ("HGETALL", names.runtimes), ("HGETALL", names.limits)]
        )
    )
    runs = _runs(ledger, lane)
    expected = {name.removeprefix("expected "): ms for name, ms in declared.items() if name.startswith("expected ")}
    expected |= {name: text.split()[0] for name, text in learned.items()}
    limits = limits_of(ledger, lane)
    return Activity(
        workers=[
            WorkerActivity(lane, worker, int(slots.get(worker, 0)), runs.by_worker[worker], max(silence, 0.0))
            for worker, silence in silences.items()
        ],
        types=[
            TypeActivity(lane, name, runs.by_type[name], float(expected[name]) / 1000 if name in expected else None)
            for name in sorted({*expected, *runs.by_type, *(row.name for row in limits)})
        ],
        limits=_with_partitions(limits, runs.by_partition),
    )


def _runs(ledger: Ledger, lane: str) -> _Runs:
    names = ledger.keys(lane)
    running = names.index(State.RUNNING)
    total, ids = ledger.line.batch([("ZCARD", running), ("ZRANDMEMBER", running, _SAMPLE)])
    records = ledger.line.batch([("HMGET", names.work(id), "name", "partition", "worker") for id in ids])
    runs = _Runs()
    for name, partition, worker in records:
        if name is not None:
            runs.by_type[name] += 1
            runs.by_worker[worker or ""] += 1
            if partition:
                runs.by_partition[name, partition] += 1
    if total > _SAMPLE:
        for counted in (runs.by_type, runs.by_worker, runs.by_partition):
            _scale(counted, total / _SAMPLE)
    return runs


def _scale(counted: Counter[Any], factor: float) -> None:
    for what, count in counted.items():
        counted[what] = round(count * factor)


def _with_partitions(limits: Sequence[LimitInUse], runs: Mapping[tuple[str, str], int]) -> list[LimitInUse]:
    """The limits, and those of partitions that only run; a type that has partitions is the sum of them."""
    known = {(row.name, row.partition) for row in limits}
    of_types = {row.name: row for row in limits if row.partition is None}
    rows = [
        *limits,
        *(
            replace(of_types[name], partition=partition, running=running, held=0)
            for (name, partition), running in runs.items()
            if name in of_types and (name, partition) not in known
        ),
    ]
    running, held = Counter[str](), Counter[str]()
    for row in rows:
        running[row.name] += row.running
        held[row.name] += row.held
    summed = [
        replace(row, running=running[row.name], held=held[row.name]) if row.partition is None else row for row in rows
    ]
    return sorted(summed, key=lambda row: (row.name, row.partition is not None, row.partition or ""))
