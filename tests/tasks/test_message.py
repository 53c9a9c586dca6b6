"""A work's message is an ordinary Celery message: kombu reads it, and any Celery worker understands it."""

import json

import pytest
from kombu import Connection, Consumer, Queue
from kombu.message import Message

from askfirst import submit_work
from askfirst.interest.sealing import Seal
from askfirst.tasks.message import compose
from askfirst.waiters.client import Client
from tests.support import works
from tests.support.servers import RedisServer


@pytest.fixture
def message(client: Client, redis_server: RedisServer) -> tuple[str, Message]:
    """The id of a work with awkward arguments, and its message as a kombu consumer gets it."""
    waiter = submit_work(works.fail, text='ä "quoted" \\ \n ☃', key="k", timeout=30)
    queue = client.ledger.keys("default").queue
    received: list[Message] = []
    with Connection(redis_server.url()) as connection:
        consumer = Consumer(connection.default_channel, [Queue(queue)], accept=["json"])
        consumer.register_callback(lambda _, message: received.append(message))
        with consumer:
            connection.drain_events(timeout=5)
        received[0].ack()
    return waiter.id, received[0]


def test_kombu_decodes_it(message: tuple[str, Message]) -> None:
    _, received = message
    args, kwargs, embed = received.decode()
    assert args == []
    assert kwargs == {"text": 'ä "quoted" \\ \n ☃'}
    assert embed == {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def test_it_has_the_headers_of_task_protocol_two(message: tuple[str, Message]) -> None:
    id, received = message
    headers = received.headers
    assert (headers["task"], headers["id"], headers["root_id"]) == ("tests.support.works.fail", id, id)
    assert (headers["lang"], headers["retries"], headers["eta"], headers["expires"]) == ("py", 0, None, None)
    assert received.properties["correlation_id"] == id
    assert (received.content_type, received.content_encoding) == ("application/json", "utf-8")


def test_it_tells_what_the_ledger_needs_should_it_lose_the_record(client: Client, message: tuple[str, Message]) -> None:
    _, received = message
    ours = received.headers["askfirst"]
    assert ours["interest"].startswith(f"a:{client.caller}:")
    assert (ours["key"], ours["retention"], ours["importance"]) == ("k", 60.0, "normal")
    seconds, _ = client.ledger.line.command("TIME")
    assert 25_000 < received.headers["askfirst_deadline"] - int(seconds) * 1000 <= 31_000


def test_long_arguments_are_shown_shortened() -> None:
    letter = compose("default.0", "t", json.dumps({"text": "x" * 5000}), {}, Seal("n"), 1.0)
    headers = json.loads('{"headers":{' + letter)["headers"]
    assert len(headers["kwargsrepr"]) == 1025
