"""Sees where a process uses pydantic's compiled core, whose locks a child must not inherit."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from pydantic_core import SchemaSerializer, SchemaValidator

from askfirst.interest import forking


@dataclass
class Uses:
    """Lines of code, by whether a fork waited for them."""

    guarded: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)

    def _see(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call" and isinstance(getattr(argument, "__self__", None), (SchemaSerializer, SchemaValidator)):
            seen = self.guarded if threading.get_ident() in forking._busy else self.open
            seen.add(_place(frame))


def _place(frame: FrameType) -> str:
    """The line that used pydantic, and not one of pydantic's own."""
    while "/pydantic/" in frame.f_code.co_filename and frame.f_back is not None:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


@contextmanager
def uses_of_pydantic() -> Iterator[Uses]:
    """By this thread, and by those that begin meanwhile."""
    uses = Uses()
    threading.setprofile(uses._see)
    sys.setprofile(uses._see)
    try:
        yield uses
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
