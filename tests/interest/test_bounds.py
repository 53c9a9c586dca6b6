"""No call holds Redis for more than 5 ms, with a thousand interests in one work or in a thousand works."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from askfirst.config import Settings
from askfirst.interest.states import Reason
from tests.support.lanes import Lane

#: Measured, if in Redis's own processor time: a busy machine's caches are enough to disturb it.
pytestmark = pytest.mark.slow

Thing = TypeVar("Thing")

LIMIT = 5.0  # ms


def a_thousand_works(lane: Lane) -> list[str]:
    return [lane.submit(f"caller{n}").id for n in range(1000)]


def one_work_of_a_thousand(lane: Lane) -> str:
    return {lane.submit(f"caller{n}", key="k").id for n in range(1000)}.pop()


def long_call(lane: Lane, prepare: Callable[[Lane], Thing], act: Callable[[Lane, Thing], object]) -> float:
    """The processor time of a long call (ms): three quarters of a round's are shorter; the best of up to three rounds.

    Redis tells it itself. The time by the clock would be that of a busy machine, where others have the processor too.
    """
    rounds: list[float] = []
    batch = lane.ledger.line.batch

    def measured(*arguments: Any, **options: Any) -> Any:
        before = processor_time(lane.redis)
        replies = batch(*arguments, **options)
        took.append(processor_time(lane.redis) - before)
        return replies

    for _ in range(3):
        lane.redis.flushdb()
        thing = prepare(lane)
        took: list[float] = []
        lane.ledger.line.batch = measured  # type: ignore[method-assign]  # for the moment
        try:
            act(lane, thing)
        finally:
            lane.ledger.line.batch = batch  # type: ignore[method-assign]
        rounds.append(sorted(took)[len(took) * 3 // 4])
        if rounds[-1] < LIMIT:
            break
    return rounds[-1]


def processor_time(redis: Any) -> float:
    """What Redis has used so far, in ms."""
    used = redis.info("cpu")
    return 1000 * float(used["used_cpu_user_main_thread"] + used["used_cpu_sys_main_thread"])


def finish(lane: Lane, id: str) -> None:
    lane.ask(id)
    lane.finish(lane.submission(id=id))


def cancel(lane: Lane, id: str) -> None:
    lane.ledger.cancel(id, Reason.CANCELLED)


def all_callers_gone(lane: Lane, id: str) -> None:
    lane.redis.delete(lane.keys.pulse)
    lane.redis.hset(lane.keys.evidence, mapping={"last": lane.now(), "since": 0})
    lane.ask(id)


def all_callers_in_doubt(lane: Lane, id: str) -> None:
    lane.redis.delete(lane.keys.pulse)
    lane.ask(id)


def beat(lane: Lane, id: str) -> None:
    lane.ask(id)
    lane.redis.delete(lane.keys.pulse)
    lane.beat((id, 1))


def join_and_withdraw(lane: Lane, id: str) -> None:
    submission = lane.submit("bob", key="k")
    lane.withdraw(id, submission.interest)


@pytest.mark.parametrize("act", [finish, cancel, all_callers_gone, all_callers_in_doubt, beat, join_and_withdraw])
def test_a_work_of_a_thousand_callers_holds_nobody_up(lane: Lane, act: Callable[[Lane, str], None]) -> None:
    assert long_call(lane, one_work_of_a_thousand, act) < LIMIT


def due(lane: Lane) -> list[str]:
    ids = a_thousand_works(lane)
    lane.redis.zadd(lane.keys.index("PENDING"), dict.fromkeys(ids, 1))
    return ids


def overdue(lane: Lane) -> list[str]:
    ids = a_thousand_works(lane)
    lane.let_pass(61)
    return ids


def running(lane: Lane) -> list[str]:
    ids = a_thousand_works(lane)
    for id in ids:
        lane.ask(id)
    return ids


def without_leases(lane: Lane) -> list[str]:
    ids = running(lane)
    lane.redis.zadd(lane.keys.index("RUNNING"), dict.fromkeys(ids, 1))
    lane.redis.hset(lane.keys.evidence, mapping={"last": lane.now(), "since": 0})
    return ids


def ended(lane: Lane) -> list[str]:
    ids = a_thousand_works(lane)
    for id in ids:
        lane.ledger.cancel(id, Reason.CANCELLED)
    return ids


def tend(lane: Lane, ids: list[str]) -> None:
    while lane.tend(idle=True) == 0:
        pass


def ask_for_all(lane: Lane, ids: list[str]) -> None:
    while message := lane.redis.rpop(lane.keys.queue):
        lane.ask(json.loads(message)["properties"]["correlation_id"])


def beat_for_two_hundred(lane: Lane, ids: list[str]) -> None:
    lane.beat(*((id, 1) for id in ids[:200]))


def forget_a_page(lane: Lane, ids: list[str]) -> None:
    assert lane.ledger.forget("default", ids[:200], 0) == 200


@pytest.mark.parametrize(
    ("prepare", "act"),
    [
        (due, tend),
        (overdue, tend),
        (without_leases, tend),
        (overdue, ask_for_all),
        (running, beat_for_two_hundred),
        (ended, forget_a_page),
    ],
)
def test_a_thousand_works_hold_nobody_up(
    lane: Lane, prepare: Callable[[Lane], list[str]], act: Callable[[Lane, list[str]], None]
) -> None:
    assert long_call(lane, prepare, act) < LIMIT


def test_the_largest_payload_holds_nobody_up(lane: Lane) -> None:
    text = "x" * Settings().max_payload
    letter = '"task":"t"},"content-type":"application/json","content-encoding":"utf-8","body":"' + text + '"}'
    assert long_call(lane, lambda lane: lane.submission(letter=letter), lambda lane, it: lane.ledger.submit(it)) < LIMIT
