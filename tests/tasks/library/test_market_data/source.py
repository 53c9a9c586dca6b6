"""A real HTTP source on the loopback that gives end-of-day data, or misbehaves as it is told, request by request."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

#: What becomes of one request.
Answer = Callable[[BaseHTTPRequestHandler], None]

ROWS = [
    {"symbol": f"S{number}", "open": 1.5, "high": 2.25, "low": 1.0, "close": 2.0 + number, "volume": 100 * number}
    for number in range(5)
]


def csv_text(rows: list[dict[str, object]] = ROWS) -> bytes:
    lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def give(body: bytes = b"", status: int = 200, media: str = "text/csv; charset=utf-8", **headers: str) -> Answer:
    """A plain answer; underscores in the names of headers are hyphens."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Type", media)
        request.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def give_rows(rows: list[dict[str, object]] = ROWS) -> Answer:
    return give(csv_text(rows))


def give_json(content: object = ROWS) -> Answer:
    return give(json.dumps(content).encode(), media="application/json")


def cut(body: bytes = csv_text()) -> Answer:
    """Half of what was promised, then nobody there."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "text/csv")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: len(body) // 2])
        request.close_connection = True

    return answer


def endless(request: BaseHTTPRequestHandler) -> None:
    """An answer without an end of its own: it ends with the connection."""
    request.send_response(200)
    request.send_header("Content-Type", "text/csv")
    request.end_headers()
    request.wfile.write(csv_text())
    request.close_connection = True


def hang_up(request: BaseHTTPRequestHandler) -> None:
    """Nothing at all."""
    request.close_connection = True


class Source:
    """Answers each request with the next of `answers`, and the last of them for ever; some exchanges have their own."""

    def __init__(self) -> None:
        self.answers: list[Answer] = [give_rows()]
        self.answers_of: dict[str, list[Answer]] = {}
        self.paths: list[str] = []
        self._over = threading.Event()
        source = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                source.paths.append(self.path)
                answers = source.answers_of.get(self.path.split("/")[1], source.answers)
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                answer(self)

            def log_message(self, format: str, *arguments: object) -> None:
                """Nothing on the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/{{exchange}}/{{day}}.csv"

    def drip(self, request: BaseHTTPRequestHandler) -> None:
        """A byte now and then, for as long as anybody listens, or until the test is over."""
        body = csv_text() * 1000
        request.send_response(200)
        request.send_header("Content-Type", "text/csv")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        try:
            for byte in body:
                if self._over.wait(0.02):
                    return
                request.wfile.write(bytes([byte]))
        except OSError:
            request.close_connection = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
