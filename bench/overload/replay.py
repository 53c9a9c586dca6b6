"""Would a refused work have made it? Decided by replay, from what the slots really did.

*Alone*: the work is put into the line at its arrival, behind all that were admitted before it and ahead of all that
came after. It starts when those before it have started, in order, and a slot is free of them; it then holds the slot
for its own run time. Works admitted later don't count: in this replay they stand behind it. What lies between a free
slot and a start, and between an end and the answer, is taken from the admitted works: the same replay foretells the
answers of those too, and the median of how much later they really came is added.

Where ten ask for one place, each of them alone would have made it. *Together*: one refused work after the other is
put into the line, and stays there if it makes it and none that made it before is late because of it. Here the line is
served by a model, in order, with the run times as they were and the medians of what lay between.
"""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from .load import SLOTS, Call
from .runs import Run


@dataclass(frozen=True, slots=True)
class _Job:
    """A work in the line: when it came, how long it holds a slot, until when its answer is of use."""

    arrived: float
    holds: float
    wanted_until: float


def slacks_alone(calls: Sequence[Call], runs: Sequence[Run], start: float, end: float) -> list[float]:
    """For each work refused between the two: seconds that its answer would have come early (or late, if negative)."""
    ran = {run.number: run for run in runs}
    ahead: list[tuple[float, float]] = []  # start and end of the runs admitted so far that were not over
    slacks: list[float] = []
    off: list[float] = []
    for call in sorted(calls, key=lambda call: call.began):
        ahead = [(started, ended) for started, ended in ahead if ended > call.began]
        answer = _start_behind(ahead, call.began) + call.seconds
        if call.refused:
            if start <= call.due < end:
                slacks.append(call.wanted_until - answer)
        elif call.number in ran:
            run = ran[call.number]
            ahead.append((run.started, run.started + call.seconds if run.ended is None else run.ended))
            if call.answered is not None:
                off.append(call.answered - answer)
    delay = statistics.median(off) if off else 0.0
    return [slack - delay for slack in slacks]


def _start_behind(ahead: Sequence[tuple[float, float]], arrival: float) -> float:
    """When one that comes then, behind all these, finds a slot."""
    turn = max(max((started for started, _ in ahead), default=arrival), arrival)
    ends = sorted(ended for _, ended in ahead if ended > turn)
    return turn if len(ends) < SLOTS else ends[len(ends) - SLOTS]


def room_together(calls: Sequence[Call], runs: Sequence[Run], start: float, end: float) -> int:
    """How many of the works refused between the two would have made it beside all that did."""
    ran = {run.number: run for run in runs if run.ended is not None}
    gap, delay = _between_runs(calls, runs), _until_answered(calls, ran)
    line: list[_Job] = []
    refused: list[_Job] = []
    for call in sorted(calls, key=lambda call: call.began):
        run = ran.get(call.number)
        until = call.wanted_until - delay
        if run is not None and run.ended is not None:
            line.append(_Job(call.began, run.ended - run.started + gap, until + gap))
        elif call.refused and start <= call.due < end:
            refused.append(_Job(call.began, call.seconds + gap, until + gap))
    slots, position, found = [0.0] * SLOTS, 0, 0
    for job in refused:
        while position < len(line) and line[position].arrived < job.arrived:
            _serve(slots, line[position])
            position += 1
        tried = list(slots)
        if _serve(tried, job) and _harmless(slots, tried, line, position):
            slots, found = tried, found + 1
    return found


def _serve(slots: list[float], job: _Job) -> bool:
    """Takes the slot that is free first; whether the answer is of use."""
    ended = max(slots[0], job.arrived) + job.holds
    heapq.heapreplace(slots, ended)
    return ended <= job.wanted_until


def _harmless(before: Sequence[float], after: Sequence[float], line: Sequence[_Job], position: int) -> bool:
    """Whether nobody in the rest of the line who made it is late now."""
    without, added = list(before), list(after)
    for job in line[position:]:
        made_it = _serve(without, job)
        if not _serve(added, job) and made_it:
            return False
        if without == added:
            return True
    return True


def _between_runs(calls: Sequence[Call], runs: Sequence[Run]) -> float:
    """Seconds from the end of a run to the start of the next in the same slot, where work waited: the median."""
    submitted = {call.number: call.returned for call in calls}
    free = [0.0] * SLOTS
    gaps = []
    for run in runs:
        if run.ended is None:
            continue
        since = heapq.heapreplace(free, run.ended)
        if submitted[run.number] < since <= run.started:
            gaps.append(run.started - since)
    return statistics.median(gaps) if gaps else 0.0


def _until_answered(calls: Sequence[Call], ran: dict[int, Run]) -> float:
    """Seconds from the end of a run to the answer: the median."""
    took = [
        call.answered - ended
        for call in calls
        if call.answered is not None and call.number in ran and (ended := ran[call.number].ended) is not None
    ]
    return statistics.median(took) if took else 0.0
