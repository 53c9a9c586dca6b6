"""What texts of a JSON schema's formats must be, for payloads of works whose function this process has not imported."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any, Final

from jsonschema import FormatChecker
from pydantic import ConfigDict, TypeAdapter

from ..interest.forking import no_fork_meanwhile

#: Those that jsonschema can check by itself.
_KNOWN: Final = ("date", "email", "ipv4", "ipv6", "regex", "uuid")
#: Those that pydantic must read in the worker, and how they begin: it takes numbers and other notations for them, too.
_READ: Final[dict[str, tuple[TypeAdapter[Any], str]]] = {
    "date-time": (TypeAdapter(datetime), r"\d{4}-\d\d-\d\d[Tt ]\d\d:"),
    "time": (TypeAdapter(time), r"\d\d:"),
    "duration": (TypeAdapter(timedelta), "[+-]?P"),
    "base64url": (TypeAdapter(bytes, config=ConfigDict(val_json_bytes="base64")), ""),
}


def _check(kind: TypeAdapter[Any], beginning: str) -> Callable[[object], bool]:
    def is_right(value: object) -> bool:
        if not isinstance(value, str):
            return True  # what else it may be is not the format's to say
        with no_fork_meanwhile():
            kind.validate_json(json.dumps(value))
        return re.match(beginning, value) is not None

    return is_right


def _formats() -> FormatChecker:
    checker = FormatChecker(_KNOWN)
    checker.checkers = {**checker.checkers, **{name: (_check(*how), ValueError) for name, how in _READ.items()}}
    return checker


FORMATS: Final = _formats()
