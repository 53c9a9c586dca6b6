"""`submit_work`: what it takes, what it writes, and what it refuses before anything is written."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from askfirst import (
    InvalidPayload,
    InvalidWork,
    LedgerUnavailable,
    State,
    UnknownWork,
    attach,
    submit_many,
    submit_work,
)
from askfirst.config import Settings
from askfirst.tasks import work_type_of
from askfirst.tasks.published import publish
from askfirst.waiters import configure
from askfirst.waiters.client import Client
from tests.support import works
from tests.support.callers import Caller
from tests.support.eventually import eventually
from tests.support.lanes import Lane
from tests.support.servers import RedisServer, free_port


@pytest.fixture
def nothing_written(lane: Lane) -> Callable[[], bool]:
    """Tells whether there is neither a work nor a message."""
    return lambda: not [key for key in lane.redis.scan_iter() if ":work:" in key or key in lane.keys.queues]


def test_a_submission_is_in_the_ledger_when_it_returns(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1, key="k", timeout=20)
    status = lane.status(waiter.id)
    assert (status.state, status.name, status.key, status.callers) == (State.PENDING, "tests.support.works.add", "k", 1)
    assert lane.rung() == [waiter.id]


def test_its_id_tells_its_lane(client: Client, lane: Lane) -> None:
    assert submit_work(works.add, a=1).id.startswith("default.")
    assert submit_work(works.in_another_lane, proof="/dev/null").id.startswith("io.")
    assert lane.ledger.lanes() == ["default", "io"]


@pytest.mark.parametrize(
    ("timeout", "seconds"), [(None, 30), (5, 5), (0.5, 0.5), ("1m", 60), (timedelta(hours=1), 3600)]
)
def test_the_deadline_is_the_callers_or_else_the_work_types(client: Client, timeout: Any, seconds: float) -> None:
    waiter = submit_work(works.add, a=1, timeout=timeout)
    assert seconds - 0.4 < waiter.remaining() <= seconds


def test_the_function_and_its_name_are_the_same(client: Client, lane: Lane) -> None:
    waiter = submit_work("tests.support.works.make_thing", name="x")
    lane.answer(waiter.id, '{"name":"x","made_on":"2024-02-29","parts":[]}')
    assert isinstance(waiter.result(), works.Thing)


def test_detached_is_written_into_the_interest(client: Client, lane: Lane) -> None:
    waiter = submit_work(works.add, a=1, detached=True)
    assert all(interest.startswith("d:") for interest in lane.redis.zrange(lane.keys.interests(waiter.id), 0, -1))


def test_delayed_work_is_not_rung_yet(client: Client, lane: Lane) -> None:
    submit_work(works.add, a=1, delay="5s", timeout=20)
    assert lane.rung() == []


def test_importance_travels_with_the_message(client: Client, lane: Lane) -> None:
    submit_work(works.add, a=1, importance="sheddable")
    assert lane.messages()[0]["headers"]["askfirst"]["importance"] == "sheddable"


def test_a_fire_and_forget_works_outcome_can_be_had_later(client: Client, lane: Lane) -> None:
    id = submit_work(works.add, a=1, detached=True).id
    lane.answer(id)
    assert attach(id).result() == 42


# Refused


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"timeout": 0}, "expected timeout to be more than 0 seconds, got 0"),
        ({"timeout": -5}, "expected timeout to be more than 0 seconds, got -5"),
        ({"timeout": "soon"}, "timeout: expected a duration"),
        ({"timeout": float("inf")}, "timeout: expected a duration"),
        ({"timeout": 10**400}, "timeout: expected a duration"),
        ({"timeout": True}, "timeout: expected a duration"),
        ({"delay": -1}, "expected delay to be from 0 to less than the timeout, got -1"),
        ({"delay": 30}, "expected delay to be from 0 to less than the timeout, got 30"),
        ({"importance": "huge"}, "expected importance to be one of critical, normal, sheddable, got 'huge'"),
        ({"on_duplicate": "ignore"}, "expected on_duplicate to be one of join, reject, replace, got 'ignore'"),
        ({"detached": "yes"}, "expected detached to be True or False, got 'yes'"),
        ({"key": ""}, "expected key to be 1 to 200 printable characters, got ''"),
        ({"key": "x" * 201}, "expected key"),
        ({"key": "a\nb"}, "expected key"),
        ({"key": 5}, "expected key"),
        ({"a": "one"}, "a: Input should be a valid integer"),
        ({"c": 1}, "c: is no parameter"),
        ({"b": object}, "b: "),
    ],
    ids=lambda value: str(value)[:30].replace("\n", " "),
)
def test_bad_input_is_named_before_anything_is_written(
    client: Client, nothing_written: Callable[[], bool], options: dict[str, Any], text: str
) -> None:
    with pytest.raises(InvalidPayload) as refused:
        submit_work(works.add, **{"a": 1} | options)
    assert text in str(refused.value)
    assert str(refused.value).startswith("tests.support.works.add: ")
    assert nothing_written()


def test_a_missing_argument_is_named(client: Client, nothing_written: Callable[[], bool]) -> None:
    with pytest.raises(InvalidPayload, match="a: is missing"):
        submit_work(works.add)
    assert nothing_written()


def test_an_oversized_payload_is_refused(client: Client, nothing_written: Callable[[], bool]) -> None:
    with pytest.raises(InvalidPayload, match=r"at most \d+ bytes of JSON, got 2000\d\d\d: .*raise max_payload"):
        submit_work(works.fail, text="x" * 2_000_000)
    assert nothing_written()


def test_something_that_is_no_work_is_refused(client: Client, nothing_written: Callable[[], bool]) -> None:
    with pytest.raises(InvalidWork, match="expected a function declared with @work"):
        submit_work(len)
    assert nothing_written()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("tests.support.works.ad", "did you mean 'tests.support.works.add'?"),
        ("something.else", "no worker has published it: import it, or start its worker"),
        ("\udcff", "no work type is called '\\udcff'"),
    ],
)
def test_an_unknown_name_is_refused_with_a_hint(
    client: Client, nothing_written: Callable[[], bool], name: str, hint: str
) -> None:
    with pytest.raises(UnknownWork) as refused:
        submit_work(name, a=1)
    assert hint in str(refused.value)
    assert isinstance(refused.value, LookupError)
    assert nothing_written()


@pytest.mark.parametrize("id_or_key", ["default." + "0" * 32, "no such key", "\udcff"])
def test_attaching_to_what_is_unknown_says_so(client: Client, id_or_key: str) -> None:
    submit_work(works.add, a=1, key="k")
    with pytest.raises(UnknownWork, match=re.escape(repr(id_or_key))):
        attach(id_or_key)


@pytest.mark.parametrize("timeout", [0, -1, "soon"])
def test_attaching_with_a_wrong_timeout_says_so(client: Client, timeout: Any) -> None:
    waiter = submit_work(works.add, a=1)
    with pytest.raises(InvalidPayload, match="timeout"):
        attach(waiter.id, timeout=timeout)


def test_an_unreachable_ledger_says_what_to_change(redis_server: RedisServer, namespace: str) -> None:
    settings = Settings(
        redis_url=f"redis://:s3cret@127.0.0.1:{free_port()}/0", namespace=namespace, connect_timeout=0.5
    )
    configure(settings)
    try:
        with pytest.raises(LedgerUnavailable, match="is redis_url right") as refused:
            submit_work(works.add, a=1)
        assert "s3cret" not in str(refused.value)
        with pytest.raises(LedgerUnavailable):
            submit_many(works.add, [{"a": 1}, {"a": 2}])
    finally:
        configure(settings)


# By name, without the function


@pytest.fixture
def published(ledger: Any) -> None:
    """What a worker makes known when it starts."""
    definition = work_type_of(works.add)
    other = json.loads(publish(definition)) | {"timeout": 77.0, "lane": "io"}
    ledger.publish_types({"elsewhere.add": json.dumps(other)})


def test_by_name_with_the_published_options_and_without_importing(client: Client, published: None, lane: Lane) -> None:
    waiter = submit_work("elsewhere.add", a=1, b=2)
    assert (waiter.name, waiter.lane) == ("elsewhere.add", "io")
    assert 76 < waiter.remaining() <= 77
    Lane(lane.ledger, lane.redis, "io").answer(waiter.id, "3")
    assert waiter.result() == 3


def test_by_name_in_a_process_that_knows_nothing(published: None, caller: Callable[..., Caller], lane: Lane) -> None:
    process = caller(
        """
        waiter = submit_work("elsewhere.add", a=1, b=2)
        say(waiter.id)
        say(waiter.result())
        """
    )
    Lane(lane.ledger, lane.redis, "io").answer(process.line(), "3")
    assert process.rest() == ["3"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "'a' is a required property"),
        ({"a": "one"}, "a: 'one' is not of type 'integer'"),
        ({"a": 1, "c": 1}, "'c'"),
    ],
)
def test_by_name_wrong_arguments_are_named(
    client: Client, published: None, nothing_written: Callable[[], bool], arguments: dict[str, Any], text: str
) -> None:
    with pytest.raises(InvalidPayload) as refused:
        submit_work("elsewhere.add", **arguments)
    assert text in str(refused.value)
    assert nothing_written()


def test_a_published_type_that_changed_is_noticed_in_time(client: Client, ledger: Any, published: None) -> None:
    """Known for ten seconds, so that a caller by name does not ask each time; here the worker comes later."""
    with pytest.raises(UnknownWork):
        submit_work("elsewhere.new", a=1)
    ledger.publish_types({"elsewhere.new": publish(work_type_of(works.add))})
    assert submit_work("elsewhere.new", a=1).id


# Through a broker of its own


def test_a_broker_apart_from_the_ledger_gets_the_message(
    redis_server: RedisServer, settings: Settings, lane: Lane, tmp_path: Path
) -> None:
    broker = redis_server.url(7)
    configure(settings.model_copy(update={"broker_url": broker}))
    try:
        waiter = submit_work(works.add, a=1)
        queue = redis_server.client(7)
        eventually(lambda: queue.llen(lane.keys.queues[1]) == 1, within=3)
        [text] = queue.lrange(lane.keys.queues[1], 0, -1)
        assert json.loads(text)["headers"]["id"] == waiter.id
        assert lane.rung() == []
    finally:
        configure(settings)
        redis_server.client(7).flushdb()
