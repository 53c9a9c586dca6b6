"""Whatever comes out of the broker: nothing runs that was not submitted, the worker goes on, what is bad is kept."""

import json
import logging
import pickle
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from askfirst import State, WorkContext, WorkFailed, submit_many, submit_work, work
from askfirst.config import Settings
from askfirst.interest.errors import LedgerUnavailable
from askfirst.interest.ledger import Ledger, Policy
from askfirst.interest.line import Line
from askfirst.interest.load import load_of
from askfirst.interest.messages import KEPT, AsideMessage, BadMessage, Flaw, aside_in, clear_aside
from askfirst.tasks import current_context
from askfirst.tasks.checking import Problem
from askfirst.waiters.client import Client
from askfirst.workers import control
from askfirst.workers.aside import Aside
from tests.support import works
from tests.support.door import Door, open_door
from tests.support.eventually import eventually
from tests.support.fleet import Fleet, lines
from tests.support.lanes import Lane
from tests.support.mangling import Mangler, Trap
from tests.support.servers import RedisServer, free_port

_ran: list[tuple[str, str]] = []


@work(name="mangled.note", timeout=30)
def note_down(ctx: WorkContext, line: Any) -> str:
    _ran.append((ctx.id, line))
    return str(line)


@work(name="mangled.forged", timeout=30)
def forged() -> None:
    _ran.append(("", "forged"))


@pytest.fixture(scope="module")
def door_settings(redis_server: RedisServer) -> Settings:
    return Settings(redis_url=redis_server.url(9), namespace="door", retention=60.0, connect_timeout=1.0)


@pytest.fixture(scope="module")
def open_one(door_settings: Settings) -> Iterator[Door]:
    """One for all tests: it takes a second to close."""
    quiet = logging.getLogger("celery")
    before = quiet.level
    quiet.setLevel(logging.CRITICAL + 1)  # it logs each bad message with all of its contents
    with open_door(door_settings) as door:
        yield door
    quiet.setLevel(before)


@pytest.fixture
def redis(redis_server: RedisServer, open_one: Door) -> Any:
    open_one.settle()
    client = redis_server.client(9)
    client.flushdb()
    return client


@pytest.fixture
def settings(door_settings: Settings, redis: Any) -> Settings:
    return door_settings


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    ledger = Ledger(Line(str(settings.redis_url), connect_timeout=2.0), settings.namespace, Policy())
    yield ledger
    ledger.line.close()


@pytest.fixture
def door(open_one: Door, client: Client) -> Door:
    _ran.clear()
    return open_one


def take_messages(lane: Lane) -> list[str]:
    """What was rung with so far; the queue is empty then."""
    return [text for queue in lane.keys.queues for text in lane._take(queue)]


def kept(door: Door, ledger: Ledger) -> AsideMessage:
    """The one that was set aside."""
    door.settle()
    [found] = eventually(lambda: aside_in(ledger, "default"), within=5, what="it is set aside")
    return found


@pytest.fixture
def message(door: Door, lane: Lane) -> dict[str, Any]:
    """That of a work which waits to run."""
    submit_work(note_down, line="good", timeout=20)
    found: dict[str, Any] = json.loads(take_messages(lane)[0])
    return found


def test_a_good_message_runs(door: Door, message: dict[str, Any]) -> None:
    door.bring(json.dumps(message).encode())
    assert _ran == [(message["headers"]["id"], "good")]
    assert door.unanswered == 0


def test_a_message_that_kombu_has_put_back_runs(door: Door, lane: Lane, message: dict[str, Any]) -> None:
    """As it does with all that it has not been done with when it loses its connection: the body is bytes then."""
    with door.app.connection() as connection:
        channel = connection.default_channel
        channel._restore(channel.Message(message, channel=channel))
    [text] = take_messages(lane)
    assert "__type__" in json.loads(text)["body"]
    door.bring(text.encode())
    assert _ran == [(message["headers"]["id"], "good")]


def test_a_hundred_thousand_bad_messages(
    door: Door, lane: Lane, ledger: Ledger, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As Redis brings them, through kombu and Celery's consumer to the function."""
    submit_many(note_down, [{"line": f"line {n}"} for n in range(200)], timeout=120)
    mangler = Mangler(1, take_messages(lane), tmp_path / "unpickled", plain=True)
    for text in mangler.messages(100_000):
        door.bring(text)
    assert door.unanswered == 0
    assert not (tmp_path / "unpickled").exists()
    assert "forged" not in [line for _, line in _ran]
    runs = [id for id, _ in _ran if id.startswith("default.")]
    assert len(runs) == len(set(runs)), "a message delivered again runs again"

    last = submit_work(note_down, line="last")
    for text in take_messages(lane):  # works whose messages were spoiled are rung for again
        door.bring(text.encode())
    assert last.result() == "last"
    eventually(lambda: len(aside_in(ledger, "default")) == KEPT, what="the newest are kept")
    eventually(lambda: sum(load_of(ledger, "default").aside.values()) > 90_000, what="all are counted")
    elsewhere = {Flaw.TOO_LARGE, Flaw.SIGNATURE}  # those of great size, and where works are signed
    assert set(load_of(ledger, "default").aside) == set(Flaw) - elsewhere
    assert "broke the consumer" not in caplog.text, "what Celery can't bear is found out before it comes there"


# One by one


def with_(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(entry: dict[str, Any]) -> None:
        for name in path[:-1]:
            entry = entry[name]
        entry[path[-1]] = value

    return change


def without(*path: str) -> Callable[[dict[str, Any]], None]:
    def change(entry: dict[str, Any]) -> None:
        for name in path[:-1]:
            entry = entry[name]
        del entry[path[-1]]

    return change


def with_pickle(entry: dict[str, Any]) -> None:
    entry |= {"content-type": "application/x-python-serialize", "content-encoding": "binary"}
    entry["body"] = pickle.dumps(Trap(Path("unpickled")), protocol=0).decode("latin-1")


def with_callback(entry: dict[str, Any]) -> None:
    body = json.loads(entry["body"])
    body[2]["callbacks"] = [{"task": "mangled.forged", "args": [], "kwargs": {}, "options": {}}]
    entry["body"] = json.dumps(body)



CASES: dict[str, tuple[Flaw, Callable[[dict[str, Any]], object]]] = {
    "pickle": (Flaw.FOREIGN_CONTENT, with_pickle),
    "yaml": (Flaw.FOREIGN_CONTENT, with_("content-type", value="application/x-yaml")),
    "no content type": (Flaw.FOREIGN_CONTENT, without("content-type")),
    "raw data": (Flaw.FOREIGN_CONTENT, with_("content-type", value="application/data")),
    "truncated body": (Flaw.BODY, with_("body", value='[[],{"line":')),
    "no body": (Flaw.BODY, with_("body", value="")),
    "a callback": (Flaw.BODY, with_callback),
    "positional arguments": (Flaw.BODY, with_("body", value=json.dumps([["x"], {}, {}]))),
    "a body of text": (Flaw.BODY, with_("body", value='"abc"')),
    "a deep body": (Flaw.TOO_DEEP, with_("body", value="[[],{" + '"x":[' + "[" * 400 + "]" * 400 + "]},{}]")),
    "a huge body": (Flaw.TOO_LARGE, with_("body", value=" " * 2_000_000)),
    "a bomb": (Flaw.COMPRESSED, with_("headers", "compression", value="application/x-gzip")),
    "no id": (Flaw.WRONG_ID, without("headers", "id")),
    "an id of no work": (Flaw.WRONG_ID, with_("headers", "id", value="default.x")),
    "two ids": (Flaw.WRONG_ID, with_("headers", "id", value="default." + "0" * 32)),
    "a lane not served": (Flaw.FOREIGN_LANE, lambda entry: rename(entry, "other." + "0" * 32)),
    "another queue's": (Flaw.FOREIGN_LANE, with_("properties", "delivery_info", "routing_key", value="x")),
    "an unknown type": (Flaw.UNKNOWN_TYPE, with_("headers", "task", value="no.such.type")),
    "a type that is no text": (Flaw.NO_MESSAGE, with_("headers", "task", value=["x"])),
    "no type": (Flaw.NO_MESSAGE, without("headers", "task")),
    "no properties": (Flaw.NO_MESSAGE, without("properties")),
    "no delivery info": (Flaw.NO_MESSAGE, without("properties", "delivery_info")),
    "a claim of its own": (Flaw.HEADERS, with_("headers", "askfirst_claim", value={"fence": "1:a"})),
    "called directly": (Flaw.HEADERS, with_("headers", "called_directly", value=True)),
    "a time limit": (Flaw.HEADERS, with_("headers", "timelimit", value=[0.001, None])),
    "no deadline": (Flaw.HEADERS, without("headers", "askfirst_deadline")),
    "a deadline of text": (Flaw.HEADERS, with_("headers", "askfirst_deadline", value="never")),
    "an endless deadline": (Flaw.HEADERS, with_("headers", "askfirst_deadline", value=float("inf"))),
    "no retention": (Flaw.HEADERS, without("headers", "askfirst", "retention")),
    "a key of many lines": (Flaw.HEADERS, with_("headers", "askfirst", "key", value="a\nERROR: forged")),
    "nobody's interest": (Flaw.HEADERS, with_("headers", "askfirst", "interest", value="x")),
    "an importance of its own": (Flaw.HEADERS, with_("headers", "askfirst", "importance", value=["critical"])),
}


def rename(entry: dict[str, Any], id: str) -> None:
    entry["headers"] |= {"id": id, "root_id": id}
    entry["properties"]["correlation_id"] = id


@pytest.mark.parametrize("case", CASES)
def test_it_is_set_aside_and_says_why(
    door: Door, ledger: Ledger, message: dict[str, Any], case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flaw, change = CASES[case]
    change(message)
    door.bring(json.dumps(message).encode())
    found = kept(door, ledger)
    assert found.bad.flaw is flaw, found.bad.detail
    assert (found.lane, found.bad.worker) == ("default", "door@here")
    assert found.bad.detail
    assert _ran == []
    assert door.unanswered == 0
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize("text", [b"", b"no json", b"\xff\xfe", b'{"a":' * 100_000, b"{'a': 1}"], ids=repr)
def test_what_is_no_json_is_set_aside(door: Door, ledger: Ledger, text: bytes) -> None:
    door.bring(text)
    found = kept(door, ledger)
    assert found.bad.flaw is Flaw.NO_JSON
    assert found.bad.size == len(text)
    assert found.bad.queue.endswith(".default")


def test_what_is_too_large_is_not_even_read(door: Door, ledger: Ledger) -> None:
    door.bring(b"[" * 20_000_000)
    found = kept(door, ledger)
    assert (found.bad.flaw, len(found.bad.message)) == (Flaw.TOO_LARGE, 4096)


@pytest.mark.parametrize("left", ["origin", "askfirst_deadline"])
def test_a_spoiled_message_of_a_work_does_not_pass_for_a_plain_call(
    door: Door, ledger: Ledger, message: dict[str, Any], left: str
) -> None:
    """Found by the flood: with its id and our header spoiled it ran once more, unasked."""
    headers = message["headers"]
    for name in {"askfirst", "origin", "askfirst_deadline"} - {left}:
        del headers[name]
    headers["id"] = headers["root_id"] = "?efault." + "0" * 32
    door.bring(json.dumps(message).encode())
    assert kept(door, ledger).bad.flaw in (Flaw.WRONG_ID, Flaw.HEADERS)
    assert _ran == []


def test_a_plain_call_cannot_pretend_to_be_a_work(door: Door, ledger: Ledger, message: dict[str, Any]) -> None:
    """With a claim in its headers it would run as a work that nobody was asked about."""
    for name in ("askfirst", "askfirst_deadline", "origin"):
        del message["headers"][name]
    claim = {"fence": "1:a", "deadline_at": 1e12, "failures": 0}
    message["headers"] |= {"id": "plain", "root_id": "plain", "askfirst_claim": claim}
    door.bring(json.dumps(message).encode())
    assert kept(door, ledger).bad.flaw is Flaw.HEADERS
    assert _ran == []


def test_plain_calls_go_on_to_run(door: Door, lane: Lane) -> None:
    door.app.tasks["mangled.note"].apply_async(kwargs={"line": "plain"})
    [text] = lane._take(lane.keys.queue)
    door.bring(text.encode())
    assert [line for _, line in _ran] == ["plain"]
    assert current_context() is None, "what comes next in this process is not asked for by that call"


# What becomes of the work


def test_a_work_whose_message_was_spoiled_is_rung_for_again(door: Door, lane: Lane, message: dict[str, Any]) -> None:
    message["body"] = message["body"][:10]
    door.bring(json.dumps(message).encode())
    door.settle()
    [text] = eventually(lambda: take_messages(lane), within=5, what="it is rung for")
    door.bring(text.encode())
    assert _ran == [(message["headers"]["id"], "good")]


def test_a_work_whose_letter_was_spoiled_fails_at_once(door: Door, lane: Lane, redis: Any) -> None:
    waiter = submit_work(note_down, line="good", timeout=20)
    message = json.loads(take_messages(lane)[0])
    letter = redis.get(lane.keys.letter(waiter.id))
    redis.set(lane.keys.letter(waiter.id), letter[:-20], keepttl=True)
    message["body"] = message["body"][:10]
    door.bring(json.dumps(message).encode())
    with pytest.raises(WorkFailed, match=r"MessageRefused: unreadable body: ") as caught:
        waiter.result(timeout=5)
    assert caught.value.error_type == "MessageRefused"


def test_a_message_replayed_when_its_work_has_ended_does_not_run(
    door: Door, lane: Lane, redis: Any, message: dict[str, Any]
) -> None:
    text, id = json.dumps(message).encode(), message["headers"]["id"]
    door.bring(text)
    door.bring(text)
    redis.delete(lane.keys.work(id))  # its retention is over
    late = message["headers"] | {"askfirst_deadline": lane.now() - 1}
    door.bring(json.dumps(message | {"headers": late}).encode())
    assert _ran == [(id, "good")]
    assert door.unanswered == 0


@pytest.mark.parametrize("terminate", [False, True], ids=["revoke", "terminate"])
def test_a_work_that_the_ledger_could_not_revoke_runs(
    door: Door, message: dict[str, Any], monkeypatch: pytest.MonkeyPatch, terminate: bool
) -> None:
    """As when the ledger refuses to write, or Celery's own message came through another broker."""

    def refuse(*_: object) -> None:
        raise LedgerUnavailable("read-only")

    id = message["headers"]["id"]
    with monkeypatch.context() as patch:
        patch.setattr(door.app.askfirst.ledger, "cancel", refuse)
        reply = control._revoke(SimpleNamespace(app=door.app), id, terminate=terminate)
    assert reply == {"error": f"works ['{id}'] are not revoked: the ledger is away"}
    door.bring(json.dumps(message).encode())
    assert _ran == [(id, "good")]


# What is kept


def bad(number: int = 0) -> BadMessage:
    return BadMessage(Flaw.BODY, "truncated", "q", "w", f"message {number}", 1)


def test_the_newest_hundred_are_kept_for_a_while_and_all_are_counted(lane: Lane, ledger: Ledger, redis: Any) -> None:
    for start in range(0, 3 * KEPT, 50):
        aside = Aside(lambda letter: True)
        for n in range(start, start + 50):
            aside.put("default", Problem(Flaw.BODY, "truncated"), "", partial(bad, n))
        aside.flush(ledger)
    found = aside_in(ledger, "default")
    assert [each.bad.message for each in found] == [f"message {n}" for n in reversed(range(2 * KEPT, 3 * KEPT))]
    assert 6 * 86_400 < redis.ttl(lane.keys.aside) <= 7 * 86_400
    assert clear_aside(ledger, "default") == KEPT
    assert aside_in(ledger, "default") == []
    assert load_of(ledger, "default").aside == {Flaw.BODY: 3 * KEPT}


def test_what_the_ledger_could_not_be_told_is_told_later(ledger: Ledger) -> None:
    aside = Aside(lambda letter: True)
    aside.put("default", Problem(Flaw.BODY, "truncated"), "", bad)
    away = Ledger(Line(f"redis://127.0.0.1:{free_port()}", 0.5), ledger.namespace, Policy())
    with pytest.raises(LedgerUnavailable):
        aside.flush(away)
    aside.put("default", Problem(Flaw.NO_JSON, "no"), "", bad)
    aside.flush(ledger)
    assert load_of(ledger, "default").aside == {Flaw.BODY: 1, Flaw.NO_JSON: 1}
    assert len(aside_in(ledger, "default")) == 2


# Real workers


def flood(fleet: Fleet, count: int, tmp_path: Path) -> None:
    """So many bad messages in the queue of a real worker: it goes on, and runs what is asked for."""
    worker, children = fleet.worker.pid, fleet.worker.children
    with fleet.busy(tmp_path):
        payloads = [{"proof": tmp_path / "genuine", "line": str(n)} for n in range(20)]
        waiters = submit_many(works.prove, payloads, timeout=300)
        queue = fleet.lane.keys.queues[1]
        good = fleet.redis.lrange(queue, 0, -1)
        mangler = Mangler(7, good, tmp_path / "unpickled")
        before = sum(load_of(fleet.ledger, "default").aside.values())
        texts = list(mangler.messages(count))
        for start in range(0, count, 1000):
            fleet.redis.rpush(queue, *texts[start : start + 1000])
    for waiter in waiters:
        waiter.exception(timeout=200)
    assert submit_work(works.prove, proof=tmp_path / "last", timeout=200).result() == "ran"
    assert fleet.worker.pid == worker
    assert fleet.worker.process.poll() is None
    assert fleet.worker.children == children
    assert not (tmp_path / "unpickled").exists()
    assert 15 <= len(lines(tmp_path / "genuine")) <= len(waiters), "each once, some perhaps with a forged path"
    eventually(
        lambda: sum(load_of(fleet.ledger, "default").aside.values()) - before > 0.9 * count, what="they are counted"
    )


def test_a_real_worker_goes_on(fleet: Fleet, tmp_path: Path) -> None:
    flood(fleet, 500, tmp_path)
    assert fleet.lane.ledger.counts("default")[State.RUNNING] == 0


@pytest.mark.slow
def test_a_real_worker_goes_on_through_a_hundred_thousand(fleet: Fleet, tmp_path: Path) -> None:
    flood(fleet, 100_000, tmp_path)
