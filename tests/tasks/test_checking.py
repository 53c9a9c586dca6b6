"""A message of a work is taken as it was written, with what brokers add on its way, and in no other way."""

import json
from typing import Any

import pytest

from askfirst.interest.messages import Flaw
from askfirst.interest.records import new_id
from askfirst.interest.sealing import Seal
from askfirst.tasks.checking import problem_of_work
from askfirst.tasks.message import compose

JSON = ("application/json", "utf-8")


@pytest.fixture
def headers() -> dict[str, Any]:
    """The headers of a message, as a worker gets them."""
    ours = {"retention": 60.0, "importance": "normal", "key": "", "interest": "d:test:1"}
    letter = compose(new_id("default"), "t", "{}", ours, Seal("n"), 1.0)
    message = json.loads('{"headers":{"askfirst_deadline":0,' + letter)
    return dict(message["headers"])


def test_what_was_written_is_right(headers: dict[str, Any]) -> None:
    assert problem_of_work(headers, *JSON, {}) is None


@pytest.mark.parametrize("added", [{"redelivered": True}, {"x-death": [{"count": 1}]}, {"x-delivery-count": 2}])
def test_what_brokers_add_is_let_through(headers: dict[str, Any], added: dict[str, Any]) -> None:
    assert problem_of_work(headers | added, *JSON, {}) is None


@pytest.mark.parametrize(
    "added", [{"redelivered": "yes"}, {"called_directly": True}, {"chord": {}}, {"timelimit": [1, 2]}]
)
def test_anything_else_is_refused_by_name(headers: dict[str, Any], added: dict[str, Any]) -> None:
    problem = problem_of_work(headers | added, *JSON, {})
    assert problem is not None
    assert problem.flaw is Flaw.HEADERS
    assert next(iter(added)) in problem.detail
