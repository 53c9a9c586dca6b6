"""Many works go into the ledger with few calls, and each of them as if it had gone alone."""

from collections.abc import Iterator

import pytest

from askfirst.interest.ledger import Ledger, Policy
from askfirst.interest.records import Submission, Submitted
from askfirst.interest.states import State, Verdict
from tests.support.counting import counted
from tests.support.lanes import Lane
from tests.support.servers import RedisServer

LETTER = '"task":"t"},"content-type":"application/json","content-encoding":"utf-8","body":"%s"}'


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    """One of this page's own: its commands are counted, and the session's workers have their say in the session's."""
    server = RedisServer()
    yield server
    server.close()


def submit(lane: Lane, batch: list[Submission]) -> list[Submitted]:
    return lane.ledger.submit_many([batch], 5.0)


def scripts_run(lane: Lane) -> int:
    return int(lane.redis.info("commandstats")["cmdstat_evalsha"]["calls"])


def test_they_are_rung_in_order_and_share_calls(lane: Lane) -> None:
    batch = [lane.submission() for _ in range(60)]
    lane.submit()
    lane.messages()
    before = scripts_run(lane)
    answers = submit(lane, batch)
    assert scripts_run(lane) - before == 3
    assert [(answer.status, answer.id) for answer in answers] == [("accepted", each.id) for each in batch]
    assert lane.rung() == [each.id for each in batch]


def test_each_has_what_it_would_have_alone(lane: Lane) -> None:
    alone = lane.submit(partition="p", importance="critical")
    same = [lane.submission(partition="p", importance="critical") for _ in range(3)]
    submit(lane, same)
    expected = record(lane, alone)
    assert [record(lane, each) for each in same] == [expected] * 3
    for each in same:
        assert lane.redis.zrange(lane.keys.interests(each.id), 0, -1) == [each.interest]
        assert lane.redis.get(lane.keys.letter(each.id)) == each.letter
        for key in (lane.keys.work(each.id), lane.keys.interests(each.id), lane.keys.letter(each.id)):
            assert lane.redis.pttl(key) > 300_000
        assert lane.verdict(each.id) == (Verdict.RUN, "")


def record(lane: Lane, work: Submission) -> dict[str, str]:
    """Without what differs from moment to moment."""
    fields = lane.redis.hgetall(lane.keys.work(work.id))
    return {name: value for name, value in fields.items() if name not in ("submitted_at", "deadline", "rung_at")}


def test_every_caller_among_them_has_a_pulse(lane: Lane) -> None:
    submit(lane, [lane.submission(caller) for caller in ("alice", "bob", "alice")])
    assert lane.redis.zrange(lane.keys.pulse, 0, -1) == ["alice", "bob"]


def test_those_that_are_delayed_wait_in_the_ledger(lane: Lane) -> None:
    batch = [lane.submission(delay=20.0) for _ in range(3)]
    submit(lane, batch)
    assert lane.rung() == []
    lane.let_pass(21, up=True, pulses=["alice"])
    lane.tend()
    assert set(lane.rung()) == {each.id for each in batch}


def test_sent_twice_they_are_taken_once(lane: Lane) -> None:
    batch = [lane.submission() for _ in range(3)]
    submit(lane, batch[:2])
    lane.answer(batch[0].id)
    assert [(answer.status, answer.id) for answer in submit(lane, batch)] == [("accepted", each.id) for each in batch]
    assert lane.rung() == [each.id for each in batch]
    assert lane.state(batch[0].id) is State.COMPLETED


def test_their_messages_are_published_where_the_broker_is_another_server(lane: Lane) -> None:
    published: list[str] = []
    elsewhere = Ledger(lane.ledger.line, lane.ledger.namespace, Policy(), lambda _, letters: published.extend(letters))
    batch = [lane.submission() for _ in range(30)]
    elsewhere.submit_many([batch], 5.0)
    assert [each.id in text for each, text in zip(batch, published, strict=True)] == [True] * 30
    assert lane.rung() == []


@pytest.mark.parametrize(("size", "calls"), [(1_000, 1), (20_000, 2), (200_000, 4)])
def test_the_longer_their_payloads_the_fewer_share_a_call(lane: Lane, size: int, calls: int) -> None:
    lane.submit()
    before = scripts_run(lane)
    submit(lane, [lane.submission(letter=LETTER % ("x" * size)) for _ in range(4)])
    assert scripts_run(lane) - before == calls


def test_a_call_takes_fewer_steps_for_each_than_for_one_alone(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    lane.beat(slots=1)
    with counted(lane.ledger, lane.redis, monkeypatch) as cost:
        lane.submit()
        submit(lane, [lane.submission() for _ in range(25)])
    alone, together = cost.steps[:2]
    assert together / 25 < 0.8 * alone, cost.steps
