"""The Lua moves a work only as `TRANSITIONS` allows: every script is tried on a work in every state."""

from collections.abc import Callable

import pytest

from askfirst.interest.states import TRANSITIONS, Reason, State
from tests.support.lanes import Lane

Situation = Callable[[Lane], str]
Move = Callable[[Lane, str], object]


# Situations: a work in some state, wanted, unwanted or in doubt


def pending(lane: Lane) -> str:
    return lane.submit().id


def delayed(lane: Lane) -> str:
    return lane.submit(delay=5.0).id


def pending_and_overdue(lane: Lane) -> str:
    submission = lane.submit(timeout=1.0)
    lane.let_pass(1.5)
    return submission.id


def pending_without_callers(lane: Lane) -> str:
    submission = lane.submit()
    lane.let_pass(14, up=True)
    return submission.id


def pending_after_an_outage(lane: Lane) -> str:
    submission = lane.submit()
    lane.let_pass(14)
    return submission.id


def running(lane: Lane) -> str:
    return lane.running().id


def running_and_told_to_stop(lane: Lane) -> str:
    submission = lane.running()
    lane.withdraw(submission.id, submission.interest)
    return submission.id


def running_and_overdue(lane: Lane) -> str:
    submission = lane.running(timeout=1.0)
    lane.let_pass(1.5)
    return submission.id


def running_without_a_lease(lane: Lane) -> str:
    submission = lane.running()
    lane.let_pass(15, up=True, pulses=["alice"])
    return submission.id


def running_without_callers(lane: Lane) -> str:
    submission = lane.running()
    lane.let_pass(9, up=True)
    return submission.id


def completed(lane: Lane) -> str:
    return lane.ended(State.COMPLETED).id


def failed(lane: Lane) -> str:
    return lane.ended(State.FAILED).id


def cancelled(lane: Lane) -> str:
    return lane.ended(State.CANCELLED).id


def expired(lane: Lane) -> str:
    return lane.ended(State.EXPIRED).id


SITUATIONS = {
    State.PENDING: [pending, delayed, pending_and_overdue, pending_without_callers, pending_after_an_outage],
    State.RUNNING: [
        running,
        running_and_told_to_stop,
        running_and_overdue,
        running_without_a_lease,
        running_without_callers,
    ],
    State.COMPLETED: [completed],
    State.FAILED: [failed],
    State.CANCELLED: [cancelled],
    State.EXPIRED: [expired],
}


# Moves: every script, in the ways it is used


def finishing(state: State, attempt: int = 1, reason: str = "") -> Move:
    def finish(lane: Lane, id: str) -> object:
        return lane.finish(lane.submission(id=id), attempt=attempt, state=state, reason=reason)

    finish.__name__ = f"finish {state} attempt {attempt}"
    return finish


def ask(lane: Lane, id: str) -> object:
    return lane.ask(id)


def submit_again(lane: Lane, id: str) -> object:
    return lane.submit(id=id)


def adopt(lane: Lane, id: str) -> None:
    lane.ledger.adopt(lane.submission(id=id), lane.now() + 60_000)


def attach(lane: Lane, id: str) -> object:
    return lane.ledger.attach(id, lane.interest("bob"), 5.0)


def withdraw(lane: Lane, id: str) -> None:
    lane.withdraw(id, "a:alice:1")


def withdraw_something_else(lane: Lane, id: str) -> None:
    lane.withdraw(id, "a:mallory:1")


def cancel(lane: Lane, id: str) -> object:
    return lane.ledger.cancel(id, Reason.CANCELLED)


def kill(lane: Lane, id: str) -> object:
    return lane.ledger.cancel(id, Reason.CANCELLED, kill=True)


def cancel_unstarted(lane: Lane, id: str) -> object:
    return lane.ledger.cancel_unstarted(id, Reason.WITHDRAWN)


def fail_as_unknown_type(lane: Lane, id: str) -> object:
    return lane.ledger.cancel(id, Reason.UNKNOWN_TYPE, state=State.FAILED, failure='{"type":"U","message":"m"}')


def beat(lane: Lane, id: str) -> object:
    return lane.beat((id, 1))


def beat_for_another_attempt(lane: Lane, id: str) -> object:
    return lane.beat((id, 9))


def pulse(lane: Lane, id: str) -> None:
    lane.pulse("alice")


def progress(lane: Lane, id: str) -> object:
    return lane.progress(id, 1, '{"done":1}')


def retry(lane: Lane, id: str) -> object:
    return lane.retry(id, 1, 0.5, "{}")


def release(lane: Lane, id: str) -> None:
    lane.release(id, 1, lost=False)


def release_as_lost(lane: Lane, id: str) -> None:
    lane.release(id, 1, lost=True)


def release_as_lost_too_often(lane: Lane, id: str) -> None:
    if lane.redis.exists(lane.keys.work(id)):
        lane.redis.hset(lane.keys.work(id), "losses", 99)
    lane.release(id, 1, lost=True)


def tend(lane: Lane, id: str) -> object:
    return lane.tend()


def forget(lane: Lane, id: str) -> object:
    return lane.ledger.forget(lane.name, [id], 0.0)


MOVES: list[Move] = [
    ask, submit_again, adopt, attach, withdraw, withdraw_something_else, cancel, kill, cancel_unstarted,
    fail_as_unknown_type, beat, beat_for_another_attempt, pulse, progress, retry, release, release_as_lost,
    release_as_lost_too_often, tend, forget,
    *(finishing(state) for state in State if state.ended),
    *(finishing(state, attempt=2) for state in State if state.ended),
]  # fmt: skip


@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.__name__.replace("_", " "))
@pytest.mark.parametrize(
    ("state", "situation"),
    [(state, situation) for state, situations in SITUATIONS.items() for situation in situations],
    ids=lambda value: value.__name__.replace("_", " ") if callable(value) else str(value),
)
def test_a_work_moves_only_as_the_table_allows(lane: Lane, state: State, situation: Situation, move: Move) -> None:
    id = situation(lane)
    assert lane.state(id) is state
    move(lane, id)
    after = lane.state(id)
    if after is None:
        assert state.ended
        assert move is forget
    else:
        assert after is state or after in TRANSITIONS[state]


#: One way to make each move of the table: where from, by what, where to.
WAYS: list[tuple[Situation, Move, State]] = [
    (pending, ask, State.RUNNING),
    (pending, withdraw, State.CANCELLED),
    (pending, cancel, State.CANCELLED),
    (pending_without_callers, ask, State.CANCELLED),
    (pending_without_callers, tend, State.CANCELLED),
    (pending_and_overdue, ask, State.EXPIRED),
    (pending_and_overdue, tend, State.EXPIRED),
    (pending, fail_as_unknown_type, State.FAILED),
    (running, finishing(State.COMPLETED), State.COMPLETED),
    (running, finishing(State.FAILED), State.FAILED),
    (running, finishing(State.CANCELLED, reason=Reason.CANCELLED), State.CANCELLED),
    (running_and_overdue, finishing(State.EXPIRED, reason=Reason.DEADLINE_PASSED), State.EXPIRED),
    (running_and_told_to_stop, finishing(State.COMPLETED), State.CANCELLED),
    (running_and_told_to_stop, release, State.CANCELLED),
    (running, retry, State.PENDING),
    (running, release, State.PENDING),
    (running, release_as_lost, State.PENDING),
    (running, release_as_lost_too_often, State.FAILED),
    (running_without_a_lease, tend, State.PENDING),
    (running_without_a_lease, ask, State.PENDING),
    (running_and_overdue, release, State.EXPIRED),
    (running_without_callers, release, State.CANCELLED),
]


@pytest.mark.parametrize(
    ("situation", "move", "after"),
    WAYS,
    ids=[f"{situation.__name__} - {move.__name__} - {after}".replace("_", " ") for situation, move, after in WAYS],
)
def test_every_move_of_the_table_has_a_way(lane: Lane, situation: Situation, move: Move, after: State) -> None:
    id = situation(lane)
    before = lane.state(id)
    move(lane, id)
    assert lane.state(id) is after
    assert before is not None
    assert after in TRANSITIONS[before]


def test_the_ways_tried_above_are_all_that_the_table_has() -> None:
    states: dict[Situation, State] = {each: state for state, situations in SITUATIONS.items() for each in situations}
    assert {(states[situation], after) for situation, _, after in WAYS} == {
        (before, after) for before, moves in TRANSITIONS.items() for after in moves
    }


@pytest.mark.parametrize("state", list(State))
def test_a_work_is_listed_under_the_state_it_is_in_and_no_other(lane: Lane, state: State) -> None:
    id = lane.ended(state).id if state.ended else (lane.submit() if state is State.PENDING else lane.running()).id
    assert [each for each in State if lane.ledger.ids(lane.name, each, 0, 10) == [id]] == [state]


@pytest.mark.parametrize("state", list(State))
def test_a_state_has_ended_when_nothing_follows_it(state: State) -> None:
    assert state.ended == (state not in (State.PENDING, State.RUNNING))
