"""The router in somebody's own application."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import httpx
import pytest

from askfirst.config import Settings
from tests.support.eventually import eventually
from tests.support.fleet import Worker
from tests.support.processes import ROOT, end, environment
from tests.support.servers import free_port


@pytest.fixture
def example(settings: Settings, start_worker: Callable[..., Worker]) -> Iterator[httpx.Client]:
    """examples/fastapi_app.py, served as its first lines say, with a worker."""
    start_worker(imports=("examples.works",), lanes=("default",))
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "--port", str(port), "examples.fastapi_app:app"]
    process = subprocess.Popen(command, env=environment(settings), cwd=ROOT, text=True, start_new_session=True)
    web = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"X-User": "me"}, timeout=20, trust_env=False)

    def up() -> bool:
        try:
            return web.get("/").is_success
        except httpx.ConnectError:
            return False

    with web:
        eventually(up, what="it is up")
        yield web
    end(process)


def test_the_example_serves_work_beside_its_own_pages(example: httpx.Client) -> None:
    assert example.get("/").json() == {"hello": "world"}
    answer = example.post("/work/v1/work/reports.build?wait=10", json={"pages": 3})
    assert (answer.status_code, answer.json()["result"]) == (200, "3 pages")
    place = answer.headers["Location"]
    assert place.startswith("/work/v1/work/default.")
    assert example.get(place).status_code == 200
    assert example.get(place, headers={"X-User": "you"}).status_code == 404
    assert example.get(place, headers={"X-User": ""}).json() == {"detail": "who are you?"}
    assert example.post("/work/v1/work/examples.works.count_words", json={"text": "x"}).status_code == 404
    assert example.post("/work/v1/work/reports.build", json={"pages": 100}).status_code == 202
