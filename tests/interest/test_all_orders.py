"""Every order in which two callers, two workers, the caretaker and the passing of a lease can come to two works."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from askfirst.interest.records import Claim, Submission
from askfirst.interest.states import State, Verdict
from tests.support.orders import Known, Programs, Step, Walk
from tests.support.paired import Pair
from tests.support.settling import settle
from tests.support.virtual import VirtualLane

CALLERS = ["alice", "bob"]


def _submitted(number: int) -> Callable[[Known], bool]:
    return lambda known: number in known.works


def submit(number: int, **fields: Any) -> Step:
    def act(pair: Pair, known: Known, caller: str) -> None:
        id = f"{pair.lane.name}.{number:032x}"
        new = pair.lane.submission(caller, id=id, interest=f"a:{caller}:{number}", **{"retention": 20.0} | fields)
        known.works[number] = dataclasses.replace(new, id=pair.submit(new))

    return Step(f"submit {number}", act)


def withdraw(number: int) -> Step:
    def act(pair: Pair, known: Known, caller: str) -> None:
        work = known.works[number]
        pair.withdraw(Claim(work.id, work.interest, work.name, work.key))

    return Step(f"withdraw {number}", act)


def ask(number: int) -> Step:
    def act(pair: Pair, known: Known, worker: str) -> None:
        # The nonce says the attempt that it is for, so that orders that come to the same are the same.
        work = known.works[number]
        attempt = pair.model.works[work.id].attempt if work.id in pair.model.works else 0
        pair.lane.hear(work.id)
        said = pair.ask(work.id, worker, f"{worker}-{attempt}")
        if said is not None and said.verdict is Verdict.RUN:
            known.fences[worker, number] = said.fence

    return Step(f"ask for {number}", act, _submitted(number))


def of_a_run(name: str, number: int, act: Callable[[Pair, Submission, str], None]) -> Step:
    """What a worker does with its run; nothing if it has none."""

    def with_fence(pair: Pair, known: Known, worker: str) -> None:
        if fence := known.fences.get((worker, number)):
            act(pair, known.works[number], fence)

    return Step(f"{name} {number}", with_fence, _submitted(number))


def finish(number: int, state: State = State.COMPLETED) -> Step:
    return of_a_run("finish", number, lambda pair, work, fence: pair.finish(work, fence, state))


def retry(number: int, delay: float) -> Step:
    return of_a_run("retry", number, lambda pair, work, fence: pair.retry(work.id, fence, delay))


def lose(number: int) -> Step:
    return of_a_run("lose", number, lambda pair, work, fence: pair.release(work.id, fence, lost=True))


def put_back(number: int) -> Step:
    return of_a_run("put back", number, lambda pair, work, fence: pair.release(work.id, fence, lost=False))


def renew(number: int) -> Step:
    def act(pair: Pair, work: Submission, fence: str) -> None:
        pair.beat("w1", [(work.id, fence)])

    return of_a_run("renew", number, act)


def cancel(number: int) -> Step:
    return Step(f"cancel {number}", lambda pair, known, _: pair.cancel(known.works[number].id), _submitted(number))


def _tend(pair: Pair, known: Known, _: str) -> None:
    pair.tend(idle=True)


def _lapse(pair: Pair, known: Known, _: str) -> None:
    """More than a lease, in which the callers are heard and no worker is."""
    for _ in range(5):
        pair.pass_time(2.5)
        for caller in CALLERS:
            pair.pulse(caller)


def _sweep(pair: Pair, known: Known, _: str) -> None:
    pair.sweep()


def _outage(pair: Pair, known: Known, _: str) -> None:
    """As long, in which nobody is heard: the ledger was away."""
    pair.pass_time(12.5)


TEND, SWEEP = Step("look after all", _tend), Step("sweep", _sweep)
LAPSE, OUTAGE = Step("a lease passes", _lapse), Step("the ledger is away", _outage)

#: The callers submit 1 and 2, which are two works, or by their key one work, or the second replaces the first.
SCENARIOS: dict[str, Programs] = {
    "a work each": {
        "alice": [submit(1)],
        "bob": [submit(2)],
        "w1": [ask(1), finish(1)],
        "w2": [ask(1)],
        "time": [LAPSE],
        "caretaker": [TEND],
    },
    "one work joined": {
        "alice": [submit(1, key="k"), withdraw(1)],
        "bob": [submit(2, key="k"), withdraw(2)],
        "w1": [ask(1), finish(1)],
        "w2": [ask(2), finish(2)],
        "operator": [cancel(1)],
    },
    "one replaced by the other": {
        "alice": [submit(1, key="k")],
        "bob": [submit(2, key="k", on_duplicate="replace"), withdraw(2)],
        "w1": [ask(1), renew(1), finish(1)],
        "w2": [ask(2), finish(2)],
        "caretaker": [TEND],
    },
    "only one at a time": {
        "alice": [submit(1, name="one"), withdraw(1)],
        "bob": [submit(2, name="one")],
        "w1": [ask(1), finish(1)],
        "w2": [ask(2), retry(2, 1.0)],
        "caretaker": [TEND],
        "sweeper": [SWEEP],
    },
    "tried again and lost": {
        "alice": [submit(1)],
        "bob": [submit(2)],
        "w1": [ask(1), retry(1, 0.0), retry(1, 0.0), finish(1)],
        "w2": [ask(1), lose(1), lose(1), renew(1), ask(2), put_back(2)],
    },
    "an outage": {
        "alice": [submit(1)],
        "bob": [submit(2)],
        "w1": [ask(1), finish(1)],
        "w2": [ask(1), ask(2)],
        "time": [OUTAGE],
        "caretaker": [TEND],
    },
    "past the deadline": {
        "alice": [submit(1, timeout=5.0)],
        "bob": [submit(2, timeout=12.5)],
        "w1": [ask(1), finish(1)],
        "w2": [ask(2)],
        "time": [LAPSE],
        "sweeper": [SWEEP],
    },
}

#: The same with more steps: some minutes.
LONGER: dict[str, Programs] = {
    "a work each": SCENARIOS["a work each"]
    | {
        "alice": [submit(1), withdraw(1)],
        "w2": [ask(2), finish(2), ask(1)],
    },
    "one work joined": SCENARIOS["one work joined"] | {"time": [LAPSE], "caretaker": [TEND]},
    "one replaced by the other": SCENARIOS["one replaced by the other"]
    | {
        "alice": [submit(1, key="k"), withdraw(1)],
        "w2": [ask(1), ask(2), finish(2)],
        "time": [LAPSE],
    },
    "only one at a time": SCENARIOS["only one at a time"]
    | {
        "w2": [ask(2), retry(2, 1.0), ask(1), lose(1)],
        "time": [LAPSE],
    },
    "tried again and lost": SCENARIOS["tried again and lost"] | {"time": [LAPSE], "caretaker": [TEND]},
    "past the deadline": SCENARIOS["past the deadline"]
    | {
        "bob": [submit(2, timeout=20.0), withdraw(2)],
        "w1": [ask(1), renew(1), finish(1)],
        "w2": [ask(2), finish(2)],
        "caretaker": [TEND],
    },
}


def walk_through(lane: VirtualLane, programs: Programs, settled: int) -> str:
    """All orders, and from every so many of their ends on until nothing is left."""
    pair = Pair(lane)
    pair.set_limit("one", 1)
    walk = Walk(pair, programs, Known())
    walked = walk.everywhere()
    for end in walked.ends[::settled]:
        walk.go_to(end)
        settle(pair, CALLERS)
    return f"{walked.orders:,} orders, {walked.states:,} states, {walked.steps:,} steps, {len(walked.ends):,} ends"


@pytest.mark.parametrize("name", SCENARIOS)
def test_in_every_order(virtual_lane: VirtualLane, name: str) -> None:
    print(walk_through(virtual_lane, SCENARIOS[name], settled=10))


@pytest.mark.slow
@pytest.mark.parametrize("name", LONGER)
def test_in_every_longer_order(virtual_lane: VirtualLane, name: str) -> None:
    print(walk_through(virtual_lane, LONGER[name], settled=1))
