"""Clients that hang up want nothing any more; what others want goes on."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from askfirst import works
from askfirst.interest.states import State
from tests.gateway.served import Served, request
from tests.support.eventually import eventually
from tests.support.fleet import Fleet, lines

WORKS = "/v1/work/tests.support.works."


def ask(served: Served, name: str, payload: str, *headers: str) -> Callable[[], None]:
    """Asks and waits; what hangs up."""
    connection = served.connect()
    connection.sendall(request("POST", f"{WORKS}{name}?wait=60", payload.encode(), *headers))
    return connection.close


@pytest.mark.parametrize("count", [50, pytest.param(1000, marks=pytest.mark.slow)])
def test_queued_works_of_clients_that_hung_up_never_start(
    served: Served, web: httpx.Client, fleet: Fleet, tmp_path: Path, count: int
) -> None:
    proof = tmp_path / "proof"
    with fleet.busy(tmp_path):
        before = fleet.ledger.counts("default")
        leave = [ask(served, "prove", f'{{"proof": "{proof}"}}') for _ in range(count)]
        pending = before[State.PENDING] + count
        eventually(lambda: fleet.ledger.counts("default")[State.PENDING] == pending, within=60, what="all wait")
        for hang_up in leave:
            hang_up()
        gone = before[State.CANCELLED] + count
        eventually(lambda: fleet.ledger.counts("default")[State.CANCELLED] == gone, within=20, what="none is wanted")
    fleet.sweep(tmp_path)
    assert lines(proof) == []


def test_a_running_work_stops_when_its_client_hangs_up(served: Served, web: httpx.Client, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    hang_up = ask(served, "linger", f'{{"proof": "{proof}"}}')
    eventually(lambda: lines(proof), what="it runs")
    hang_up()
    eventually(lambda: lines(proof)[1:] == ["stopped: withdrawn by its callers"], within=2, what="it stops")


def test_a_work_goes_on_while_another_client_waits_for_it(
    served: Served, web: httpx.Client, fleet: Fleet, tmp_path: Path
) -> None:
    proof, key = tmp_path / "proof", f"Idempotency-Key: {tmp_path.name} both"
    payload = f'{{"proof": "{proof}", "seconds": 2}}'
    hang_up = ask(served, "linger", payload, key)
    eventually(lambda: lines(proof), what="it runs")
    answers: list[httpx.Response] = []

    def stay() -> None:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key.partition(": ")[2]}
        answers.append(web.post(f"{WORKS}linger?wait=20", content=payload, headers=headers))

    staying = threading.Thread(target=stay)
    staying.start()
    eventually(lambda: callers() == 2, what="both are interested")
    hang_up()
    staying.join(20)
    assert answers[0].json()["result"] == "slept"
    assert len([line for line in lines(proof) if line.startswith("began")]) == 1


def callers() -> int:
    """Of the work that runs."""
    return sum(status.callers for status in works(state=State.RUNNING))


def test_fifty_clients_of_one_key_get_fifty_answers_of_one_run(
    served: Served, web: httpx.Client, tmp_path: Path
) -> None:
    proof = tmp_path / "proof"
    payload, key = {"proof": str(proof), "seconds": 0.5}, {"Idempotency-Key": f"50 {tmp_path.name}"}

    def post(_: int) -> httpx.Response:
        with served.client() as client:
            return client.post(f"{WORKS}linger?wait=20", json=payload, headers=key)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(post, range(50)))
    assert {(answer.status_code, answer.json()["result"]) for answer in answers} == {(200, "slept")}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len([line for line in lines(proof) if line.startswith("began")]) == 1
