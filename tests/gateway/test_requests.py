"""Submitting, looking and cancelling by HTTP."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import BaseModel, Field

from askfirst import DuplicateWork, work
from askfirst.gateway.desk import Desk
from askfirst.gateway.reading import Wishes
from askfirst.waiters.client import Client
from askfirst.waiters.submitting import callee_of
from tests.gateway.served import Served
from tests.support.eventually import eventually
from tests.support.fleet import Fleet, lines

WORKS = "/v1/work/tests.support.works."
JSON = {"Content-Type": "application/json"}


def ended(web: httpx.Client, location: str) -> dict[str, Any]:
    """The work once it has ended."""

    def look() -> dict[str, Any] | None:
        body: dict[str, Any] = web.get(location).json()
        return body if body["state"] not in ("PENDING", "RUNNING") else None

    return eventually(look, what="it ends")  # type: ignore[return-value]  # eventually never returns None


def test_a_work_is_accepted_and_its_result_is_found_by_its_location(web: httpx.Client) -> None:
    accepted = web.post(f"{WORKS}add", json={"a": 2, "b": 3}, headers={"Idempotency-Key": "five"})
    assert accepted.status_code == 202
    assert accepted.headers["Retry-After"] == "1"
    body = accepted.json()
    assert (body["name"], body["key"]) == ("tests.support.works.add", "five")
    assert accepted.headers["Location"] == f"/v1/work/{body['id']}"
    found = ended(web, accepted.headers["Location"])
    assert (found["state"], found["result"]) == ("COMPLETED", 5)
    assert found["submitted_at"].endswith("Z")
    assert "worker" not in found


def test_waiting_brings_the_result_itself(web: httpx.Client) -> None:
    answer = web.post(f"{WORKS}add?wait=10", json={"a": 2})
    assert (answer.status_code, answer.json()["result"]) == (200, 3)
    answer = web.post(f"{WORKS}add", json={"a": 3}, headers={"Prefer": "respond-async, wait=10"})
    assert (answer.status_code, answer.json()["result"]) == (200, 4)
    assert answer.headers["Preference-Applied"] == "wait=10"


def test_a_wait_that_is_too_short_leaves_the_work_to_be_found(web: httpx.Client, tmp_path: Path) -> None:
    answer = web.post(f"{WORKS}linger?wait=0.3", json={"proof": str(tmp_path / "proof"), "seconds": 1})
    assert answer.status_code == 202
    assert ended(web, answer.headers["Location"])["result"] == "slept"


@pytest.mark.parametrize(
    ("name", "payload", "headers", "status", "kind"),
    [
        ("fail", {"text": "boom"}, {}, 502, "work-failed"),
        ("count_to", {"total": 100}, {"Request-Timeout": "0.3"}, 504, "deadline-passed"),
    ],
)
def test_waiting_for_what_goes_wrong_brings_problem_details(
    web: httpx.Client, name: str, payload: dict[str, Any], headers: dict[str, str], status: int, kind: str
) -> None:
    answer = web.post(f"{WORKS}{name}?wait=10", json=payload, headers=headers)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:askfirst:{kind}"
    assert answer.json()["status"] == status
    problem = ended(web, answer.headers["Location"])["problem"]
    assert problem["type"] == f"urn:askfirst:{kind}"
    assert "Traceback" not in answer.text


def test_the_same_state_has_the_same_tag(web: httpx.Client) -> None:
    place = web.post(f"{WORKS}add?wait=10", json={"a": 2}).headers["Location"]
    first = web.get(place)
    again = web.get(place, headers={"If-None-Match": f'"other", {first.headers["ETag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert web.get(place, headers={"If-None-Match": '"other"'}).status_code == 200
    lines = [("If-None-Match", '"other"'), ("If-None-Match", first.headers["ETag"])]
    assert web.get(place, headers=lines).status_code == 304


def test_a_delete_tells_the_state_whatever_its_client_has_seen(web: httpx.Client) -> None:
    place = web.post(f"{WORKS}add?wait=10", json={"a": 2}).headers["Location"]
    answer = web.delete(place, headers={"If-None-Match": "*"})
    assert (answer.status_code, answer.json()["state"]) == (200, "COMPLETED")


def test_a_payload_is_as_large_as_its_bytes(web: httpx.Client, tmp_path: Path) -> None:
    payload = {"proof": str(tmp_path / "proof"), "line": "я" * 100_000}
    body = json.dumps(payload, ensure_ascii=False).encode()
    answer = web.post(f"{WORKS}prove?wait=10", content=body, headers=JSON)
    assert (answer.status_code, answer.json().get("result")) == (200, payload["line"])


def test_a_queued_work_that_is_deleted_never_starts(web: httpx.Client, fleet: Fleet, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    with fleet.busy(tmp_path):
        place = web.post(f"{WORKS}prove", json={"proof": str(proof)}).headers["Location"]
        answer = web.delete(place)
        assert (answer.status_code, answer.json()["state"]) == (200, "CANCELLED")
        assert answer.json()["problem"]["status"] == 409
    fleet.sweep(tmp_path)
    assert lines(proof) == []
    assert web.delete(place).status_code == 200


def test_a_running_work_that_is_deleted_stops(web: httpx.Client, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    place = web.post(f"{WORKS}linger", json={"proof": str(proof)}).headers["Location"]
    eventually(lambda: lines(proof), what="it runs")
    assert web.delete(place).status_code in (200, 202)
    assert ended(web, place)["reason"] == "withdrawn by its callers"
    eventually(lambda: len(lines(proof)) == 2, within=2, what="it stops")


def test_a_key_is_answered_again_once_its_work_has_ended(web: httpx.Client, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    payload, key = {"proof": str(proof)}, {"Idempotency-Key": f"once {tmp_path}"[:128]}
    first = web.post(f"{WORKS}prove?wait=10", json=payload, headers=key)
    again = web.post(f"{WORKS}prove?wait=10", json=payload, headers=key)
    later = web.post(f"{WORKS}prove", json=payload, headers=key)
    assert first.json() == again.json() == later.json()
    assert (again.status_code, later.status_code) == (200, 202)
    assert lines(proof) == ["ran"]


def test_what_was_cancelled_runs_anew_by_the_same_key(web: httpx.Client, fleet: Fleet, tmp_path: Path) -> None:
    payload, key = {"proof": str(tmp_path / "proof")}, {"Idempotency-Key": f"anew {tmp_path}"[:128]}
    with fleet.busy(tmp_path):
        web.delete(web.post(f"{WORKS}prove", json=payload, headers=key).headers["Location"])
    assert web.post(f"{WORKS}prove?wait=10", json=payload, headers=key).json()["result"] == "ran"


def test_no_owner_finds_or_joins_anothers_work(web: httpx.Client, bob: httpx.Client, tmp_path: Path) -> None:
    proof, key = tmp_path / "proof", {"Idempotency-Key": "shared"}
    place = web.post(f"{WORKS}linger", json={"proof": str(proof), "seconds": 5}, headers=key).headers["Location"]
    assert bob.get(place).status_code == bob.delete(place).status_code == 404
    theirs = bob.post(f"{WORKS}add?wait=10", json={"a": 1}, headers=key)
    assert theirs.json()["result"] == 2
    other = bob.post(f"{WORKS}linger", json={"proof": str(proof), "seconds": 0}, headers=key)
    assert other.json()["id"] != place.rpartition("/")[2]
    assert web.get(place).json()["state"] in ("PENDING", "RUNNING")
    assert web.delete(place).is_success
    ended(bob, other.headers["Location"])


def test_works_of_other_callers_are_not_to_be_seen(web: httpx.Client, fleet: Fleet) -> None:
    from askfirst import submit_work
    from tests.support.works import add

    waiter = submit_work(add, a=1)
    assert waiter.result() == 2
    assert web.get(f"/v1/work/{waiter.id}").status_code == 404


def test_importance_and_deadline_reach_the_work(web: httpx.Client, fleet: Fleet, tmp_path: Path) -> None:
    with fleet.busy(tmp_path):
        answer = web.post(
            f"{WORKS}prove", json={"proof": "p"}, headers={"Importance": "critical", "Request-Timeout": "7"}
        )
        from datetime import datetime

        body = answer.json()
        left = datetime.fromisoformat(body["deadline"]) - datetime.fromisoformat(body["submitted_at"])
        assert left.total_seconds() == pytest.approx(7, abs=0.01)
        assert fleet.redis.llen(fleet.ledger.keys("default").queue) == 1  # that of critical works
        web.delete(answer.headers["Location"])


def test_a_key_stands_for_one_payload(web: httpx.Client, bob: httpx.Client, tmp_path: Path) -> None:
    proof, key = tmp_path / "proof", {"Idempotency-Key": f"one {tmp_path}"[:128]}
    first = web.post(f"{WORKS}prove?wait=10", json={"proof": str(proof), "line": "a"}, headers=key)
    again = web.post(f"{WORKS}prove?wait=10", content=f'{{"line":"a", "proof": "{proof}"}}', headers=key | JSON)
    assert (first.json()["id"], first.status_code) == (again.json()["id"], again.status_code)
    for wait in ("", "?wait=5"):
        other = web.post(f"{WORKS}prove{wait}", json={"proof": str(proof), "line": "b"}, headers=key)
        assert (other.status_code, other.json()["type"]) == (422, "urn:askfirst:key-reused")
    assert bob.post(f"{WORKS}prove?wait=10", json={"proof": str(proof), "line": "c"}, headers=key).is_success
    assert lines(proof) == ["a", "c"]


def test_of_two_payloads_of_a_key_at_once_one_runs(served: Served, tmp_path: Path) -> None:
    proof, key = tmp_path / "proof", {"Idempotency-Key": f"at once {tmp_path}"[:128]}

    def post(n: int) -> tuple[str, int]:
        line = "ab"[n % 2]
        with served.client() as client:
            answer = client.post(f"{WORKS}prove?wait=10", json={"proof": str(proof), "line": line}, headers=key)
        return line, answer.status_code

    with ThreadPoolExecutor(20) as pool:
        answers = set(pool.map(post, range(20)))
    [ran] = lines(proof)
    assert answers == {(ran, 200), ("b" if ran == "a" else "a", 422)}


class Order(BaseModel):
    item: str
    id: UUID = Field(default_factory=uuid4)


@work(timeout=30, name="orders.place")
def place_order(order: Order) -> None: ...


def test_a_key_stands_for_what_was_sent_whatever_its_types_add_to_it(client: Client) -> None:
    """In a process that has imported the work type, each order that is read gets an id of its own."""
    desk, callee = Desk(["orders.*"]), callee_of(client, "orders.place")

    def send(item: str) -> str:
        payload, wishes = {"order": {"item": item}}, Wishes("key", None, "normal", 0.0, False)
        return desk.submit(callee, json.dumps(payload).encode(), payload, wishes, "me").id

    assert send("tea") == send("tea")
    with pytest.raises(DuplicateWork):
        send("milk")
