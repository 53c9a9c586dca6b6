"""Whatever callers, workers, caretakers and operators do in whatever order: the ledger does what its model says."""

import dataclasses
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from askfirst.interest.records import Claim, Submission
from askfirst.interest.states import Reason, State, Verdict
from tests.support.paired import Pair
from tests.support.settling import settle
from tests.support.virtual import VirtualLane

CALLERS = ["alice", "bob"]
WORKERS = ["w1", "w2"]
NAMES = ["t", "t", "one"]  # `one` is limited
ENDS = [State.COMPLETED, State.COMPLETED, State.FAILED, State.CANCELLED]

Run = tuple[Submission, str]


class AnyOrder(RuleBasedStateMachine):
    """Works as they were submitted, and runs by their claims: also those that lost them long ago."""

    works = Bundle("works")
    runs = Bundle("runs")

    def __init__(self, lane: VirtualLane) -> None:
        super().__init__()
        self.lane = lane
        lane.begin()
        self.pair = Pair(lane)
        self.nonces = 0
        self.deadlines: dict[str, int] = {}  # as the first message of each work says it

    @initialize()
    def an_empty_ledger(self) -> None:
        self.pair.set_limit("one", 1)

    # Callers

    @rule(
        target=works,
        caller=st.sampled_from(CALLERS),
        name=st.sampled_from(NAMES),
        key=st.sampled_from(["", "", "k"]),
        policy=st.sampled_from(["join", "reject", "replace"]),
        timeout=st.sampled_from([2.0, 30.0, 300.0]),
        delay=st.sampled_from([0.0, 0.0, 1.5]),
        detached=st.booleans(),
    )
    def submit(self, caller: str, detached: bool, policy: str, **fields: Any) -> Submission:
        new = self.lane.submission(caller, detached=detached, on_duplicate=policy, retention=20.0, **fields)
        id = self.pair.submit(new)
        self.deadlines.setdefault(id, self.pair.model.now + round(new.timeout * 1000))
        return dataclasses.replace(new, id=id)

    @rule(work=works)
    def submit_the_same_again(self, work: Submission) -> None:
        self.pair.submit(work)

    @rule(work=works, caller=st.sampled_from(CALLERS), timeout=st.sampled_from([None, 5.0, 60.0]))
    def attach(self, work: Submission, caller: str, timeout: float | None) -> None:
        self.pair.attach(work.id, self.lane.interest(caller), timeout)

    @rule(work=works)
    def withdraw(self, work: Submission) -> None:
        self.pair.withdraw(Claim(work.id, work.interest, work.name, work.key))

    @rule(caller=st.sampled_from(CALLERS))
    def pulse(self, caller: str) -> None:
        self.pair.pulse(caller)

    # Workers

    @rule(target=runs, work=works, worker=st.sampled_from(WORKERS))
    def ask(self, work: Submission, worker: str) -> Any:
        """By any message, late or doubled; a record that was lost is written anew."""
        deadline = self.deadlines[work.id]
        self.nonces += 1
        answer = self.pair.ask(work.id, worker, f"n{self.nonces}", deadline)
        if answer is None:
            self.pair.adopt(work, deadline)
            answer = self.pair.ask(work.id, worker, f"n{self.nonces}", deadline)
        if answer is None or answer.verdict is not Verdict.RUN:
            return multiple()
        return work, answer.fence

    @rule(run=runs, worker=st.sampled_from(WORKERS))
    def ask_again_after_a_lost_reply(self, run: Run, worker: str) -> None:
        work = self.pair.model.works.get(run[0].id)
        if work is not None and work.fence == run[1]:
            self.pair.ask(run[0].id, worker, run[1].partition(":")[2])

    @rule(run=runs, state=st.sampled_from(ENDS))
    def finish(self, run: Run, state: State) -> None:
        self.pair.finish(*run, state, Reason.WITHDRAWN if state is State.CANCELLED else "")

    @rule(run=runs)
    def finish_at_the_deadline_that_the_run_knows(self, run: Run) -> None:
        self.pair.finish(*run, State.EXPIRED, Reason.DEADLINE_PASSED)

    @rule(run=runs, lost=st.booleans())
    def release(self, run: Run, lost: bool) -> None:
        self.pair.release(run[0].id, run[1], lost=lost)

    @rule(run=runs, delay=st.sampled_from([0.0, 0.5, 4.0]))
    def retry(self, run: Run, delay: float) -> None:
        self.pair.retry(run[0].id, run[1], delay)

    @rule(run=runs)
    def progress(self, run: Run) -> None:
        self.pair.progress(run[0].id, run[1])

    @rule(worker=st.sampled_from(WORKERS), some=st.lists(runs, max_size=3, unique=True))
    def beat(self, worker: str, some: list[Run]) -> None:
        self.pair.beat(worker, [(work.id, fence) for work, fence in some])

    @rule(worker=st.sampled_from(WORKERS))
    def leave(self, worker: str) -> None:
        self.pair.leave(worker)

    @rule(idle=st.booleans())
    def tend(self, idle: bool) -> None:
        self.pair.tend(idle=idle)

    @rule()
    def sweep(self) -> None:
        self.pair.sweep()

    @rule(work=works)
    def offer(self, work: Submission) -> None:
        self.pair.offer([work.id])

    @rule()
    def lose_a_message(self) -> None:
        self.pair.take()

    # Operators, accidents and time

    @rule(work=works, unknown_type=st.booleans())
    def cancel(self, work: Submission, unknown_type: bool) -> None:
        self.pair.cancel(work.id, unknown_type=unknown_type)

    @rule(most=st.sampled_from([None, 1, 2]))
    def limit(self, most: int | None) -> None:
        self.pair.set_limit("one", most)

    @rule(work=works, older_than=st.sampled_from([0.0, 5.0]))
    def forget(self, work: Submission, older_than: float) -> None:
        self.pair.forget(work.id, older_than)

    @rule(work=works)
    def lose_a_record(self, work: Submission) -> None:
        if work.id in self.pair.model.works and work.name == "t" and not work.key:
            self.pair.lose(work.id)

    @rule(
        seconds=st.sampled_from([0.5, 2.0, 7.0, 12.0]),
        heard=st.sampled_from(["nobody", "worker", "worker", "alice", "all"]),
    )
    def time_passes(self, seconds: float, heard: str) -> None:
        while seconds > 0:
            step = min(seconds, 2.5) if heard != "nobody" else seconds
            seconds -= step
            self.pair.pass_time(step)
            if heard in ("worker", "all"):
                self.pair.beat("w3")
            for caller in CALLERS if heard == "all" else [heard] if heard == "alice" else []:
                self.pair.pulse(caller)

    @invariant()
    def they_agree(self) -> None:
        self.pair.check()

    def teardown(self) -> None:
        settle(self.pair, CALLERS)


@pytest.mark.parametrize("examples", [40, pytest.param(2000, marks=pytest.mark.slow)])
def test_whatever_comes_in_whatever_order(virtual_lane: VirtualLane, examples: int) -> None:
    long = settings(
        max_examples=examples,
        stateful_step_count=40,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: AnyOrder(virtual_lane), settings=long)  # type: ignore[arg-type]  # any factory will do
