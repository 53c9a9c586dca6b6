"""What a run needs and must give back, declared as the default of a parameter."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

from ..interest.errors import InvalidWork

Opener = Callable[[], Any]
Manager = AbstractContextManager[Any] | AbstractAsyncContextManager[Any]

_SCOPES = ("run", "process")
_overrides: dict[Opener, list[Opener]] = {}


class Declaration:
    """Stands as the default of a parameter; the worker puts what it opens in its place."""

    def __init__(self, opener: Opener, scope: str) -> None:
        if scope not in _SCOPES:
            raise InvalidWork(f"expected the scope of a Resource to be run or process, got {scope!r}")
        if not callable(opener):
            raise InvalidWork(f"expected a Resource to be given a function that opens it, got {opener!r}")
        self.opener = opener
        self.scope = scope

    @property
    def is_async(self) -> bool:
        """Whether it is an asynchronous generator; other asynchronous managers show only when they are opened."""
        return inspect.isasyncgenfunction(self.opener)

    def manager(self) -> Manager:
        """Opens it anew, the way it was declared or a test overrides it. Raises `InvalidWork`."""
        opener = _overrides[self.opener][-1] if _overrides.get(self.opener) else self.opener
        if inspect.isgeneratorfunction(opener):
            return contextlib.contextmanager(opener)()
        if inspect.isasyncgenfunction(opener):
            return contextlib.asynccontextmanager(opener)()
        opened = opener()
        if isinstance(opened, AbstractContextManager | AbstractAsyncContextManager):
            return opened
        raise InvalidWork(f"expected {opener!r} to be a generator or to return a context manager, got {opened!r}")


def Resource(opener: Opener, *, scope: str = "run") -> Any:  # stands where the value's own type is annotated
    """`db: Session = Resource(open_session)`: opened before a run, closed on every way out of it.

    `opener` is a generator function or returns a context manager; for an `async def` work either may be asynchronous.
    With scope "process" it is opened at its first use in a worker process and closed when that ends. It is no part of
    the payload. Raises `InvalidWork`.
    """
    return Declaration(opener, scope)


@contextlib.contextmanager
def override_resource(opener: Opener, replacement: Opener) -> Iterator[None]:
    """In tests: opens `replacement` wherever a work declares `opener`, for the length of the block."""
    _overrides.setdefault(opener, []).append(replacement)
    try:
        yield
    finally:
        _overrides[opener].pop()
