"""A Redis that cannot be reached, or would lose interests, is refused in time, in one line that says what to change."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from askfirst.interest.errors import LedgerUnavailable
from askfirst.interest.ledger import Ledger, Policy
from askfirst.interest.line import Line
from tests.support.eventually import eventually
from tests.support.fakes import redis_that_says, silent
from tests.support.lanes import Lane
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer, free_port

CONNECT_TIMEOUT = 0.5
PASSWORD = "s3cret/Word"


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    """One of this page's own: what is done to it here would end the session's workers."""
    server = RedisServer()
    yield server
    server.close()


def refusal_of(url: str) -> str:
    """What using the Redis at this URL fails with; checks what is true of every refusal."""
    ledger = Ledger(Line(url, CONNECT_TIMEOUT), "test", Policy())
    started_at = time.monotonic()
    with pytest.raises(LedgerUnavailable) as refused:
        ledger.lanes()
    took = time.monotonic() - started_at
    ledger.line.close()
    text = str(refused.value)
    assert took < CONNECT_TIMEOUT + 1
    assert "\n" not in text
    assert "s3cret" not in text
    assert isinstance(refused.value, ConnectionError)
    return text


@contextmanager
def setting(client: Any, name: str, value: str) -> Iterator[None]:
    """The server has another setting for the moment."""
    before = client.config_get(name)[name]
    client.config_set(name, value)
    try:
        yield
    finally:
        client.config_set(name, before)


@pytest.fixture(scope="module")
def guarded() -> Iterator[RedisServer]:
    """A Redis with a password."""
    server = RedisServer(requirepass=PASSWORD)
    yield server
    server.close()


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-lru", "volatile-ttl", "allkeys-random"])
def test_a_redis_that_may_evict_interests(redis_server: RedisServer, redis: Any, policy: str) -> None:
    with setting(redis, "maxmemory-policy", policy):
        text = refusal_of(redis_server.url())
    assert policy in text
    assert "maxmemory-policy noeviction" in text


def test_a_redis_that_is_too_old() -> None:
    with redis_that_says({"redis_version": "6.0.16", "maxmemory_policy": "noeviction"}) as server:
        text = refusal_of(server.url)
    assert "6.2 or newer" in text
    assert "6.0.16" in text


@pytest.mark.parametrize(
    "info",
    [
        {"redis_version": "6.2.14"},
        {"redis_version": "7.2.4", "server_name": "valkey", "valkey_version": "8.0.1"},
        {"redis_version": "10.0.0"},
    ],
    ids=lambda info: " ".join(info.values()),
)
def test_a_redis_or_valkey_that_is_new_enough_is_taken(info: dict[str, str]) -> None:
    with redis_that_says(info | {"maxmemory_policy": "noeviction", "role": "master"}) as server:
        line = Line(server.url, CONNECT_TIMEOUT)
        assert line.command("PING") == "OK"
        line.close()


def test_a_read_only_replica(redis_server: RedisServer, redis: Any) -> None:
    replica = RedisServer()
    try:
        replica.client().replicaof("127.0.0.1", redis_server.port)
        text = refusal_of(replica.url())
    finally:
        replica.close()
    assert "read-only replica" in text
    assert "primary" in text


def test_a_redis_that_wants_a_password(guarded: RedisServer) -> None:
    text = refusal_of(guarded.url())
    assert "refuses the login" in text
    assert "redis://USER:PASSWORD@HOST" in text


@pytest.mark.parametrize("login", [":s3cret-but-wrong@", "default:s3cret-but-wrong@", "nobody:s3cret@"])
def test_a_redis_that_wants_another_password(guarded: RedisServer, login: str) -> None:
    assert "refuses the login" in refusal_of(guarded.url(login=login))


def test_the_right_password_opens(guarded: RedisServer) -> None:
    line = Line(guarded.url(login=":s3cret%2FWord@"), CONNECT_TIMEOUT)
    assert line.command("PING") == "PONG"
    line.close()


def test_a_user_without_the_rights(guarded: RedisServer) -> None:
    guarded.client().acl_setuser("reader", enabled=True, passwords=["+s3cret"], commands=["+get"], keys=["*"])
    text = refusal_of(guarded.url(login="reader:s3cret@"))
    assert "ACL" in text


def test_a_user_that_may_not_ask_for_info_is_taken_with_a_warning(
    guarded: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    commands = ["+@all", "-info"]
    guarded.client().acl_setuser("blind", enabled=True, passwords=["+s3cret"], commands=commands, keys=["*"])
    line = Line(guarded.url(login="blind:s3cret@"), CONNECT_TIMEOUT)
    with caplog.at_level(logging.WARNING):
        assert line.command("PING") == "PONG"
    line.close()
    assert "eviction policy are not checked" in caplog.text
    assert "s3cret" not in caplog.text


def test_nobody_listens() -> None:
    text = refusal_of(f"redis://user:s3cret@127.0.0.1:{free_port()}/0")
    assert "cannot reach Redis" in text
    assert "redis_url" in text


def test_a_host_that_does_not_exist() -> None:
    assert "cannot reach Redis" in refusal_of("redis://:s3cret@no-such-host.invalid:6379/0")


def test_no_socket_at_the_path() -> None:
    assert "cannot reach Redis" in refusal_of("unix:///nowhere/redis.sock")


def test_a_server_that_accepts_and_never_answers() -> None:
    with silent() as server:
        text = refusal_of(server.url.replace("redis://", "redis://user:s3cret@"))
    assert "does not answer" in text


def test_a_frozen_redis() -> None:
    server = RedisServer()
    try:
        server.pause()
        assert "does not answer" in refusal_of(server.url())
    finally:
        server.resume()
        server.close()


@pytest.mark.parametrize(
    "url",
    [
        "redis://u:s3cret@h/0?timeout=5",
        "redis://u:s3cret@h/0?socket_timeout=soon",
        "redis://u:s3cret@h?ssl_cert_reqs=none",
        "rediss://u:s3cret@h?ssl_cert_reqs=sometimes",
        "Redis://u:s3cret@h/0",
    ],
)
def test_a_url_that_redis_py_does_not_take(url: str) -> None:
    assert "expected redis_url to be one that redis-py takes" in refusal_of(url)


def test_a_url_does_not_choose_the_protocol(redis_server: RedisServer) -> None:
    line = Line(redis_server.url() + "?protocol=3", CONNECT_TIMEOUT)
    assert line.command("HGETALL", "nothing") == []  # with RESP3 a dict
    line.close()


def test_a_database_that_the_redis_does_not_have(redis_server: RedisServer, redis: Any) -> None:
    assert "DB index is out of range" in refusal_of(redis_server.url(99))


def test_a_redis_out_of_memory(redis_server: RedisServer, ledger: Ledger, redis: Any) -> None:
    ledger.lanes()
    with setting(redis, "maxmemory", "1"):
        for write in (lambda: ledger.know_lanes(["x"]), Lane(ledger, redis).submit):
            with pytest.raises(LedgerUnavailable, match="out of memory: raise maxmemory"):
                write()


def test_a_redis_that_becomes_a_replica_while_it_is_used(ledger: Ledger, redis: Any) -> None:
    ledger.lanes()
    redis.execute_command("REPLICAOF", "127.0.0.1", free_port())
    try:
        for write in (lambda: ledger.know_lanes(["x"]), Lane(ledger, redis).submit):
            with pytest.raises(LedgerUnavailable, match="give the primary's URL"):
                write()
    finally:
        redis.execute_command("REPLICAOF", "NO", "ONE")


def test_a_broken_connection_is_replaced_without_a_word(ledger: Ledger, redis: Any) -> None:
    ledger.know_lanes(["one"])
    redis.client_kill_filter(_type="normal", skipme=True)
    assert ledger.lanes() == ["one"]


def test_one_refused_command_of_a_batch_does_not_spoil_the_connection(ledger: Ledger) -> None:
    with pytest.raises(LedgerUnavailable, match="refused a command"):
        ledger.line.batch([("PING",), ("NOSUCHCOMMAND",), ("PING",)])
    assert ledger.line.batch([("PING",), ("PING",)]) == ["PONG", "PONG"]


def test_a_ledger_that_hangs_holds_no_caller_longer_than_it_says(redis_server: RedisServer) -> None:
    server = RedisServer()
    line = Line(server.url(), 5.0)
    line.command("PING")
    server.pause()
    try:
        started_at = time.monotonic()
        with pytest.raises(LedgerUnavailable, match="does not answer"):
            line.command("PING", timeout=0.3)
        assert time.monotonic() - started_at < 1
    finally:
        server.resume()
    assert line.command("PING") == "PONG"
    line.close()
    server.close()


def test_a_thread_waits_for_another_no_longer_than_it_says(
    redis_server: RedisServer, redis: Any, thread: Callable[[Callable[[], object]], None]
) -> None:
    line = Line(redis_server.url(), 5.0)
    line.command("PING")
    thread(lambda: line.command("BLPOP", "nothing", 1, timeout=5))
    eventually(lambda: redis.info("clients")["blocked_clients"] == 1, what="the other thread has the line")
    started_at = time.monotonic()
    with pytest.raises(LedgerUnavailable):
        line.batch([("PING",)], within=0.2)
    assert time.monotonic() - started_at < 0.8
    line.close()


def test_a_line_to_a_primary_that_stepped_down_finds_the_new_one() -> None:
    with (
        closing(RedisServer()) as old,
        closing(RedisServer()) as new,
        Proxy(old.port) as road,
        closing(Line(old.url(port=road.port), 2.0)) as line,
    ):
        line.command("SET", "x", 1)
        road.lead_to(new.port)
        old.client().replicaof("127.0.0.1", new.port)
        with pytest.raises(LedgerUnavailable, match="is read-only"):
            line.command("SET", "x", 2)
        line.command("SET", "x", 2)
        assert new.client().get("x") == "2"
