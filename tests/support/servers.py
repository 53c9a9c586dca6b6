"""Real Redis servers of the tests' own: started, frozen, killed and started again by process id."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import redis

from askfirst.interest.server import find_server

from .eventually import eventually


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RedisServer:
    """A server process with its folder; options as on the command line, without the dashes."""

    def __init__(self, **options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="askfirst-test-"))
        self.port = free_port()
        self._options = {
            "bind": "127.0.0.1",
            "dir": str(self.folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "unixsocket": str(self.folder / "redis.sock"),
            "logfile": str(self.folder / "redis.log"),
            "databases": "16",
        } | {name.replace("_", "-"): value for name, value in options.items()}
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: dict[int, Any] = {}
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def url(self, database: int = 0, *, port: int | None = None, login: str = "") -> str:
        return f"redis://{login}127.0.0.1:{port or self.port}/{database}"

    def client(self, database: int = 0) -> Any:
        """A plain client, for looking and for tampering; it goes with the server."""
        if database not in self._clients:
            password = self._options.get("requirepass")
            self._clients[database] = redis.Redis(
                port=self.port, db=database, password=password, decode_responses=True, protocol=2, socket_timeout=10
            )
        return self._clients[database]

    def start(self, variables: Mapping[str, str] | None = None) -> None:
        """Starts it, on the same port and folder as before, and waits until it answers; `variables` of environment."""
        options = [part for name, value in self._options.items() for part in (f"--{name}", value)]
        command = [str(find_server().path), "--port", str(self.port), *options]
        # It keeps Python's ignoring of SIGXFSZ: where no more may be written it is told so, instead of being ended.
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            env=os.environ | dict(variables or {}),
            restore_signals=False,
        )
        eventually(self._answers, what=f"redis-server answers; see {self.folder}/redis.log")

    @property
    def pid(self) -> int:
        assert self._process is not None, "it does not run"
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process is not None

    def pause(self) -> None:
        """Freezes it: connections stay, nothing is answered."""
        self._process_or_fail().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process_or_fail().send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kills it; `start` brings it back with what it had written."""
        process = self._process_or_fail()
        process.kill()
        process.wait(10)
        self._process = None

    def close(self) -> None:
        """Ends it for good and removes its folder."""
        for client in self._clients.values():
            client.close()
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _process_or_fail(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "it does not run"
        return self._process

    def _answers(self) -> bool:
        with contextlib.suppress(redis.exceptions.ConnectionError):
            return bool(self.client().ping())
        return False
