"""No call holds Redis up for long, with a thousand interests in one work or in a thousand works: its steps are counted.

Redis takes some half a microsecond for a step, so that the limit stands for less than 5 ms.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from askfirst.config import Settings
from askfirst.interest.limits import Declaration, Limit, declare, set_limit
from askfirst.interest.records import Swept
from askfirst.interest.states import Reason, Verdict
from tests.support.counting import counted
from tests.support.lanes import Lane

Thing = TypeVar("Thing")
Prepare = Callable[[Lane, int], Thing]
Act = Callable[[Lane, Thing], object]

LIMIT = 8000  # steps


@pytest.fixture
def longest(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> Callable[[Prepare[Any], Act[Any], int], int]:
    """The steps of the longest call of an act, with so many interests or works."""

    def measure(prepare: Prepare[Any], act: Act[Any], many: int) -> int:
        lane.redis.flushdb()
        thing = prepare(lane, many)
        with counted(lane.ledger, lane.redis, monkeypatch) as cost:
            act(lane, thing)
        assert max(cost.steps) > 10, "nothing was counted"
        return max(cost.steps)

    return measure


def wanted_by_many(lane: Lane, many: int) -> str:
    return {lane.submit(f"caller{n}", key="k").id for n in range(many)}.pop()


def finish(lane: Lane, id: str) -> None:
    lane.ask(id)
    lane.finish(lane.submission(id=id))


def cancel(lane: Lane, id: str) -> None:
    lane.ledger.cancel(id, Reason.CANCELLED)


def join_and_withdraw(lane: Lane, id: str) -> None:
    submission = lane.submit("bob", key="k")
    lane.withdraw(id, submission.interest)


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


def many_works(lane: Lane, many: int) -> list[str]:
    return [lane.submit(f"caller{n}").id for n in range(many)]


def due(lane: Lane, many: int) -> list[str]:
    ids = many_works(lane, many)
    lane.redis.zadd(lane.keys.index("PENDING"), dict.fromkeys(ids, 1))
    return ids


def overdue(lane: Lane, many: int) -> list[str]:
    ids = many_works(lane, many)
    lane.let_pass(61)
    return ids


def running(lane: Lane, many: int) -> list[str]:
    ids = many_works(lane, many)
    for id in ids:
        lane.ask(id)
    return ids


def without_leases(lane: Lane, many: int) -> list[str]:
    ids = running(lane, many)
    lane.redis.zadd(lane.keys.index("RUNNING"), dict.fromkeys(ids, 1))
    lane.redis.hset(lane.keys.evidence, mapping={"last": lane.now(), "since": 0})
    return ids


def held(lane: Lane, many: int) -> list[str]:
    """Ten in each partition, and all of a sudden there is room."""
    declare(lane.ledger, lane.name, {"t": Declaration(Limit(max_concurrent=1))}, None)
    ids = [lane.submit(partition=f"p{n // 10}").id for n in range(many)]
    for id in ids:
        lane.verdict(id)
    lane.messages()
    set_limit(lane.ledger, lane.name, "t", None, Limit())
    return ids


def held_apart(lane: Lane, many: int) -> list[str]:
    """One in each partition, behind one that runs."""
    declare(lane.ledger, lane.name, {"t": Declaration(Limit(max_concurrent=1))}, None)
    ids = [lane.submit(partition=f"p{n // 2}").id for n in range(2 * many)]
    for id in ids:
        lane.verdict(id)
    lane.messages()
    return ids


def held_too_long(lane: Lane, many: int) -> list[str]:
    """All in one line, and none but the last can be done in time."""
    declare(lane.ledger, lane.name, {"t": Declaration(Limit(max_concurrent=1), expected=600.0)}, None)
    ids = [lane.submit(timeout=timeout).id for timeout in (6000, *[500] * many, 6000)]
    for id in ids:
        lane.verdict(id)
    lane.messages()
    return ids


def change_limit(lane: Lane, ids: list[str]) -> None:
    set_limit(lane.ledger, lane.name, "t", None, Limit(max_concurrent=10))


def finish_the_first_and_tend(lane: Lane, ids: list[str]) -> None:
    lane.finish(lane.submission(id=ids[0]))
    tend(lane, ids)
    assert lane.rung() == [ids[-1]]


def ended(lane: Lane, many: int) -> list[str]:
    ids = many_works(lane, many)
    for id in ids:
        lane.ledger.cancel(id, Reason.CANCELLED)
    return ids


def tend(lane: Lane, ids: list[str]) -> None:
    # By the ledger's own measure of how many it looks at, not by the bench's.
    while lane.ledger.tend(lane.name, idle=True) == 0:
        pass


def sweep(lane: Lane, ids: list[str]) -> None:
    lane.ledger.sweep(lane.name, lambda swept: False, told=True)


def ask_for_all(lane: Lane, ids: list[str]) -> None:
    while message := lane.redis.rpop(lane.keys.queues[1]):
        lane.ask(json.loads(message)["properties"]["correlation_id"])


def beat_for_two_hundred(lane: Lane, ids: list[str]) -> None:
    lane.beat(*((id, 1) for id in ids[:200]))


def forget_a_page(lane: Lane, ids: list[str]) -> None:
    assert lane.ledger.forget("default", ids[:200], 0) == 200


@pytest.mark.parametrize(
    ("prepare", "act"),
    [
        (wanted_by_many, finish),
        (wanted_by_many, cancel),
        (wanted_by_many, join_and_withdraw),
        (due, tend),
        (overdue, tend),
        (without_leases, tend),
        (held, tend),
        (overdue, sweep),
        (overdue, ask_for_all),
        (running, beat_for_two_hundred),
        (ended, forget_a_page),
    ],
)
def test_a_call_takes_no_longer_however_many_there_are(
    longest: Callable[..., int], prepare: Prepare[Any], act: Act[Any]
) -> None:
    of_many = longest(prepare, act, 500)
    assert of_many < LIMIT
    assert longest(prepare, act, 1000) <= of_many


@pytest.mark.parametrize(
    ("prepare", "act"),
    [(running, change_limit), (held_apart, change_limit), (held_too_long, finish_the_first_and_tend)],
)
def test_many_runs_or_held_works_hold_nobody_up(
    longest: Callable[..., int], prepare: Prepare[Any], act: Act[Any]
) -> None:
    assert longest(prepare, act, 1000) < LIMIT


@pytest.mark.parametrize("act", [all_callers_gone, all_callers_in_doubt, beat])
def test_a_thousand_silent_callers_of_one_work_hold_nobody_up(longest: Callable[..., int], act: Act[Any]) -> None:
    """Any of them might be there, so each is looked at."""
    assert longest(wanted_by_many, act, 1000) < LIMIT


def test_a_crowd_of_silent_callers_is_looked_at_in_parts(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    id = lane.submit("gone", key="k").id
    deadline = lane.now() + 100_000
    lane.redis.zadd(lane.keys.interests(id), {f"a:gone{n}:1": deadline + n for n in range(2000)})
    lane.redis.delete(lane.keys.pulse)
    lane.redis.hset(lane.keys.evidence, mapping={"last": lane.now(), "since": 0})
    with counted(lane.ledger, lane.redis, monkeypatch) as cost:
        verdicts = [lane.verdict(id) for _ in range(4)]
    assert max(cost.steps) < LIMIT
    assert verdicts == [*[(Verdict.HOLD, Reason.PULSE_IN_DOUBT)] * 3, (Verdict.DROP, Reason.CALLER_GONE)]


def test_a_living_caller_behind_a_crowd_of_silent_ones_keeps_the_work(lane: Lane) -> None:
    id = lane.submit("alive", key="k").id
    deadline = lane.now() + 100_000
    lane.redis.zadd(lane.keys.interests(id), {f"a:gone{n}:1": deadline + n for n in range(2000)})
    lane.redis.hset(lane.keys.evidence, mapping={"last": lane.now(), "since": 0})
    assert [lane.verdict(id)[0] for _ in range(4)] == [*[Verdict.HOLD] * 3, Verdict.RUN]


def test_leases_are_renewed_a_hundred_by_a_script(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [(id, 1) for id in running(lane, 201)]
    with counted(lane.ledger, lane.redis, monkeypatch) as cost:
        assert lane.beat(*runs[:1]) == {runs[0][0]: ""}
        assert lane.beat(*runs) == {id: "" for id, _ in runs}
        assert lane.beat() == {}
    assert cost.scripts == [1, 3, 1]


def test_a_crowd_gets_a_large_result_in_parts(lane: Lane) -> None:
    callers = [f"caller{n}" for n in range(50)]
    id = {lane.submit(caller, key="k").id for caller in callers}.pop()
    lane.ask(id)
    lane.finish(lane.submission(id=id), result=json.dumps("x" * (Settings().max_payload - 2)))
    told = [len(lane.mail(caller)) for caller in callers]
    assert 1 <= sum(told) <= 8  # two megabytes
    more = True
    while more:
        more = lane.tend() == 0
        told = [count + len(lane.mail(caller)) for count, caller in zip(told, callers, strict=True)]
    assert told == [1] * len(callers)


def test_dead_messages_are_swept_by_the_megabyte(lane: Lane) -> None:
    text = "x" * Settings().max_payload
    letter = '"task":"t"},"content-type":"application/json","content-encoding":"utf-8","body":"' + text + '"}'
    for _ in range(20):
        lane.submit(letter=letter)
    lane.let_pass(61)
    counts: list[int] = []

    def look_at(swept: Swept) -> bool:
        counts.append(sum(swept.reasons.values()))
        return True

    lane.ledger.sweep(lane.name, look_at, told=True)
    assert counts == [4] * 5
    assert lane.rung() == []


def test_callers_of_long_ago_are_forgotten_some_at_a_time(lane: Lane) -> None:
    lane.redis.zadd(lane.keys.pulse, {f"caller{n}": 1 for n in range(1000)})
    for left in (750, 500, 250, 0):
        lane.tend()
        assert lane.redis.zcard(lane.keys.pulse) == left


def test_works_that_are_submitted_together_hold_nobody_up(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    lane.running()
    with counted(lane.ledger, lane.redis, monkeypatch) as cost:
        lane.ledger.submit_many([[lane.submission(partition="p") for _ in range(100)]], 5.0)
    assert cost.steps[0] < LIMIT  # in several calls even


def test_the_largest_payload_is_written_twice_only_in_the_record_and_in_the_message(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "x" * Settings().max_payload
    letter = '"task":"t"},"content-type":"application/json","content-encoding":"utf-8","body":"' + text + '"}'
    with counted(lane.ledger, lane.redis, monkeypatch) as cost:
        lane.ledger.submit(lane.submission(letter=letter))
    assert cost.bytes[0] < 2 * len(text) + 3000
    assert cost.steps[0] < 100


def test_large_works_that_are_due_together_are_rung_by_the_megabyte(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = '"task":"t"},"content-type":"application/json","body":"' + "x" * Settings().max_payload + '"}'
    works = [lane.submit(letter=letter, delay=1) for _ in range(25)]
    lane.let_pass(2)
    with counted(lane.ledger, lane.redis, monkeypatch) as cost:
        for _ in range(len(works)):
            lane.tend()
    assert max(cost.bytes) < 2 * 2**20
    assert sorted(lane.rung()) == sorted(work.id for work in works)
