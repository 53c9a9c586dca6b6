"""Opens what runs need, and gives it back on every way out."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, ExitStack
from typing import Any

from celery import signals

from ..interest.errors import InvalidWork
from ..tasks.resource import Declaration


class ProcessResources:
    """Those opened once per process, at their first use; closed when the process ends in order."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._opened: dict[Declaration, Any] = {}
        self._lock = threading.Lock()
        for ending in (signals.worker_process_shutdown, signals.worker_shutdown):
            ending.connect(self.close, weak=False)

    def get(self, declaration: Declaration) -> Any:
        """The resource, opened now if it is not open yet."""
        with self._lock:
            if declaration not in self._opened:
                self._opened[declaration] = self._stack.enter_context(_synchronous(declaration))
            return self._opened[declaration]

    def close(self, **_: Any) -> None:
        """Closes all, the last opened first."""
        with self._lock:
            self._opened.clear()
            self._stack.close()


def open_all(stack: ExitStack, declared: Mapping[str, Declaration], process: ProcessResources) -> dict[str, Any]:
    """The arguments for these parameters; what is opened for this run only is closed with the stack."""
    return {
        name: process.get(declaration)
        if declaration.scope == "process"
        else stack.enter_context(_synchronous(declaration))
        for name, declaration in declared.items()
    }


async def open_all_async(
    stack: AsyncExitStack, declared: Mapping[str, Declaration], process: ProcessResources
) -> dict[str, Any]:
    """The same on an event loop, where a resource may be asynchronous."""
    opened: dict[str, Any] = {}
    for name, declaration in declared.items():
        if declaration.scope == "process":
            opened[name] = process.get(declaration)
            continue
        manager = declaration.manager()
        if isinstance(manager, AbstractAsyncContextManager):
            opened[name] = await stack.enter_async_context(manager)
        else:
            opened[name] = stack.enter_context(manager)
    return opened


def _synchronous(declaration: Declaration) -> AbstractContextManager[Any]:
    manager = declaration.manager()
    if not isinstance(manager, AbstractContextManager):
        raise InvalidWork(f"expected {declaration.opener!r} to open without an event loop: only async works have one")
    return manager
