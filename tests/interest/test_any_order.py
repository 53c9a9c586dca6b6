"""Whatever callers, workers and caretakers do in whatever order: what always holds."""

import secrets

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from askfirst.interest.records import Submission
from askfirst.interest.states import TRANSITIONS, Reason, State, Verdict
from tests.support.lanes import Lane

CALLERS = ["alice", "bob"]
KEYS = ["", "", "k"]


class AnyOrder(RuleBasedStateMachine):
    """Works by their id: the state last seen, and the attempts that may still be running somewhere."""

    works = Bundle("works")

    def __init__(self, lane: Lane) -> None:
        super().__init__()
        self.lane = lane
        self.states: dict[str, State] = {}
        self.runs: dict[str, int] = {}
        self.leases: dict[str, float] = {}
        self.clock = 0.0

    @initialize()
    def an_empty_ledger(self) -> None:
        self.lane.redis.flushdb()

    # Callers

    @rule(
        target=works,
        caller=st.sampled_from(CALLERS),
        key=st.sampled_from(KEYS),
        policy=st.sampled_from(["join", "reject", "replace"]),
        timeout=st.sampled_from([2.0, 30.0, 300.0]),
        delay=st.sampled_from([0.0, 0.0, 1.5]),
        detached=st.booleans(),
    )
    def submit(self, caller: str, key: str, policy: str, timeout: float, delay: float, detached: bool) -> Submission:
        return self.lane.submit(
            caller, key=key, on_duplicate=policy, timeout=timeout, delay=delay, detached=detached, retention=3600.0
        )

    @rule(work=works)
    def submit_the_same_again(self, work: Submission) -> None:
        self.lane.ledger.submit(work)

    @rule(work=works, caller=st.sampled_from(CALLERS))
    def attach(self, work: Submission, caller: str) -> None:
        self.lane.ledger.attach(work.id, self.lane.interest(caller), 30.0)

    @rule(work=works)
    def withdraw(self, work: Submission) -> None:
        self.lane.withdraw(work.id, work.interest)

    # Workers

    @rule(work=works, worker=st.sampled_from(["w1", "w2"]))
    def ask(self, work: Submission, worker: str) -> None:
        nonce = secrets.token_hex(4)
        answer = self.lane.ask(work.id, worker=worker, nonce=nonce)
        assert answer is not None
        if answer.verdict is Verdict.RUN:
            lease_end = self.leases.get(work.id, 0.0)
            assert work.id not in self.runs or lease_end <= self.clock, "two runs at once"
            assert answer.attempt > self.runs.get(work.id, 0)
            again = self.lane.ask(work.id, worker=worker, nonce=nonce)
            assert again is not None
            assert again.attempt == answer.attempt
            self.runs[work.id], self.leases[work.id] = answer.attempt, self.clock + 10

    @rule(work=works, state=st.sampled_from([state for state in State if state.ended]), stale=st.booleans())
    def finish(self, work: Submission, state: State, stale: bool) -> None:
        attempt = self.runs.get(work.id, 0) - stale
        outcome = self.lane.finish(work, attempt=attempt, state=state)
        if outcome is not None:
            assert not stale
            assert outcome.state.ended
            self.runs.pop(work.id, None)

    @rule(work=works, lost=st.booleans())
    def release(self, work: Submission, lost: bool) -> None:
        self.lane.release(work.id, self.runs.get(work.id, 0), lost=lost)
        self._over_unless_running(work.id)

    @rule(work=works)
    def retry(self, work: Submission) -> None:
        self.lane.retry(work.id, self.runs.get(work.id, 0), 0.5, "{}")
        self._over_unless_running(work.id)

    @rule()
    def beat(self) -> None:
        for id, stop in self.lane.beat(*self.runs.items()).items():
            if not stop:
                self.leases[id] = self.clock + 10

    @rule(idle=st.booleans())
    def tend(self, idle: bool) -> None:
        self.lane.tend(idle=idle)

    # Operators and time

    @rule(work=works)
    def cancel(self, work: Submission) -> None:
        self.lane.ledger.cancel(work.id, Reason.CANCELLED)

    @rule(
        seconds=st.sampled_from([0.5, 2.0, 7.0, 12.0]),
        up=st.booleans(),
        pulses=st.sampled_from([[], ["alice"], ["alice", "bob"]]),
    )
    def time_passes(self, seconds: float, up: bool, pulses: list[str]) -> None:
        self.lane.let_pass(seconds, up=up, pulses=pulses)
        self.clock += seconds

    # What always holds

    @invariant()
    def all_is_in_order(self) -> None:
        self._every_move_was_in_the_table()
        self._every_work_is_in_the_one_index_of_its_state()
        self._ended_work_has_no_interests_and_live_work_has_a_letter()
        self._nothing_but_the_permanent_lasts_for_ever()

    def _every_move_was_in_the_table(self) -> None:
        for key in self.lane.redis.scan_iter(match=self.lane.keys.work("*"), count=1000):
            id = key.removeprefix(self.lane.keys.work(""))
            now = self.lane.state(id)
            assert now is not None
            before = self.states.get(id, State.PENDING)
            # Two moves can lie between two looks: put back and dropped, dropped after a lapse.
            reachable = {before, *TRANSITIONS[before]} | {
                two for one in TRANSITIONS[before] for two in TRANSITIONS[one]
            }
            assert now in reachable
            self.states[id] = now

    def _every_work_is_in_the_one_index_of_its_state(self) -> None:
        listed = [(id, state) for state in State for id in self.lane.ledger.ids("default", state, 0, 1000)]
        assert sorted(listed) == sorted(self.states.items())

    def _ended_work_has_no_interests_and_live_work_has_a_letter(self) -> None:
        for id, state in self.states.items():
            assert not (state.ended and self.lane.redis.exists(self.lane.keys.interests(id)))
            assert state.ended or self.lane.redis.get(self.lane.keys.letter(id))

    def _nothing_but_the_permanent_lasts_for_ever(self) -> None:
        for kind in ("work", "interests", "tombstone", "key", "mail"):
            for key in self.lane.redis.scan_iter(match=f"{self.lane.keys.base}:{kind}:*", count=1000):
                assert self.lane.redis.pttl(key) > 0, key

    def _over_unless_running(self, id: str) -> None:
        if self.lane.state(id) is not State.RUNNING:
            self.runs.pop(id, None)


def test_whatever_comes_in_whatever_order(lane: Lane) -> None:
    long = settings(
        max_examples=25,
        stateful_step_count=30,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: AnyOrder(lane), settings=long)  # type: ignore[arg-type]  # any factory will do
