"""Would a refused work have made it? Decided by replay, from what the slots really did.

The work is put into the line at its arrival, behind all that were admitted before it and ahead of all that came after.
It starts when those before it have started, in order, and a slot is free of them; it then holds the slot for its own
run time. Works admitted later don't count: in this replay they stand behind it. What lies between a free slot and a
start, and between an end and the answer, is taken from the admitted works: the same replay foretells the answers of
those too, and the median of how much later they really came is added.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from .load import SLOTS, Call
from .runs import Run


def would_have_made_it(calls: Sequence[Call], runs: Sequence[Run], start: float, end: float) -> dict[int, bool]:
    """For each work refused between the two, by number: whether its answer would have been taken."""
    ran = {run.number: run for run in runs}
    ahead: list[tuple[float, float]] = []
    """Start and end of the runs admitted so far that were not over at the last arrival."""
    foretold: dict[int, float] = {}
    off: list[float] = []
    for call in sorted(calls, key=lambda call: call.began):
        ahead = [(started, ended) for started, ended in ahead if ended > call.began]
        answer = _start_behind(ahead, call.began) + call.seconds
        if call.refused:
            if start <= call.due < end:
                foretold[call.number] = answer
        elif call.number in ran:
            run = ran[call.number]
            ahead.append((run.started, run.started + call.seconds if run.ended is None else run.ended))
            if call.answered is not None:
                off.append(call.answered - answer)
    delay = statistics.median(off) if off else 0.0
    by_number = {call.number: call for call in calls}
    return {number: answer + delay <= by_number[number].wanted_until for number, answer in foretold.items()}


def _start_behind(ahead: Sequence[tuple[float, float]], arrival: float) -> float:
    """When one that comes then, behind all these, finds a slot."""
    turn = max((started for started, _ in ahead), default=arrival)
    turn = max(turn, arrival)
    ends = sorted(ended for _, ended in ahead if ended > turn)
    return turn if len(ends) < SLOTS else ends[len(ends) - SLOTS]
