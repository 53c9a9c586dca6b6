"""The gateway on a socket, by uvicorn, until it is told to stop."""

from __future__ import annotations

import gc
import socket
from typing import Final

import uvicorn

from ..config import Settings
from .app import gateway_app

_HEADERS: Final = 2**16  # bytes of a request's headers
_BACKLOG: Final = 2048
_FULL: Final = 500  # younger collections between two of all objects: some 30,000 requests


def serve(settings: Settings, door: socket.socket, drain: int) -> None:
    """Serves until SIGTERM or Ctrl-C; answers under way get `drain` seconds then."""
    app = gateway_app(settings)
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        h11_max_incomplete_event_size=_HEADERS,
        timeout_graceful_shutdown=drain,
    )
    _collect_seldom()
    _Server(config).run([door])


def _collect_seldom() -> None:
    """A full collection looks at all that held requests keep, and nobody is answered meanwhile: 250 ms for 2,000.

    Nearly all of it goes by its reference counts; the rest can wait.
    """
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, _FULL)
    gc.freeze()


class _Server(uvicorn.Server):
    """Tells the held requests first: they are what an orderly end would wait for."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.config.app.state.routes.close()  # type: ignore[union-attr]  # the application that `serve` made
        await super().shutdown(sockets)
