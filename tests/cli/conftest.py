"""A Redis, a worker, and the command line on them."""

import contextlib
import json
import os
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from askfirst.interest import keys
from askfirst.waiters import client
from tests.cli.commands import Cli
from tests.support.eventually import eventually
from tests.support.servers import RedisServer


@pytest.fixture(scope="session")
def cli_redis() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.close()


@pytest.fixture(autouse=True)
def settings_of_this_test_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No settings from outside, and none left behind in the process-wide client."""
    for name in [name for name in os.environ if name.startswith(("ASKFIRST_", "CELERY_"))]:
        monkeypatch.delenv(name)
    # Noted so that --config, which sets it, is undone.
    monkeypatch.setenv("ASKFIRST_CONFIG", "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(client, "_process", client._Process())
    yield
    if client._process.client is not None:
        client._process.client.close()


@pytest.fixture
def cli(cli_redis: RedisServer) -> Cli:
    """In a namespace of its own, which no worker serves."""
    return Cli(cli_redis.url(), f"test-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def unserved(cli: Cli, served: Cli, cli_redis: RedisServer) -> Cli:
    """In a namespace where the work types are known, but whose workers are gone."""
    with cli_redis.client() as redis:
        types = redis.hgetall(keys.types(served.namespace))
        redis.hset(keys.types(cli.namespace), mapping=types)
    return cli


@pytest.fixture(scope="session")
def served(cli_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """In the namespace that a worker with the works of cli_works.py serves."""
    cli = Cli(cli_redis.url(), "served")
    log = tmp_path_factory.mktemp("worker") / "log"
    options = ["--import", "cli_works", "--lanes", "default", "--concurrency", "4"]
    with log.open("w") as out:
        worker = cli.start("worker", *options, stdout=out, stderr=out, start_new_session=True)
    try:
        eventually(lambda: "ready." in log.read_text(), within=30, what="the worker is ready")
        yield cli
        for each in json.loads(cli("list", "--state", "running", "--json").stdout):
            cli("cancel", each["id"])  # left by a test that failed
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(20) == 0, log.read_text()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


@pytest.fixture
def ended() -> Iterator[Callable[["subprocess.Popen[str]"], "subprocess.Popen[str]"]]:
    """Registers processes that must not outlive the test, whatever happens."""
    processes: list[subprocess.Popen[str]] = []

    def register(process: "subprocess.Popen[str]") -> "subprocess.Popen[str]":
        processes.append(process)
        return process

    yield register
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)
