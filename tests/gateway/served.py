"""A gateway in a process of its own, and a client of it."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from askfirst.config import Settings
from tests.support.processes import end, environment

TOKENS = {"alice": "alices-token-0123", "bob": "bobs-token-456789"}


class Served:
    """`askfirst gateway` as an operator starts it, on a port of its own choice."""

    def __init__(self, settings: Settings, folder: Path, *expose: str, tokens: dict[str, str] | None = None) -> None:
        self.settings = settings
        self._expose = [part for name in expose for part in ("--expose", name)]
        self._tokens = TOKENS if tokens is None else tokens
        self.log_file = folder / "gateway.log"
        self.port = 0
        self.start()

    def start(self) -> None:
        """Starts it, on the port that it had before."""
        command = [sys.executable, "-m", "askfirst", "gateway", "--listen", str(self.port), *self._expose]
        tokens = {f"ASKFIRST_GATEWAY_TOKENS__{owner.upper()}": token for owner, token in self._tokens.items()}
        with self.log_file.open("a") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.PIPE,
                env=environment(self.settings) | tokens,
                text=True,
                start_new_session=True,
            )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith("serving "):
                self.port = int(line.split("/v1")[0].rpartition(":")[2])
                return
        raise AssertionError("it ended without serving")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, owner: str = "alice", **how: Any) -> httpx.Client:
        """As this owner."""
        headers = {"Authorization": f"Bearer {self._tokens[owner]}"} if owner in self._tokens else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=20, trust_env=False, **how)

    def connect(self) -> socket.socket:
        """A bare connection, for what no client library would send."""
        return socket.create_connection(("127.0.0.1", self.port), 10)

    def stop(self) -> int:
        """Asks it to end, and waits; its exit code."""
        self.process.terminate()
        code = self.process.wait(15)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code

    def kill(self) -> None:
        """Ends it as the kernel does."""
        self.process.kill()
        self.close()

    def close(self) -> None:
        if self.process.stderr is not None:
            self.process.stderr.close()
        end(self.process)


def request(method: str, path: str, body: bytes = b"", *more: str, owner: str = "alice") -> bytes:
    """A request as it goes over the wire."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {TOKENS[owner]}",
        "Content-Type: application/json",
        *([] if any(line.lower().startswith("content-length") for line in more) else [f"Content-Length: {len(body)}"]),
        *more,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
