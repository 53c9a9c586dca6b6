"""The invariants, each a function from what a journal tells to what is wrong with it.

Faults excuse little, and by name: a lease lapses when its worker was not heard, Redis loses what it may lose (a power
cut up to a second, a failover what replication is behind, an empty restart all), and a process that was stopped answers
when it goes on.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from .stage import MAX_DELIVERIES
from .story import Run, Story, Waiter
from .works import MOST_AT_ONCE, PERIOD, STARTS

TOLERANCE: Final = 1.0
"""Seconds that an answer may be late on a busy machine; a caller that was stopped gets them from when it goes on."""
RESTART: Final = 15.0
"""Seconds until what a dead process was at starts again."""
AGAIN: Final = 5.0
"""Seconds from when Redis is back until the fleet works."""
_SUBMISSION: Final = 5.0  # seconds that a submission may take while all else is well
_ROUND: Final = 0.5  # seconds between a claim and the begin of its run, at most
_NO_LEDGER: Final = 3  # the exit code of a worker that cannot reach the ledger when it starts
_STOP: Final = 2.0  # seconds until a withdrawal has come to the ledger

#: Errors that a caller of this kind is to get, whatever happens.
_EXPECTED: Final = {"broken": "WorkFailed"}


@dataclass(frozen=True)
class Violation:
    """What was found."""

    rule: str
    at: float
    text: str


Rule = Callable[[Story], Iterator[Violation]]
RULES: dict[str, Rule] = {}


def _rule(name: str) -> Callable[[Callable[[Story], Iterator[tuple[float, str]]]], Rule]:
    def add(find: Callable[[Story], Iterator[tuple[float, str]]]) -> Rule:
        def rule(story: Story) -> Iterator[Violation]:
            for at, text in find(story):
                yield Violation(name, at, text)

        RULES[name] = rule
        return rule

    return add


def check(story: Story) -> list[Violation]:
    """All that is wrong, in the order of time."""
    return sorted((found for rule in RULES.values() for found in rule(story)), key=lambda violation: violation.at)


# Callers


@_rule("every waiter gets exactly one answer by its deadline")
def _answered(story: Story) -> Iterator[tuple[float, str]]:
    for waiter in story.waiters.values():
        killed = story.killed_at(waiter.caller)
        if waiter.refused is None and waiter.accepted == math.inf:
            if killed == math.inf and story.end > waiter.asked + _SUBMISSION:
                yield waiter.asked, f"{waiter.number} ({waiter.kind}): the submission never came back"
        elif waiter.refused is not None:
            continue
        elif len(waiter.answers) > 1:
            yield waiter.last, f"{waiter.number} ({waiter.kind}) got {len(waiter.answers)} answers"
        elif not waiter.answers:
            if min(killed, story.end) > waiter.deadline + TOLERANCE:
                yield waiter.deadline, f"{waiter.number} ({waiter.kind}) got no answer"
        elif waiter.last > waiter.deadline + TOLERANCE:
            late = waiter.last - waiter.deadline
            if not _stopped(story, waiter.caller, waiter.deadline, waiter.last):
                yield waiter.last, f"{waiter.number} ({waiter.kind}) was answered {late:.2f} s late: {waiter.what}"


def _stopped(story: Story, process: str, start: float, end: float) -> bool:
    return any(
        window.kind.startswith("pause") and process in window.harms and window.overlaps(start, end, TOLERANCE)
        for window in story.windows
    )


@_rule("a submission comes back in seconds")
def _submitted(story: Story) -> Iterator[tuple[float, str]]:
    for waiter in story.waiters.values():
        back = waiter.accepted if waiter.refused is None else waiter.refused["at"]
        late = math.isfinite(back) and back - waiter.asked > _SUBMISSION
        if late and not _stopped(story, waiter.caller, waiter.asked, back):
            yield back, f"{waiter.number} ({waiter.kind}): the submission took {back - waiter.asked:.1f} s"


@_rule("a refusal has a cause")
def _refused(story: Story) -> Iterator[tuple[float, str]]:
    for waiter in story.waiters.values():
        if waiter.refused is None:
            continue
        error, at = waiter.refused["error"], waiter.refused["at"]
        if error == "WorkRejected":
            continue
        if error == "LedgerUnavailable" and story.harmed(waiter.caller, waiter.asked, at):
            continue
        if error == "UnknownWork" and waiter.to and story.lost(waiter.asked - waiter.timeout, at):
            continue
        yield at, f"{waiter.number} ({waiter.kind}) was refused: {error}: {waiter.refused['message']}"


@_rule("an answer is the work's own, of its newest attempt")
def _right(story: Story) -> Iterator[tuple[float, str]]:
    for waiter in story.waiters.values():
        for answer in waiter.answers:
            wrong = _wrong_answer(story, waiter, answer["what"], str(answer.get("reason")), answer)
            if wrong:
                yield answer["at"], f"{waiter.number} ({waiter.kind}, {waiter.id}): {wrong}"


def _wrong_answer(story: Story, waiter: Waiter, what: str, reason: str, answer: dict[str, object]) -> str:
    runs = story.runs_of.get(waiter.id, [])
    kind = _kind_of(story, waiter)
    said = f"{what} {reason or answer.get('message', '')}"
    if what == "result":
        newest = max((run.attempt for run in runs), default=0)
        if kind in _EXPECTED or answer["work"] != answer["id"]:
            return f"the result is another's: {answer}"
        if answer["attempt"] != newest and not story.work_lost(waiter.id):
            return f"the result is of attempt {answer['attempt']}, the newest is {newest}"
        return ""
    if what == _EXPECTED.get(kind) or what == "WorkTimeout":
        return ""
    if what == "WorkCancelled":
        return "" if _may_be_cancelled(story, waiter, reason) else f"it was wanted: {said}"
    if what == "WorkLost":
        return "" if sum(run.died for run in runs) >= MAX_DELIVERIES - 1 else f"it was given up: {said}"
    if kind == "flaky" and story.work_lost(waiter.id):
        return ""  # without its record a run cannot be put back for another try: it ends with its error
    if kind == "parent" and any(story.harmed(run.process, run.began, run.end) for run in runs):
        return ""  # its own submissions were refused, or its children were lost
    return f"it should not have failed: {said}"


def _kind_of(story: Story, waiter: Waiter) -> str:
    """What was submitted: of one that has attached or joined, by whoever did."""
    first = next((each for each in story.waiters_of[waiter.id] if not each.to), waiter)
    return first.kind


def _may_be_cancelled(story: Story, waiter: Waiter, reason: str) -> bool:
    if waiter.withdrawn < math.inf or story.work_lost(waiter.id):
        return True
    if waiter.to and all(each.withdrawn < waiter.accepted for each in story.waiters_of[waiter.id] if not each.to):
        return True  # it came after all others had left
    if reason == "cancelled by an operator":
        return waiter.id in story.cancelled
    if reason == "replaced by newer work of the same key":
        return any(each.kind == "replaced" for each in story.waiters_of[waiter.id])
    # Whose pulse was not heard counts as gone.
    return reason == "caller gone" and story.harmed(waiter.caller, waiter.accepted, waiter.last)


@_rule("no wanted work is dropped")
def _dropped(story: Story) -> Iterator[tuple[float, str]]:
    for waiter in story.waiters.values():
        if waiter.what != "WorkTimeout" or waiter.kind == "hurried" or story.work_lost(waiter.id):
            continue
        runs = story.runs_of.get(waiter.id, [])
        left = waiter.deadline - waiter.accepted
        left -= story.blocked([waiter.caller, *(run.process for run in runs)], waiter.accepted, waiter.deadline)
        hits = sum(run.died or "lease lost" in run.why for run in runs)
        if left > RESTART * (1 + hits) + sum(min(run.end, waiter.deadline) - run.began for run in runs):
            who = f"{waiter.number} ({waiter.kind}, {waiter.id})"
            yield waiter.last, f"{who} had {left:.0f} s of peace and {len(runs)} runs: {waiter.answers[0]['message']}"


# Runs


@_rule("two runs of one work never overlap")
def _overlap_of_work(story: Story) -> Iterator[tuple[float, str]]:
    for runs in story.runs_of.values():
        yield from _overlaps(story, runs)


@_rule("two runs of one key never overlap")
def _overlap_of_key(story: Story) -> Iterator[tuple[float, str]]:
    keys: dict[str, list[Run]] = defaultdict(list)
    for run in story.runs:
        if run.key:
            keys[run.key].append(run)
    for runs in keys.values():
        yield from _overlaps(story, runs)


def _overlaps(story: Story, runs: list[Run]) -> Iterator[tuple[float, str]]:
    """Of runs in order: each with those before it that had not ended when it began."""
    going: list[Run] = []
    for run in runs:
        going = [older for older in going if older.end > run.began]
        for older in going:
            if story.lapsed(older, run.began) or story.lost(older.began, run.began):
                continue
            yield (
                run.began,
                f"{run.work} attempt {run.attempt} began in {run.process} while {older.work} attempt {older.attempt}"
                f" ran in {older.process} since {run.began - older.began:.2f} s",
            )
        going.append(run)


@_rule("no start after the deadline")
def _late_starts(story: Story) -> Iterator[tuple[float, str]]:
    for run in story.runs:
        first = story.waiters.get(run.number.split("/")[0] + "/" + run.number.split("/")[1])
        waiters = [*story.waiters_of.get(run.work, []), *([first] if first is not None else [])]
        deadline = max((_latest_deadline(waiter) for waiter in waiters), default=math.inf)
        if run.began > deadline + 0.1 and not story.harmed(run.process, deadline - _ROUND, run.began, 0.2):
            yield run.began, f"{run.work} ({run.kind}) attempt {run.attempt} began {run.began - deadline:.2f} s late"


def _latest_deadline(waiter: Waiter) -> float:
    """By which the ledger can have it at the latest: it counts from when it was written, at most until the reply."""
    back = waiter.accepted if waiter.refused is None else waiter.refused["at"] + 2.0
    return back + waiter.timeout if math.isfinite(back) else math.inf


@_rule("nothing is started that nobody wants")
def _unwanted(story: Story) -> Iterator[tuple[float, str]]:
    for work, waiters in story.waiters_of.items():
        gone = max(waiter.withdrawn for waiter in waiters)
        if gone == math.inf or story.work_lost(work):
            continue
        for run in story.runs_of.get(work, []):
            harmed = any(story.harmed(name, gone, run.began) for name in (run.process, *(w.caller for w in waiters)))
            if run.began > gone + _STOP and not harmed:
                yield run.began, f"{work} attempt {run.attempt} began {run.began - gone:.1f} s after it was withdrawn"


@_rule("limits are never exceeded")
def _limits(story: Story) -> Iterator[tuple[float, str]]:
    for group, runs in story.by_group():
        if group == "paced":
            yield from _pace(story, runs)
            continue
        most = MOST_AT_ONCE if group == "three_at_once" else 1
        held: list[tuple[float, Run]] = []
        for run in runs:
            held = [(until, older) for until, older in held if until > run.began]
            held.append((_permitted_until(story, run), run))
            if len(held) > most and not story.lost(run.began - 10.0, run.began):
                who = ", ".join(f"{each.work}/{each.attempt} in {each.process}" for _, each in held)
                yield run.began, f"{group}: {len(held)} at once: {who}"


def _permitted_until(story: Story, run: Run) -> float:
    newer = [each.began for each in story.runs_of[run.work] if each.attempt > run.attempt]
    return min([story.held_until(run), *newer])


def _pace(story: Story, runs: list[Run]) -> Iterator[tuple[float, str]]:
    calm = [run.began for run in runs if not story.harmed(run.process, run.began - _ROUND, run.began, 1.0)]
    for first, last in zip(calm, calm[STARTS:], strict=False):
        if last - first < PERIOD - _ROUND and not story.lost(first, last):
            yield last, f"paced: {STARTS + 1} starts in {last - first:.2f} s"


# What is left


@_rule("every accepted work ends in exactly one state")
def _one_state(story: Story) -> Iterator[tuple[float, str]]:
    for live in story.said["rest"]:
        if live["live"]:
            yield live["at"], f"works that do not end: {live['live']}"
    for id, line in story.states.items():
        if line["state"] is None:
            start, _ = story.life(id)
            if not any(window.loses_since <= story.life(id)[1] and window.over > start for window in story.windows):
                yield line["at"], f"{id} has no record"
        elif line["indexes"] != [line["state"]]:
            yield line["at"], f"{id} is {line['state']} and stands in {line['indexes']}"
        else:
            yield from _agrees(story, id, line["state"], line["at"])
    if not any(window.loses_since < math.inf for window in story.windows):
        for line in story.said["totals"]:
            ends = sum(n for name, n in line["totals"].items() if not name.startswith(("REJECTED", "works")))
            if ends != line["totals"]["works"]:
                yield line["at"], f"{line['totals']['works']} works ended {ends} times"


def _agrees(story: Story, id: str, state: str, at: float) -> Iterator[tuple[float, str]]:
    if story.work_lost(id):
        return
    for waiter in story.waiters_of[id]:
        if (waiter.what == "result") > (state == "COMPLETED"):
            yield at, f"{id} is {state}, and {waiter.number} got {waiter.what}"


@_rule("no message of ours is taken for a bad one")
def _aside(story: Story) -> Iterator[tuple[float, str]]:
    for line in story.said["aside"]:
        for message in line["messages"]:
            yield line["at"], message


@_rule("nothing ends by itself")
def _died(story: Story) -> Iterator[tuple[float, str]]:
    for line in story.said["died"]:
        # A worker that starts while Redis is away says so and ends: whoever started it starts it again.
        refused = line["code"] == _NO_LEDGER and story.harmed(line["process"], line["at"] - 3.0, line["at"])
        if not line["expected"] and not refused:
            yield line["at"], f"{line['process']} ended by itself with {line['code']}"
    for line in story.said["stopped worker"]:
        if line["code"] != 0:
            yield line["at"], f"{line['process']} was asked to end: {line['code']}"
    for line in story.said["crashed"]:
        yield line["at"], f"{line['by']}: {line['error']}"


@_rule("nothing is left behind")
def _left(story: Story) -> Iterator[tuple[float, str]]:
    for line in story.said["left"]:
        for what in ("unanswered", "threads"):
            if line[what]:
                yield line["at"], f"{line['by']}: {what}: {line[what]}"
    for line in story.said["left behind"]:
        for what in ("processes", "connections", "queues", "keys", "a day later"):
            if found := [each for each in line[what] if not each.startswith("(")]:
                yield line["at"], f"{what}: {found[:20]}"


# Recovery


@dataclass(frozen=True)
class Recovery:
    """How long it took after a fault; `seconds` without the time in which another kept it from recovering."""

    fault: int
    kind: str
    seconds: float
    what: str


def restarts(story: Story) -> Iterator[Recovery]:
    """What was running in processes that died, and ran again."""
    for runs in story.runs_of.values():
        for run in runs:
            again = min((each.began for each in runs if each.began > run.end), default=None)
            if run.died and math.isfinite(run.end) and again is not None and not story.work_lost(run.work):
                took = again - run.end - story.blocked((), run.end, again)
                window = max(
                    (each for each in story.windows if each.at <= run.end), key=lambda each: each.at, default=None
                )
                if window is not None:
                    yield Recovery(
                        window.number, window.kind, took, f"{run.work} attempt {run.attempt} in {run.process}"
                    )


def works_again(story: Story) -> Iterator[Recovery]:
    """From when Redis was back until the first run began."""
    began = [run.began for run in story.runs]
    for window in story.windows:
        if window.redis and window.over < story.end:
            first = min((at for at in began if at >= window.over), default=story.end)
            yield Recovery(window.number, window.kind, first - window.over, "the first run")


@_rule("what a dead process was at starts again within 15 s")
def _restarted(story: Story) -> Iterator[tuple[float, str]]:
    for recovery in restarts(story):
        if recovery.seconds > RESTART:
            window = story.windows[recovery.fault - 1]
            yield window.at, f"fault {recovery.fault} ({recovery.kind}): {recovery.what}: {recovery.seconds:.1f} s"


@_rule("the fleet works again within 5 s")
def _works(story: Story) -> Iterator[tuple[float, str]]:
    for recovery in works_again(story):
        if recovery.seconds > AGAIN:
            window = story.windows[recovery.fault - 1]
            yield window.over, f"fault {recovery.fault} ({recovery.kind}): {recovery.seconds:.1f} s"
