"""The doorbell of a broker that is not the ledger's Redis: one that dies without a word holds nobody up."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

from askfirst.tasks.doorbell import Doorbell
from tests.support.fakes import FakeServer, silent
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer

StartThread = Callable[[Callable[[], object]], threading.Thread]

QUEUE = "rung.now"
LETTER = json.dumps(
    {
        "body": "[]",
        "headers": {},
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "properties": {"correlation_id": "a", "priority": 0, "expiration": "60000"},
    }
)


def rung_within(seconds: float, thread: StartThread, doorbell: Doorbell, *, by: int = 1) -> bool:
    """Whether so many threads that ring at once are done with it by then."""
    give_up_at = time.monotonic() + seconds
    threads = [thread(lambda: doorbell(QUEUE, [LETTER])) for _ in range(by)]
    for each in threads:
        each.join(max(give_up_at - time.monotonic(), 0.0))
    return not any(each.is_alive() for each in threads)


def test_a_redis_that_died_without_a_word_is_rung_at_on_a_new_connection(
    redis_server: RedisServer, redis: Any, thread: StartThread
) -> None:
    with Proxy(redis_server.port) as road:
        doorbell = Doorbell(f"redis://127.0.0.1:{road.port}/0", connect_timeout=0.3)
        doorbell(QUEUE, [LETTER])
        road.swallow()
        assert rung_within(5, thread, doorbell)
    assert redis.llen(QUEUE) == 2


def test_a_rabbitmq_that_falls_silent_holds_nobody_up(thread: StartThread) -> None:
    asked = threading.Event()
    with rabbitmq_that_falls_silent(asked) as broker:
        doorbell = Doorbell(f"amqp://guest:guest@127.0.0.1:{broker.port}//", connect_timeout=0.3)
        assert rung_within(5, thread, doorbell)
    assert asked.is_set()


def test_who_waits_for_a_broker_that_is_away_learns_of_it_with_the_first(thread: StartThread) -> None:
    with silent() as broker:
        assert rung_within(5, thread, Doorbell(broker.url, connect_timeout=1.0), by=10)


def rabbitmq_that_falls_silent(asked: threading.Event) -> FakeServer:
    """Opens a connection and a channel, in AMQP, and answers nothing more from when it is asked for a queue."""

    def talk(connection: socket.socket) -> None:
        connection.recv(8)  # the protocol's name
        start = struct.pack(">HHBBI", 10, 10, 0, 9, 0) + b"".join(map(_long_text, (b"PLAIN", b"en_US")))
        tune = struct.pack(">HHHIH", 10, 30, 2047, 131_072, 0)
        open_ok = struct.pack(">HHB", 10, 41, 0)
        for method in (start, tune, open_ok):
            connection.sendall(_frame(0, method))
        heard = b""
        while chunk := connection.recv(65_536):
            heard += chunk
            if heard.endswith(_frame(1, struct.pack(">HHB", 20, 10, 0))):  # a channel is to be opened
                connection.sendall(_frame(1, struct.pack(">HHI", 20, 11, 0)))
            if struct.pack(">HH", 50, 10) in heard:  # a queue is to be declared
                asked.set()

    return FakeServer(talk)


def _long_text(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


def _frame(channel: int, method: bytes) -> bytes:
    return struct.pack(">BHI", 1, channel, len(method)) + method + b"\xce"
