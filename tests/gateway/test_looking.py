"""Lists, types and event streams."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.gateway.served import Served
from tests.support.eventually import eventually
from tests.support.fleet import Fleet

WORKS = "/v1/work/tests.support.works."


def events(web: httpx.Client, place: str, last: str = "") -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Kind, id and data of each event until the stream ends."""
    with web.stream("GET", f"{place}/events", headers={"Last-Event-ID": last}) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        event: dict[str, str] = {}
        for line in stream.iter_lines():
            name, _, value = line.partition(": ")
            event[name] = value
            if not line and "data" in event:
                yield event["event"], event["id"], json.loads(event["data"])
                event = {}


def test_events_tell_state_progress_and_outcome(web: httpx.Client) -> None:
    place = web.post(f"{WORKS}count_to", json={"total": 12}).headers["Location"]
    told = list(events(web, place))
    kinds = [kind for kind, _, _ in told]
    assert kinds[-1] == "outcome"
    assert told[-1][2]["result"] == 12
    done = [body["progress"]["done"] for kind, _, body in told if kind == "progress"]
    assert len(done) >= 2
    assert done == sorted(set(done))
    assert set(kinds) <= {"state", "progress", "outcome"}


def test_who_comes_again_is_not_told_the_same_again(web: httpx.Client, fleet: Fleet, tmp_path: Path) -> None:
    with fleet.busy(tmp_path):
        place = web.post(f"{WORKS}add", json={"a": 1}).headers["Location"]
        kind, seen, body = next(events(web, place))
        assert (kind, body["state"]) == ("state", "PENDING")
    eventually(lambda: web.get(place).json()["state"] == "COMPLETED", what="it ends")
    [(kind, last, body)] = events(web, place, seen)
    assert (kind, body["result"]) == ("outcome", 2)
    assert web.get(f"{place}/events", headers={"Last-Event-ID": last}).status_code == 204


def test_events_of_another_owner_are_not_to_be_had(web: httpx.Client, bob: httpx.Client) -> None:
    place = web.post(f"{WORKS}add?wait=5", json={"a": 1}).headers["Location"]
    assert bob.get(f"{place}/events").status_code == 404


def test_an_owner_lists_their_own_works_page_by_page(web: httpx.Client, bob: httpx.Client, fleet: Fleet) -> None:
    mine = [web.post(f"{WORKS}double?wait=10", json={"x": n}).json()["id"] for n in range(5)]
    theirs = bob.post(f"{WORKS}double?wait=10", json={"x": 9}).json()["id"]
    query = {"state": "completed", "name": "tests.support.works.double", "limit": "2"}
    listed: list[str] = []
    while True:
        body = web.get("/v1/work", params=query).json()
        assert len(body["works"]) <= 2
        listed += [each["id"] for each in body["works"]]
        if body["next"] is None:
            break
        query["after"] = body["next"]
    assert listed == mine[::-1]
    assert theirs not in listed
    assert web.get("/v1/work", params=query | {"state": "FAILED"}).json()["works"] == []


@pytest.mark.parametrize(("name", "value"), [("state", "sleeping"), ("limit", "0"), ("limit", "x"), ("after", "x")])
def test_a_wrong_query_is_refused_and_named(web: httpx.Client, name: str, value: str) -> None:
    answer = web.get("/v1/work", params={name: value})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [name]


def test_types_come_with_their_schemas(web: httpx.Client, fleet: Fleet) -> None:
    types = {each["name"]: each for each in web.get("/v1/types").json()["types"]}
    add = types["tests.support.works.add"]
    Draft202012Validator(add["payload"]).validate({"a": 1})
    assert not Draft202012Validator(add["payload"]).is_valid({"b": 1})
    Draft202012Validator(add["result"]).validate(2)
    assert all(name.startswith("tests.support.works.") for name in types)


def test_the_openapi_document_describes_each_type(web: httpx.Client, fleet: Fleet) -> None:
    document = web.get("/v1/openapi.json").json()
    text = json.dumps(document)
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', text)):
        part = document
        for name in reference.split("/"):
            part = part[name]
    operation = document["paths"]["/v1/work/tests.support.works.make_thing"]["post"]
    assert set(operation["responses"]) >= {"200", "202", "404", "422", "429", "503"}
    schema = {**document["components"]["schemas"]["tests.support.works.make_thing.result"], **document}
    thing = {"name": "a", "made_on": "2024-01-01", "parts": []}
    assert Draft202012Validator(schema).is_valid(thing)
    assert not Draft202012Validator(schema).is_valid({"name": 1})


def test_streams_end_with_the_gateway(served: Served, tmp_path: Path) -> None:
    mine = Served(served.settings, tmp_path, "tests.support.works.*")
    try:
        with mine.client() as web:
            place = web.post(f"{WORKS}linger", json={"proof": str(tmp_path / "p"), "seconds": 20}).headers["Location"]
            stream = events(web, place)
            next(stream)
            mine.process.terminate()
            list(stream)  # ends by itself, and in order
        assert mine.stop() == 0
        with served.client() as web:
            web.delete(place)
    finally:
        mine.close()
