"""From the worker's monitor to the run, which in a prefork pool is in another process: a datagram socket per child.

The address is made of the worker's name and the child's process id, so that the parent, which learns the id when a
child accepts a work, needs no further bookkeeping. A datagram carries a secret that only the worker's processes have.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import threading
from typing import Any, Final

from celery import signals

from .runtime import Claim, Running, Runtime, runtime_of

_log = logging.getLogger(__name__)
_SECRET: Final = secrets.token_hex(16)  # made before the children are forked, and inherited by them
_FAMILY: Final = secrets.token_hex(4)  # tells workers apart whose containers share a network and count processes alike


class Tripline:
    """The parent's end."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._running = runtime.running
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def trip(self, claim: Claim, reason: str) -> None:
        """Trips the run's token, at its start if it has not begun."""
        if self._runs_are_here():
            self._running.trip(claim.fence, reason)
        else:
            self._send(claim, {"trip": reason})

    def extend(self, claim: Claim, remaining: float) -> None:
        """Moves the run's deadline to `remaining` seconds from now."""
        if self._runs_are_here():
            self._running.extend(claim.fence, remaining)
        else:
            self._send(claim, {"extend": remaining})

    def _runs_are_here(self) -> bool:
        return not self._runtime.killable

    def _send(self, claim: Claim, what: dict[str, Any]) -> None:
        order = {"secret": _SECRET, "fence": claim.fence} | what
        for pid in self._runtime.pids_of(claim):
            try:
                self._socket.sendto(json.dumps(order).encode(), _address(pid))
            except OSError as error:
                _log.debug("%s: process %d cannot be told: %s", claim.id, pid, error)


def listen_in_child() -> None:
    """Has every pool process of this program listen from its start."""
    signals.worker_process_init.connect(_start_listening, weak=False, dispatch_uid="askfirst-tripline")


def _start_listening(**_: Any) -> None:
    from celery import current_app  # the app of this child is known only now

    runtime = getattr(current_app, "askfirst", None)
    if runtime is None:
        return
    line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    line.bind(_address(os.getpid()))
    running = runtime_of(current_app).running
    threading.Thread(target=_listen, args=(line, running), name="askfirst-tripline", daemon=True).start()


def _listen(line: socket.socket, running: Running) -> None:
    while True:
        try:
            order = json.loads(line.recv(4096))
            if not secrets.compare_digest(order["secret"], _SECRET):
                continue
            if "trip" in order:
                running.trip(order["fence"], order["trip"])
            else:
                running.extend(order["fence"], order["extend"])
        except (ValueError, KeyError, TypeError) as error:
            _log.warning("an order that cannot be read was ignored: %s", error)


def _address(pid: int) -> str:
    # In Linux's abstract namespace: no file to clean up, gone with the process.
    return f"\0askfirst.{_FAMILY}.{pid}"
