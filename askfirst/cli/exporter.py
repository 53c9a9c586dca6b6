"""Serves the metrics by HTTP: a look at the ledger for each request."""

from __future__ import annotations

import socket
import socketserver
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from prometheus_client.exposition import choose_encoder

from askfirst import LedgerUnavailable

from .exposition import encode
from .figures import Figures

_PATH: Final = "/metrics"
_TEXT: Final = "text/plain; charset=utf-8"


class Exporter(ThreadingHTTPServer):
    """Listens from when it is made. Raises `OSError` if it can't."""

    daemon_threads = True  # a client that is slow to read doesn't hold up the end

    def __init__(self, host: str, port: int, look: Callable[[], Figures]) -> None:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        self.address_family = family
        self.look = look
        super().__init__(address[:2], _Handler)  # type: ignore[arg-type]  # of both families: host and port

    def server_bind(self) -> None:
        """Without asking DNS for a name of this host, which `HTTPServer` does and which can take its time."""
        socketserver.TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)

    @property
    def url(self) -> str:
        """Where the metrics are."""
        host = f"[{self.server_name}]" if ":" in self.server_name else self.server_name
        return f"http://{host}:{self.server_port}{_PATH}"


class _Handler(BaseHTTPRequestHandler):
    server: Exporter
    timeout = 10  # seconds for a request to come
    server_version = "askfirst"
    sys_version = ""

    def do_GET(self) -> None:
        """The metrics, in the format asked for."""
        if self.path.partition("?")[0] != _PATH:
            self._answer(404, _TEXT, f"the metrics are at {_PATH}\n".encode())
            return
        encoder, content_type = choose_encoder(self.headers.get("Accept", ""))
        try:
            figures = self.server.look()
        except LedgerUnavailable as error:
            self._answer(503, _TEXT, f"the ledger is away: {error}\n".encode())
            return
        self._answer(200, content_type, encode(figures, encoder))

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing: a scrape every few seconds is no news."""

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
