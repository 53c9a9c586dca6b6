"""With a signing key, what somebody without it has written neither runs nor is taken for a result."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from askfirst import UnknownWork, WorkContext, WorkFailed, submit_many, submit_work, work
from askfirst.config import Settings
from askfirst.interest.ledger import Ledger, Policy
from askfirst.interest.line import Line
from askfirst.interest.messages import Flaw, aside_in
from askfirst.interest.sealing import Seal
from askfirst.interest.states import State
from askfirst.tasks import message as messages
from askfirst.tasks.message import compose
from askfirst.waiters.client import Client
from tests.support import works
from tests.support.door import Door, open_door
from tests.support.eventually import eventually
from tests.support.fleet import Worker
from tests.support.lanes import Lane
from tests.support.mangling import Mangler
from tests.support.servers import RedisServer

KEY = "correct horse battery staple"
_ran: list[tuple[str, Any]] = []


@work(name="signed.note", timeout=30)
def note_down(ctx: WorkContext, line: Any) -> str:
    _ran.append((ctx.id, line))
    return str(line)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return Settings(**settings.model_dump(exclude_unset=True) | {"signing_key": KEY})


@pytest.fixture
def ledger(settings: Settings, redis: Any) -> Iterator[Ledger]:
    ledger = Ledger(Line(str(settings.redis_url), 2.0), settings.namespace, Policy(), None, [KEY])
    yield ledger
    ledger.line.close()


@pytest.fixture
def door(settings: Settings, client: Client) -> Iterator[Door]:
    _ran.clear()
    quiet = logging.getLogger("celery")
    before = quiet.level
    quiet.setLevel(logging.CRITICAL + 1)
    with open_door(settings) as door:
        yield door
    quiet.setLevel(before)


def take_message(lane: Lane) -> dict[str, Any]:
    """The one that was rung with."""
    [text] = [text for queue in lane.keys.queues for text in lane._take(queue)]
    entry: dict[str, Any] = json.loads(text)
    return entry


def bring(door: Door, entry: dict[str, Any]) -> None:
    door.bring(json.dumps(entry).encode())
    door.settle()


def change_arguments(entry: dict[str, Any]) -> None:
    body = json.loads(entry["body"])
    body[1]["line"] = "forged"
    entry["body"] = json.dumps(body)


def change_id(entry: dict[str, Any]) -> None:
    id = "default." + "0" * 32
    entry["headers"] |= {"id": id, "root_id": id}
    entry["properties"]["correlation_id"] = id


FORGERIES: dict[str, Callable[[dict[str, Any]], object]] = {
    "arguments": change_arguments,
    "work": change_id,
    "work type": lambda entry: entry["headers"].update(task="tests.support.works.prove"),
    "key": lambda entry: entry["headers"]["askfirst"].update(key="other"),
    "interest": lambda entry: entry["headers"]["askfirst"].update(interest="d:somebody:1"),
    "importance": lambda entry: entry["headers"]["askfirst"].update(importance="critical"),
    "time": lambda entry: entry["headers"]["askfirst"].update(until=2**40),
    "what is shown": lambda entry: entry["headers"].update(kwargsrepr="harmless"),
    "signature": lambda entry: entry["headers"]["askfirst"].update(signature="A" * 43),
    "no signature": lambda entry: entry["headers"]["askfirst"].pop("signature"),
    "nothing signed": lambda entry: [entry["headers"]["askfirst"].pop(name) for name in ("signature", "until")],
}


def test_a_signed_work_runs_and_its_result_is_taken(door: Door, lane: Lane) -> None:
    waiter = submit_work(note_down, line="hello")
    bring(door, take_message(lane))
    assert waiter.result() == "hello"


def test_a_failure_is_taken_too(door: Door, lane: Lane) -> None:
    waiter = submit_work(works.fail, text="on purpose", timeout=10)
    bring(door, take_message(lane))
    with pytest.raises(WorkFailed, match="ValueError: on purpose"):
        waiter.result()


@pytest.mark.parametrize("what", FORGERIES)
def test_a_message_changed_on_its_way_does_not_run_and_its_work_does(
    door: Door, lane: Lane, ledger: Ledger, what: str
) -> None:
    waiter = submit_work(note_down, line="good")
    entry = take_message(lane)
    FORGERIES[what](forged := json.loads(json.dumps(entry)))
    bring(door, forged)
    assert _ran == []
    [found] = eventually(lambda: aside_in(ledger, "default"), what="it is set aside")
    assert found.bad.flaw is Flaw.SIGNATURE
    bring(door, entry)
    assert waiter.result() == "good"


def test_a_plain_call_does_not_run(door: Door, lane: Lane, ledger: Ledger) -> None:
    door.app.tasks["signed.note"].apply_async(kwargs={"line": "plain"})
    bring(door, take_message(lane))
    assert _ran == []
    assert aside_in(ledger, "default")[0].bad.flaw is Flaw.SIGNATURE


def test_a_record_whose_letter_was_changed_fails_its_work(door: Door, lane: Lane, redis: Any) -> None:
    waiter = submit_work(note_down, line="good")
    key = lane.keys.letter(waiter.id)
    redis.set(key, redis.get(key).replace("good", "evil"), keepttl=True)
    entry = take_message(lane)
    change_arguments(entry)
    bring(door, entry)
    with pytest.raises(WorkFailed, match="MessageRefused: wrong signature") as caught:
        waiter.result(timeout=5)
    assert caught.value.error_type == "MessageRefused"
    assert _ran == []


def test_a_message_of_before_does_not_run_when_its_record_is_gone(
    door: Door, lane: Lane, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its deadline in the header is written by the ledger and can be forged; that it is signed for can't."""
    waiter = submit_work(note_down, line="good", timeout=10)
    entry = take_message(lane)
    redis.delete(lane.keys.work(waiter.id), lane.keys.letter(waiter.id))
    entry["headers"]["askfirst_deadline"] = lane.now() + 10**9
    after = time.time() + 11 + 300
    with monkeypatch.context() as later:
        later.setattr(messages.time, "time", lambda: after)
        bring(door, entry)
        assert _ran == []
    bring(door, entry)
    assert _ran == [(waiter.id, "good")], "in its time it is what the ledger lost"


def test_keys_are_changed_one_side_at_a_time(door: Door, lane: Lane, settings: Settings, ledger: Ledger) -> None:
    """The first key signs, all are good: a key that all know can become the first anywhere."""
    ledger.seal = Seal(settings.namespace, ["another key of 16 and more", KEY])
    assert ledger.seal.is_right(door.app.askfirst.ledger.seal.sign("x"), "x")
    assert not door.app.askfirst.ledger.seal.is_right(ledger.seal.sign("x"), "x")


def test_twenty_thousand_forgeries_run_nothing_that_was_not_submitted(
    door: Door, lane: Lane, ledger: Ledger, tmp_path: Path
) -> None:
    lines = [f"line {n}" for n in range(100)]
    waiters = submit_many(note_down, [{"line": line} for line in lines], timeout=120)
    submitted = {(waiter.id, line) for waiter, line in zip(waiters, lines, strict=True)}
    good = [text for queue in lane.keys.queues for text in lane._take(queue)]
    mangler = Mangler(2, good, tmp_path / "unpickled", plain=True)
    for text in mangler.messages(20_000):
        door.bring(text)
    assert all(run in submitted for run in _ran)
    assert len(_ran) == len({id for id, _ in _ran}) > 0
    assert door.unanswered == 0


# Results


def forge(lane: Lane, redis: Any, id: str, **fields: str) -> None:
    """What somebody without the key writes: the record, and a letter to the caller."""
    redis.hset(lane.keys.work(id), mapping={"state": "COMPLETED", "reason": "", **fields})
    [interest] = redis.zrange(lane.keys.interests(id), 0, 0)
    mail = lane.keys.mail(interest.split(":")[1])
    letter = {"id": id, "state": "COMPLETED", "reason": ""} | fields
    redis.rpush(mail, json.dumps(letter))
    redis.expire(mail, 60)


@pytest.mark.parametrize(
    "fields",
    [
        {"result": '"forged"'},
        {"result": "~" + "A" * 43 + ' "forged"'},
        {},
        {"state": "FAILED", "error": '{"type":"X","message":"y"}'},
    ],
    ids=["unsigned", "wrongly signed", "without any", "an error"],
)
def test_a_forged_answer_is_no_answer(client: Client, lane: Lane, redis: Any, fields: dict[str, str]) -> None:
    waiter = submit_work(note_down, line="good")
    forge(lane, redis, waiter.id, **fields)
    with pytest.raises(WorkFailed, match="not signed by anybody with the signing key") as caught:
        waiter.result(timeout=5)
    assert caught.value.error_type == "TamperedOutcome"


def test_a_forged_letter_does_not_keep_the_true_answer_away(client: Client, lane: Lane, redis: Any) -> None:
    waiter = submit_work(note_down, line="good")
    mail = lane.keys.mail(client.caller)
    redis.rpush(mail, json.dumps({"id": waiter.id, "state": "COMPLETED", "reason": "", "result": '"forged"'}))
    redis.expire(mail, 60)
    eventually(lambda: redis.llen(mail) == 0, what="the letter is taken")
    assert not waiter.done()
    lane.answer(waiter.id, '"true"')
    assert waiter.result(timeout=5) == "true"


def test_the_result_of_another_work_is_no_answer(client: Client, lane: Lane, redis: Any) -> None:
    other, waiter = submit_work(note_down, line="a"), submit_work(note_down, line="b")
    lane.answer(other.id, '"a"')
    assert other.result(timeout=5) == "a"
    forge(lane, redis, waiter.id, result=redis.hget(lane.keys.work(other.id), "result"))
    with pytest.raises(WorkFailed, match="not signed"):
        waiter.result(timeout=5)


def test_a_loss_is_told_by_the_ledger_which_has_no_key(client: Client, lane: Lane) -> None:
    waiter = submit_work(note_down, line="good")
    lane.redis.hset(lane.keys.work(waiter.id), "losses", 9)
    assert lane.verdict(waiter.id) == ("RUN", "")
    lane.release(waiter.id, 1, lost=True)
    assert lane.state(waiter.id) is State.FAILED
    with pytest.raises(WorkFailed, match="WorkLost: lost with its workers"):
        waiter.result(timeout=5)


def test_a_type_that_somebody_else_published_is_not_called(client: Client, ledger: Ledger, redis: Any) -> None:
    redis.hset(f"askfirst:{ledger.namespace}:types", "evil", '{"timeout": 1, "lane": "default"}')
    with pytest.raises(UnknownWork, match="was changed"):
        submit_work("evil")


# The whole way


def forged_message(lane: Lane, proof: Path) -> str:
    """Right in all but that its author has no key."""
    id = "default." + "0" * 32
    ours = {"interest": "d:x:1", "retention": 60.0, "importance": "normal", "key": ""}
    letter = compose(id, "tests.support.works.prove", json.dumps({"proof": str(proof)}), ours, Seal("x"), 60.0)
    where = {"exchange": "", "routing_key": lane.keys.queue}
    head = json.dumps({"correlation_id": id, "delivery_info": where, "delivery_tag": "1"})
    return f'{{"properties":{head},"headers":{{"askfirst_deadline":{2**50},{letter}'


def test_without_a_key_whoever_writes_to_the_broker_is_trusted(
    redis_server: RedisServer, redis: Any, namespace: str, start_worker: Callable[..., Worker], tmp_path: Path
) -> None:
    """What the documentation says must be known: an unknown work is taken for one that the ledger lost."""
    settings = Settings(redis_url=redis_server.url(), namespace=namespace, retention=60.0)
    plain = Ledger(Line(redis_server.url(), 2.0), namespace, Policy())
    lane = Lane(plain, redis)
    start_worker(changed={"signing_key": settings.signing_key})
    redis.lpush(lane.keys.queue, forged_message(lane, tmp_path / "forged"))
    eventually(lambda: (tmp_path / "forged").exists(), what="it runs")
    plain.line.close()


def test_a_signed_fleet(client: Client, start_worker: Callable[..., Worker], tmp_path: Path, lane: Lane) -> None:
    worker = start_worker()
    assert submit_work(works.add, a=1, b=2, timeout=20).result() == 3
    assert submit_work("tests.support.works.prove", proof=tmp_path / "proof", timeout=20).result() == "ran"
    assert isinstance(submit_work(works.fail, timeout=20).exception(), WorkFailed)
    assert submit_work(works.succeed_at_third, proof=tmp_path / "third", timeout=20).result() == 3
    lane.redis.lpush(lane.keys.queue, forged_message(lane, tmp_path / "forged"))
    eventually(lambda: aside_in(lane.ledger, "default"), what="the forged work is set aside")
    assert not (tmp_path / "forged").exists()
    assert KEY not in worker.log()
