"""The router in somebody's own application."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Path

from askfirst.config import Settings
from askfirst.gateway.routes import Routes
from askfirst.waiters.client import Client
from tests.support import works
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


@pytest.fixture
def routes(client: Client) -> Iterator[Callable[..., Routes]]:
    """Routers of gateways in this process."""
    made: list[Routes] = []

    def make(authenticate: Callable[..., Any]) -> Routes:
        made.append(Routes(authenticate, [f"{works.__name__}.*"]))
        return made[-1]

    yield make
    for each in made:
        each.desk.close()


async def somebody() -> str:
    return "somebody"


async def tenant_of(tenant: Annotated[str, Path()]) -> str:
    return tenant


@pytest.mark.parametrize("prefix", ["/first", "/second", "/of/a%20b", "/sub/named"])
@pytest.mark.parametrize("root", ["", "/proxied"])
def test_all_places_are_below_the_prefix_that_was_asked(routes: Callable[..., Routes], prefix: str, root: str) -> None:
    app, below = FastAPI(), FastAPI()
    app.include_router(routes(somebody).router, prefix="/first")
    app.include_router(routes(somebody).router, prefix="/second")
    app.include_router(routes(tenant_of).router, prefix="/of/{tenant}")
    below.include_router(routes(somebody).router, prefix="/named")
    app.mount("/sub", below, name="below")

    async def ask(method: str, path: str, **how: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app, root_path=root), base_url="http://x") as web:
            return await web.request(method, path, **how)

    async def check() -> None:
        asked = f"{root}{prefix}/v1"  # servers leave the root in the path
        answer = await ask("POST", f"{asked}/work/{works.__name__}.add", json={"a": 1})
        place = answer.headers["Location"]
        assert place.startswith(f"{asked}/work/default.")
        assert (await ask("GET", place)).json()["state"] == "PENDING"
        assert f"{asked}/types" in (await ask("GET", f"{asked}/openapi.json")).json()["paths"]
        page = (await ask("GET", f"{asked}/pages")).text
        assert f'href="{asked}/pages/new/{works.__name__}.add"' in page
        assert (await ask("DELETE", place)).json()["state"] == "CANCELLED"

    asyncio.run(check())


@pytest.mark.parametrize("owner", [None, 7, object()])
def test_an_owner_that_is_no_text_is_refused(routes: Callable[..., Routes], owner: object) -> None:
    """All whom it does not know would be one owner, called None."""
    app = FastAPI()

    async def forgetful() -> object:
        return owner

    app.include_router(routes(forgetful).router)

    async def ask() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as web:
            await web.get("/v1/types")

    with pytest.raises(TypeError, match="expected authenticate to return the owner as a text"):
        asyncio.run(ask())
