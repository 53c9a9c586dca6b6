"""Whatever is sent, the answer is clear, and the gateway goes on."""

from typing import Any

import httpx
import pytest

from askfirst.interest.keys import LaneKeys
from tests.gateway.served import Served, request
from tests.support.fleet import Fleet

WORKS = "/v1/work/tests.support.works."


def test_an_invalid_payload_is_answered_with_each_field(web: httpx.Client) -> None:
    answer = web.post(f"{WORKS}add", json={"b": "two", "c": 1})
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert {error["field"] for error in answer.json()["errors"]} == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"a": 1', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"a": NaN}', "application/json", 400),
        (b'{"a": 1e999}', "application/json", 422),
        (b'{"a": "\\ud800"}', "application/json", 422),
        (b"\xff\xfe", "application/json", 400),
        (b"9" * 5000, "application/json", 400),
        (b"[1]", "application/json", 422),
        (b"null", "application/json; charset=utf-8", 422),
        (b'{"a": 1}', "text/plain", 415),
        (b'{"a": 1}', "", 415),
        (b"a=1", "application/x-www-form-urlencoded", 415),
        (b"{}" + b" " * 300_000, "application/json", 413),
        (b"", "", 422),
    ],
)
def test_a_body_that_is_no_payload_is_refused(web: httpx.Client, body: bytes, kind: str, status: int) -> None:
    answer = web.post(f"{WORKS}add", content=body, headers={"Content-Type": kind} if kind else {})
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status
    if status == 422:
        assert answer.json()["errors"][0]["field"]


def test_a_body_without_a_length_is_bounded_too(web: httpx.Client) -> None:
    def endless() -> Any:
        for _ in range(100):
            yield b" " * 10_000

    answer = web.post(f"{WORKS}add", content=endless(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("Idempotency-Key", "", 422),
        ("Idempotency-Key", "x" * 129, 422),
        ("Idempotency-Key", "sm\xefle", 422),
        ("Request-Timeout", "soon", 422),
        ("Request-Timeout", "nan", 422),
        ("Request-Timeout", "-1", 422),
        ("Request-Timeout", "1e300", 422),
        ("Importance", "urgent", 422),
        ("Authorization", "Bearer wrong", 401),
        ("Authorization", "Basic ////", 401),
        ("Authorization", "", 401),
    ],
)
def test_a_wrong_header_is_refused_and_named(web: httpx.Client, header: str, value: str, status: int) -> None:
    answer = web.post(f"{WORKS}add", json={"a": 1}, headers={header: value.encode("latin-1")})
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    if status == 422:
        assert [error["field"] for error in answer.json()["errors"]] == [header]


@pytest.mark.parametrize("wait", ["", "x", "-1", "inf", "1e9", "9" * 400, "١"])
def test_a_wait_that_is_no_number_of_seconds_is_refused(web: httpx.Client, wait: str) -> None:
    assert web.post(f"{WORKS}add", params={"wait": wait}, json={"a": 1}).status_code == 422


@pytest.mark.parametrize(
    "name",
    [
        "", "nobody", "tests.support", "askfirst.hidden", "../work/x", "..%2F..%2Fetc%2Fpasswd", "a/b/c", "a%00b",
        "%ff%fe", "*", "tests.support.works.*", "tests.support.works.[a]dd", "tests.support.works.add%0d%0aX:%20y",
        "x" * 5000, "tests.support.works.add/", "tests.support.works.add%20", "%E2%80%AEdda",
    ],
)  # fmt: skip
def test_a_name_of_no_work_type_is_not_found(served: Served, name: str) -> None:
    status, head, body = exchange(served, request("POST", f"/v1/work/{name}", b'{"a": 1}'))
    assert status == (405 if "%0a" in name else 404), body  # a line's end fits no route's name
    assert b"application/problem+json" in head
    assert b"root:" not in body


@pytest.mark.parametrize(
    "id",
    [
        "x", "default.0", "default." + "0" * 32, "default." + "0" * 32 + "%0a", "../../readyz", "%2e%2e%2freadyz",
        "%00", "{default}." + "0" * 32, "default:work:x", "no-lane." + "f" * 32, "%F0%9F%98%80", "x" * 5000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_id_of_no_work_is_not_found(served: Served, method: str, id: str) -> None:
    status, head, body = exchange(served, request(method, f"/v1/work/{id}"))
    assert status in ((404, 405) if "/" in id or "%2f" in id else (404,)), body  # with a slash, it may be a name
    assert b"application/problem+json" in head


def test_other_methods_and_paths_get_problem_details(web: httpx.Client) -> None:
    for method, path, status in (("PUT", "/v1/work/x", 405), ("GET", "/nowhere", 404), ("GET", "/v1", 404)):
        answer = web.request(method, path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")


def test_ten_megabytes_of_headers_are_refused(served: Served, web: httpx.Client) -> None:
    with served.connect() as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
        try:
            for _ in range(160):
                connection.sendall(b"x" * 65536)
            answer = connection.recv(65536)
        except ConnectionError:
            answer = b""  # hung up on before it was all sent
    assert answer == b"" or b" 400 " in answer.splitlines()[0]
    assert web.get("/livez").status_code == 200


def test_a_body_that_is_cut_is_no_work(served: Served, web: httpx.Client, fleet: Fleet) -> None:
    before = fleet.ledger.counts("default")
    for _ in range(20):
        with served.connect() as connection:
            connection.sendall(request("POST", f"{WORKS}add", b'{"a": 1}', "Content-Length: 100"))
    assert web.get("/livez").status_code == 200
    assert sum(fleet.ledger.counts("default").values()) == sum(before.values())


def test_a_client_that_sends_slowly_keeps_nobody_waiting(served: Served, web: httpx.Client) -> None:
    slow = [served.connect() for _ in range(50)]
    try:
        for connection in slow:
            connection.sendall(request("POST", f"{WORKS}add", b'{"a"', "Content-Length: 8"))
        assert web.post(f"{WORKS}add?wait=5", json={"a": 1}).json()["result"] == 2
        for connection in slow:
            connection.sendall(b": 1}")
        for connection in slow:
            assert b" 202 " in connection.recv(65536).splitlines()[0]
    finally:
        for connection in slow:
            connection.close()


def test_a_full_lane_is_429_and_says_when_to_come_back(web: httpx.Client, fleet: Fleet, tmp_path: Any) -> None:
    load = LaneKeys(fleet.settings.namespace, "default").load
    with fleet.busy(tmp_path):
        fleet.redis.hset(load, "max_pending", 1)
        try:
            first = web.post(f"{WORKS}prove", json={"proof": "p"})
            refused = web.post(f"{WORKS}prove", json={"proof": "p"})
        finally:
            fleet.redis.hdel(load, "max_pending")
        web.delete(first.headers["Location"])
    assert (first.status_code, refused.status_code) == (202, 429)
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.json()["type"] == "urn:askfirst:lane-full"


def test_what_could_not_be_done_by_its_deadline_is_503(web: httpx.Client, fleet: Fleet, tmp_path: Any) -> None:
    runtimes = fleet.ledger.keys("default").runtimes
    fleet.redis.hset(runtimes, "tests.support.works.wait_for", f"20000.000 0.000 {fleet.lane.now()}")
    try:
        with fleet.busy(tmp_path):
            refused = web.post(f"{WORKS}prove", json={"proof": "p"}, headers={"Request-Timeout": "5"})
    finally:
        fleet.redis.delete(runtimes)
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1  # how long, the lane has learned from the works of other tests
    assert refused.json()["type"] == "urn:askfirst:overloaded"


@pytest.mark.slow
def test_a_body_that_does_not_end_is_given_up(served: Served) -> None:
    with served.connect() as connection:
        connection.settimeout(30)
        connection.sendall(request("POST", f"{WORKS}add", b'{"a"', "Content-Length: 8"))
        assert b" 408 " in connection.recv(65536).splitlines()[0]


def exchange(served: Served, sent: bytes) -> tuple[int, bytes, bytes]:
    """Status, headers and body of the answer to bytes as they are."""
    with served.connect() as connection:
        connection.sendall(sent.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), head, body
