"""From what callers and works noted to figures, for one phase."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .load import DEADLINE
from .processes import Driven
from .replay import room_together, slacks_alone
from .runs import Run

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a phase that counts, in seconds from the first call: the fleet has settled, callers still come."""

    start: float
    end: float

    @property
    def length(self) -> float:
        return self.end - self.start


def saturated(driven: Driven, window: Window) -> Figures:
    """Works per second, and the share of the slots' time that they hold, with a backlog that never ends."""
    start, end = driven.start + window.start, driven.start + window.end
    return {
        "throughput": sum(_part(run, start, end) for run in driven.runs) / window.length,
        "busy": sum(inside(run, start, end) for run in driven.runs) / window.length,
        "others": driven.others,
    }


def overloaded(driven: Driven, window: Window) -> Figures:
    """All figures of a phase under a load. Rates are per second; times in ms; shares from 0 to 1."""
    start, end = driven.start + window.start, driven.start + window.end
    by_number = {call.number: call for call in driven.calls}
    answered = [call for call in driven.calls if call.answered is not None and start <= call.answered < end]
    due = [call for call in driven.calls if start <= call.due < end]
    refused = [call for call in due if call.refused]
    used = [(by_number[run.number], inside(run, start, end)) for run in driven.runs]
    slacks = slacks_alone(driven.calls, driven.runs, start, end)
    busy, useful = sum(held for _, held in used), sum(held for call, held in used if call.on_time)
    # By runs, not by answers: a run counts by its part inside the window, or the window's ends would show.
    done = sum(_part(run, start, end) for run in driven.runs if by_number[run.number].on_time)
    latencies = [call.answered - call.due for call in answered if call.answered is not None]
    # Nobody can say of a caller that left whether it would have been answered in time.
    stayed = [call for call in due if not call.refused and call.leaves_at is None]
    return {
        "offered": sum(call.attempt == 1 for call in due) / window.length,
        "tries": len(due) / window.length,
        "goodput": done / window.length,
        "useful": useful / window.length,
        "busy": busy / window.length,
        "waste": 1 - useful / busy if busy else 0.0,
        "served": share(call.on_time for call in due if call.leaves_at is None),
        "admitted": share(call.on_time for call in stayed),
        "starts": float(len(driven.runs)),
        "late_starts": float(sum(run.started > by_number[run.number].deadline for run in driven.runs)),
        "latency_p50": 1000 * percentile(latencies, 0.5),
        "latency_p99": 1000 * percentile(latencies, 0.99),
        "send_p50": 1000 * percentile([call.returned - call.began for call in due], 0.5),
        "send_p99": 1000 * percentile([call.returned - call.began for call in due], 0.99),
        "lag_p99": 1000 * percentile([call.began - call.due for call in due], 0.99),
        "failed": float(sum(bool(call.failed) for call in due)),
        "rejects": len(refused) / window.length,
        "reject_p99": 1000 * percentile([call.returned - call.began for call in refused], 0.99),
        "reject_from_due_p99": 1000 * percentile([call.returned - call.due for call in refused], 0.99),
        "alone": sum(slack >= 0 for slack in slacks) / max(len(slacks), 1),
        "together": room_together(driven.calls, driven.runs, start, end) / max(len(slacks), 1),
        "slack_p50": 1000 * percentile(slacks, 0.5),
        "others": driven.others,
    }


def by_importance(driven: Driven, window: Window, importance: str) -> Figures:
    """What became of one class of callers."""
    start, end = driven.start + window.start, driven.start + window.end
    due = [call for call in driven.calls if start <= call.due < end and call.importance == importance]
    return {
        "offered": len(due) / window.length,
        "served": share(call.on_time for call in due),
        "admitted": share(call.on_time for call in due if not call.refused),
        "rejects": sum(call.refused for call in due) / window.length,
        "goodput": sum(call.on_time for call in due) / window.length,
    }


def by_second(driven: Driven, start: float, end: float) -> list[float]:
    """Of the callers that came in each second, the share that was answered in time at the first try."""
    seconds: list[list[bool]] = [[] for _ in range(int(end - start))]
    for call in driven.calls:
        second = int(call.due - driven.start - start) if call.due >= driven.start + start else -1
        if call.attempt == 1 and 0 <= second < len(seconds):
            seconds[second].append(call.on_time)
    return [share(answers) for answers in seconds]


def share(flags: Iterable[bool]) -> float:
    """How many of them are true; 1 of none, as in "all of those that there were"."""
    found = list(flags)
    return sum(found) / len(found) if found else 1.0


def percentile(values: Sequence[float], part: float) -> float:
    """The value that this part of all is not above; 0 of none."""
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)] if ordered else 0.0


def _part(run: Run, start: float, end: float) -> float:
    """How much of the run lies between the two, as a share of it; nothing of one that was cut off."""
    return 0.0 if run.ended is None else inside(run, start, end) / max(run.ended - run.started, 1e-6)


def inside(run: Run, start: float, end: float) -> float:
    """Seconds of the run between the two; one that was cut off has lasted until the end."""
    ended = end + DEADLINE if run.ended is None else run.ended
    return max(min(ended, end) - max(run.started, start), 0.0)
