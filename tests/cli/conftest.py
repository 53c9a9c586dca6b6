"""A Redis, a worker and the command line, as a user has them: the command in this process or in one of its own."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from askfirst.cli import main
from askfirst.waiters import client
from tests.support.eventually import eventually
from tests.support.servers import RedisServer

HERE = Path(__file__).parent


class Cli:
    """The command line for one Redis and namespace."""

    def __init__(self, redis_url: str, namespace: str) -> None:
        self.options = ["--redis-url", redis_url, "--namespace", namespace]

    def __call__(self, *arguments: str, input: str | None = None) -> Result:
        """Runs it in this process."""
        return CliRunner().invoke(main, [*self.options, *arguments], input=input)

    def start(self, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        """Starts it in a process of its own."""
        return start(*self.options, *arguments, **options)


def start(*arguments: str, **options: Any) -> "subprocess.Popen[str]":
    """Starts `askfirst` with these arguments, in the folder of the test works."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
    command = [sys.executable, "-m", "askfirst", *arguments]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(command, **(pipes | {"cwd": HERE, "text": True, "env": environment} | options))


def lines_until(process: "subprocess.Popen[str]", text: str) -> str:
    """What the process says up to the line with this text; the test's own timeout is the deadline."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"it ended without saying {text!r}: {said}")


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


@pytest.fixture
def cli(cli_redis: RedisServer) -> Cli:
    """In a namespace of its own, which no worker serves."""
    return Cli(cli_redis.url(), f"test-{uuid.uuid4().hex[:8]}")


@pytest.fixture(scope="session")
def served(cli_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """In the namespace that a worker with the works of cli_works.py serves."""
    cli = Cli(cli_redis.url(), "served")
    log = tmp_path_factory.mktemp("worker") / "log"
    with log.open("w") as out:
        worker = cli.start(
            "worker", "--import", "cli_works", "--lanes", "default", "--concurrency", "4", stdout=out, stderr=out
        )
    eventually(lambda: "ready." in log.read_text(), within=30, what="the worker is ready")
    yield cli
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0, log.read_text()


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
