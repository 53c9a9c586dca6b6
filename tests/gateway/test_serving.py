"""`askfirst gateway` as a process: who may use it, whether it is ready, and how it ends."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from askfirst.cli import main
from askfirst.cli.exits import Exit
from askfirst.config import Settings
from tests.gateway.served import Served
from tests.support.eventually import eventually
from tests.support.servers import RedisServer

ADD = "/v1/work/tests.support.works.add"


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts gateways of the test's own."""
    with contextlib.ExitStack() as stack:

        def start(settings: Settings, *expose: str, **how: dict[str, str]) -> Served:
            served = Served(settings, tmp_path, *expose, **how)
            stack.callback(served.close)
            return served

        yield start


def test_nothing_is_exposed_by_default(serve: Callable[..., Served], settings: Settings) -> None:
    served = serve(settings)
    with served.client() as web:
        assert web.post(ADD, json={"a": 1}).status_code == 404
    assert served.stop() == 0


def test_without_tokens_only_this_machine_by_its_own_names(serve: Callable[..., Served], settings: Settings) -> None:
    with serve(settings, "x", tokens={}).client("nobody") as web:
        assert web.get("/v1/work/x").status_code == 404
        for host in ("localhost", "127.0.0.2:8000", "[::1]:80", "[::1]"):
            assert web.get("/v1/work/x", headers={"Host": host}).status_code == 404
        for host in ("evil.example", "127.0.0.1.evil.example", "10.0.0.1", "0.0.0.0", "[::]:80", "[", ""):
            assert web.get("/v1/work/x", headers={"Host": host}).status_code == 421


def test_a_token_is_needed_where_others_can_reach_it() -> None:
    result = CliRunner().invoke(main, ["--redis-url", "redis://127.0.0.1:1/0", "gateway", "--listen", "0.0.0.0:0"])
    assert result.exit_code == Exit.USAGE
    assert "expected gateway_tokens to be set" in result.stderr


def test_a_browser_gives_the_token_as_a_password(served: Served) -> None:
    with httpx.Client(base_url=served.url, trust_env=False) as web:
        assert "Basic" in web.get("/v1/work/x").headers["WWW-Authenticate"]
        assert web.get("/v1/work/x", auth=("alice", "alices-token-0123")).status_code == 404
        assert web.get("/v1/work/x", auth=("bob", "alices-token-0123")).status_code == 401


def test_it_lives_and_says_503_while_the_ledger_is_away(
    serve: Callable[..., Served], settings: Settings, own_redis: RedisServer
) -> None:
    served = serve(settings.model_copy(update={"redis_url": own_redis.url()}), "tests.support.works.*")
    with served.client() as web:
        assert web.get("/readyz").status_code == 200
        own_redis.kill()
        assert web.get("/livez").status_code == 200
        for answer in (web.get("/readyz"), web.post(ADD, json={"a": 1}), web.get(f"/v1/work/default.{'0' * 32}")):
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "1"
            assert answer.json()["type"] == "urn:askfirst:ledger-unavailable"
            assert "127.0.0.1" not in answer.text
        own_redis.start()
        eventually(lambda: web.get("/readyz").status_code == 200, what="it is ready again")
        own_redis.pause()
        try:
            assert web.get("/readyz").status_code == 503
        finally:
            own_redis.resume()


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.close()


def test_a_restart_lets_go_who_waits_and_loses_nothing(
    serve: Callable[..., Served], served: Served, tmp_path: Path
) -> None:
    mine = serve(served.settings, "tests.support.works.*")
    answers: list[httpx.Response] = []

    def wait() -> None:
        with mine.client() as web:
            payload = {"proof": str(tmp_path / "proof"), "seconds": 3}
            answers.append(web.post("/v1/work/tests.support.works.linger?wait=60", json=payload))

    waiting = threading.Thread(target=wait)
    waiting.start()
    eventually(lambda: (tmp_path / "proof").exists(), what="it runs")
    assert mine.stop() == 0
    waiting.join(10)
    assert answers[0].status_code == 202
    mine.start()
    with mine.client() as web:
        place = answers[0].headers["Location"]
        eventually(lambda: web.get(place).json().get("result") == "slept", what="it ended as if nothing had been")


def test_works_of_a_gateway_that_was_killed_are_found_by_their_ids(
    serve: Callable[..., Served], served: Served, tmp_path: Path
) -> None:
    mine = serve(served.settings, "tests.support.works.*")
    with mine.client() as web:
        payload = {"proof": str(tmp_path / "proof"), "seconds": 2}
        place = web.post("/v1/work/tests.support.works.linger", json=payload).headers["Location"]
    mine.kill()
    mine.start()
    with mine.client() as web:
        eventually(lambda: web.get(place).json().get("result") == "slept", what="it ended as if nothing had been")
