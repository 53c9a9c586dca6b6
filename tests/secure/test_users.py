"""Producer, scheduler, worker and reader do what they are for over TLS, and nothing else."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py
from click.testing import CliRunner
from kombu.exceptions import OperationalError
from redis.backoff import NoBackoff
from redis.retry import Retry

from askfirst import LedgerUnavailable, State, WorkCancelled, WorkFailed, attach, status, submit_many, submit_work
from askfirst.cli import main
from askfirst.cli.onlooking import Onlooker
from askfirst.interest.ledger import Ending, Ledger
from askfirst.tasks.connecting import open_ledger
from askfirst.waiters.client import Client, configure, default_client
from askfirst.workers import create_app
from tests.secure.conftest import SecureRedis, settings_for
from tests.support import works
from tests.support.events import Events
from tests.support.eventually import eventually
from tests.support.fleet import Worker, lines


@pytest.fixture(scope="module")
def worker(secure_redis: SecureRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """As its own user."""
    worker = Worker(settings_for(secure_redis, "worker"), tmp_path_factory.mktemp("worker"), lanes=("default",))
    ledger = open_ledger(settings_for(secure_redis, "reader"))
    with contextlib.closing(ledger.line):
        worker.wait_until_heard(ledger)
    yield worker
    assert worker.stop() == 0
    worker.close()


@pytest.fixture
def producer(secure_redis: SecureRedis, worker: Worker) -> Iterator[Client]:
    secure_redis.denied()
    settings = settings_for(secure_redis, "producer")
    configure(settings)
    yield default_client()
    configure(settings)


@pytest.fixture
def ledger_of(secure_redis: SecureRedis) -> Iterator[Callable[[str], Ledger]]:
    opened: list[Ledger] = []

    def open_as(user: str) -> Ledger:
        opened.append(open_ledger(settings_for(secure_redis, user)))
        return opened[-1]

    yield open_as
    for ledger in opened:
        ledger.line.close()


def test_a_producer_submits_waits_joins_replaces_and_withdraws(
    producer: Client, secure_redis: SecureRedis, tmp_path: Path
) -> None:
    assert submit_work(works.add, a=1, b=2).result() == 3
    assert isinstance(submit_work(works.fail).exception(), WorkFailed)
    assert submit_work("tests.support.works.prove", proof=tmp_path / "by name").result() == "ran"
    assert submit_work(works.succeed_at_third, proof=tmp_path / "retried").result() == 3
    assert [w.result() for w in submit_many(works.add, [{"a": n} for n in range(150)])] == list(range(1, 151))
    proof = tmp_path / "proof"
    waiter = submit_work(works.linger, proof=proof, key="k")
    eventually(lambda: lines(proof), what="it runs")
    assert attach("k").id == waiter.id
    newer = submit_work(works.linger, proof=proof, key="k", seconds=0.1, on_duplicate="replace")
    assert isinstance(waiter.exception(), WorkCancelled)
    assert newer.result() == "slept"
    pending = submit_work(works.add, a=1, delay=20)
    pending.cancel()
    found = status(pending.id)
    assert found is not None
    assert found.state is State.CANCELLED
    assert secure_redis.denied() == []


def test_a_producer_keeps_its_pulse(producer: Client, secure_redis: SecureRedis, tmp_path: Path) -> None:
    """Longer than the ledger waits for one."""
    waiter = submit_work(works.linger, proof=tmp_path / "proof", seconds=2.5)
    assert waiter.result() == "slept"
    assert secure_redis.denied() == []


@pytest.fixture
def waiting(producer: Client, tmp_path: Path) -> Iterator[str]:
    """The id of a work in a lane that no worker serves."""
    with submit_work(works.in_another_lane, proof=tmp_path / "proof") as waiter:
        yield waiter.id


@pytest.mark.parametrize("user", ["producer", "scheduler", "reader"])
def test_who_is_no_worker_cannot_claim(
    ledger_of: Callable[[str], Ledger], secure_redis: SecureRedis, waiting: str, user: str
) -> None:
    with pytest.raises(LedgerUnavailable, match="does not let this user do that"):
        ledger_of(user).ask(waiting, worker="me", nonce="n", message_deadline=0)
    found = ledger_of("reader").statuses([waiting])[0]
    assert found is not None
    assert (found.state, found.attempt) == (State.PENDING, 0)
    assert secure_redis.denied() != []


@pytest.mark.parametrize("user", ["producer", "scheduler", "reader"])
def test_who_is_no_worker_cannot_finish_or_give_back(
    ledger_of: Callable[[str], Ledger], waiting: str, user: str
) -> None:
    answer = ledger_of("worker").ask(waiting, worker="w9@here", nonce="n", message_deadline=0)
    assert answer is not None
    ending = Ending(waiting, answer.fence, State.COMPLETED, "n", "d:x:1", 60.0, result='"forged"')
    for forge in (
        lambda: ledger_of(user).finish(ending),
        lambda: ledger_of(user).release(waiting, answer.fence, lost=False),
        lambda: ledger_of(user).retry(waiting, answer.fence, 0.1, "{}"),
        lambda: ledger_of(user).beat("io", "w9@here", 1, [(waiting, answer.fence)]),
    ):
        with pytest.raises(LedgerUnavailable, match="does not let this user do that"):
            forge()
    found = ledger_of("reader").statuses([waiting])[0]
    assert found is not None
    assert (found.state, found.attempt) == (State.RUNNING, answer.attempt)


NEEDED_BY_NOBODY = (
    ("CONFIG", "SET", "maxmemory", "1"), ("FLUSHALL",), ("KEYS", "*"), ("ACL", "LIST"), ("MODULE", "LIST"),
    ("SHUTDOWN",), ("SCRIPT", "FLUSH"), ("CLIENT", "KILL", "TYPE", "normal"), ("MONITOR",), ("SET", "other", "x"),
    ("GET", "other"), ("LPUSH", "other.queue", "x"), ("HGETALL", "askfirst:{other.default}:load"),
    ("SUBSCRIBE", "other"), ("REPLICAOF", "127.0.0.1", "1"), ("SCAN", "0"), ("RENAME", "fleet.a", "fleet.b"),
)  # fmt: skip
WRITING = (
    ("SET", "askfirst:{fleet.default}:letter:x", "x"), ("DEL", "askfirst:{fleet.default}:load"),
    ("HSET", "askfirst:{fleet.default}:work:x", "state", "COMPLETED"), ("LPUSH", "fleet.default", "x"),
    ("RPUSH", "askfirst:{fleet.default}:mail:x", "x"), ("PUBLISH", "/0.celery.pidbox", "x"),
    ("LPOP", "fleet.default"), ("SADD", "askfirst:fleet:lanes", "x"), ("DEL", "_kombu.binding.fleet.default"),
    ("EVAL", "return redis.call('LPUSH', KEYS[1], 'x')", "1", "fleet.default"),
)  # fmt: skip


@pytest.mark.parametrize("user", ["producer", "scheduler", "worker", "reader"])
def test_nobody_of_the_fleet_can_do_what_it_does_not_need(secure_redis: SecureRedis, user: str) -> None:
    with contextlib.closing(secure_redis.client(user)) as client:
        for command in NEEDED_BY_NOBODY:
            with pytest.raises(redis_py.exceptions.NoPermissionError):
                client.execute_command(*command)


def test_a_reader_cannot_write(secure_redis: SecureRedis) -> None:
    secure_redis.denied()
    with contextlib.closing(secure_redis.client("reader")) as client:
        for command in WRITING:
            with pytest.raises(redis_py.ResponseError):
                client.execute_command(*command)
            assert secure_redis.denied() != [], command


@pytest.mark.parametrize(
    "command",
    [
        ("list",), ("top", "--once", "--interval", "100ms"), ("top", "--json", "--interval", "100ms"), ("metrics",),
        ("limits",), ("messages", "list"), ("status", "known-key"), ("doctor",),
    ],
    ids=lambda command: " ".join(command),
)  # fmt: skip
def test_a_reader_can_look(
    producer: Client, secure_redis: SecureRedis, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    submit_work(works.add, a=1, key="known-key").result()
    options = ["--redis-url", secure_redis.url("reader"), "--namespace", "fleet"]
    secure_redis.denied()
    told = CliRunner().invoke(main, [*options, *command])
    assert told.exit_code == 0, told.output
    assert "change-me" not in told.output
    assert secure_redis.denied() == []


def test_a_reader_hears_what_flower_hears_and_revokes_nothing(producer: Client, secure_redis: SecureRedis) -> None:
    app = create_app(settings_for(secure_redis, "reader"))
    app.control_cls = Onlooker  # as in askfirst.cli.flower
    with Events(app, sender=create_app(settings_for(secure_redis, "worker"))) as events:
        waiter = submit_work(works.add, a=1)
        waiter.result()
        assert events.of(waiter.id, "task-succeeded")["result"] == "2"
    assert set(secure_redis.denied()) <= {"reader command publish"}
    with pytest.raises(OperationalError, match="no permissions"):
        app.control.revoke(waiter.id)
    app.close()


def test_the_server_does_not_talk_without_encryption_nor_with_strangers(secure_redis: SecureRedis) -> None:
    once: dict[str, Any] = {"protocol": 2, "retry": Retry(NoBackoff(), 0)}
    with pytest.raises(redis_py.ConnectionError):
        redis_py.Redis(port=secure_redis.port, **once).ping()
    with pytest.raises(redis_py.ConnectionError, match="certificate verify failed"):
        redis_py.Redis.from_url(secure_redis.url("reader").partition("?")[0], **once).ping()
    with pytest.raises(redis_py.AuthenticationError):
        redis_py.Redis.from_url(secure_redis.url("reader").replace("change-me-reader", "guess"), **once).ping()


def test_a_workers_log_shows_no_password(worker: Worker, producer: Client) -> None:
    submit_work(works.add, a=1).result()
    assert "change-me" not in worker.log()
    assert "worker:***@" in worker.log()
