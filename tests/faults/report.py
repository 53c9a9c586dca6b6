"""What a campaign came to, for people and as JSON."""

import statistics
from collections import Counter, defaultdict
from typing import Any

from .checker import Recovery, Violation, restarts, works_again
from .story import Story


def figures(story: Story, violations: list[Violation]) -> dict[str, Any]:
    """All figures of a campaign."""
    begins = story.said["begins"][0]
    accepted = [waiter for waiter in story.waiters.values() if waiter.id]
    answered = [waiter for waiter in accepted if waiter.answers]
    lateness = sorted(waiter.last - waiter.deadline for waiter in answered if waiter.what == "WorkTimeout")
    again, back = list(restarts(story)), list(works_again(story))
    return {
        "seed": begins["seed"],
        "seconds": begins["seconds"],
        "works": len({waiter.id for waiter in accepted}),
        "submissions": len(story.waiters),
        "runs": len(story.runs),
        "runs again": sum(run.attempt > 1 for run in story.runs),
        "answers": dict(Counter(waiter.what for waiter in answered).most_common()),
        "refusals": dict(Counter(w.refused["error"] for w in story.waiters.values() if w.refused).most_common()),
        "without an answer because their caller was killed": len(accepted) - len(answered),
        "timeouts, seconds after the deadline": _quantiles(lateness),
        "faults": len(story.windows),
        "by kind": _by_kind(story, again, back),
        "restarts of what died": _summary(again),
        "redis back until the first run": _summary(back),
        "works in windows of loss": _fell_in(story),
        "violations": [{"rule": each.rule, "at": each.at, "text": each.text} for each in violations],
    }


def _by_kind(story: Story, again: list[Recovery], back: list[Recovery]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = defaultdict(lambda: {"faults": 0, "recoveries": 0, "worst": None})
    for window in story.windows:
        found[window.kind]["faults"] += 1
    for recovery in [*again, *back]:
        row = found[recovery.kind]
        row["recoveries"] += 1
        row["worst"] = round(max(row["worst"] or 0.0, recovery.seconds), 2)
    return dict(sorted(found.items()))


def _summary(recoveries: list[Recovery]) -> dict[str, Any]:
    seconds = [recovery.seconds for recovery in recoveries]
    return {"count": len(seconds), **_quantiles(sorted(seconds))}


def _quantiles(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    return {"median": round(statistics.median(values), 3), "worst": round(values[-1], 3)}


def _fell_in(story: Story) -> dict[str, int]:
    """Works that lived while Redis lost what it had acknowledged, and whether their callers were answered."""
    fell = [waiter for waiter in story.waiters.values() if waiter.id and story.work_lost(waiter.id)]
    alive = [waiter for waiter in fell if waiter.answers or story.killed_at(waiter.caller) > waiter.deadline]
    return {
        "waiters": len(fell),
        "answered": sum(bool(waiter.answers) for waiter in fell),
        "answered with a result": sum(waiter.what == "result" for waiter in fell),
        "whose caller lived": len(alive),
    }


def text(found: dict[str, Any]) -> str:
    """The same for people."""
    lines = [
        f"seed {found['seed']}: {found['seconds']:g} s, {found['faults']} faults, {found['works']} works,"
        f" {found['runs']} runs ({found['runs again']} of them again)",
        f"answers    {_pairs(found['answers'])}",
        f"refusals   {_pairs(found['refusals'])}",
        f"unanswered {found['without an answer because their caller was killed']} (their callers were killed)",
        f"in windows of loss: {_pairs(found['works in windows of loss'])}",
        f"timeouts after the deadline (s): {_pairs(found['timeouts, seconds after the deadline'])}",
        f"what died ran again (s): {_pairs(found['restarts of what died'])}",
        f"Redis back until the first run (s): {_pairs(found['redis back until the first run'])}",
        "",
        f"{'fault':20} {'times':>5} {'recoveries':>10} {'worst (s)':>9}",
    ]
    for kind, row in found["by kind"].items():
        worst = "" if row["worst"] is None else f"{row['worst']:.2f}"
        lines.append(f"{kind:20} {row['faults']:5} {row['recoveries']:10} {worst:>9}")
    violations = found["violations"]
    lines.append(f"\n{len(violations)} violations")
    for rule, count in Counter(each["rule"] for each in violations).items():
        lines.append(f"  {count} x {rule}")
        lines += [f"      at {each['at']:.2f}: {each['text']}" for each in violations if each["rule"] == rule][:10]
    return "\n".join(lines)


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items()) or "none"
