"""What a request says: its headers, its query, and a body that is bounded in size and in time."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request

from ..config.units import seconds
from ..waiters.options import IMPORTANCES
from .problems import Problem

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
LONGEST_WAIT: Final = 300.0  # seconds that a request is held
_BODY: Final = 15.0  # seconds that a body may take to arrive
#: What headers and parameters may be; the OpenAPI document says so too.
KEY: Final = "[!-~]([ -~]{0,126}[!-~])?"
WAIT: Final = r"[0-9]{1,9}(\.[0-9]{1,9})?"
_FRACTION: Final = r"0\.[0-9]{0,3}[1-9][0-9]{0,3}"
TIMEOUT: Final = (
    rf"(([1-9][0-9]{{0,7}}(\.[0-9]{{1,6}})?|{_FRACTION})(ms|s)?"
    rf"|([1-9][0-9]{{0,3}}(\.[0-9]{{1,6}})?|{_FRACTION})[mh]"
    rf"|([1-9][0-9]{{0,2}}(\.[0-9]{{1,6}})?|{_FRACTION})d)"
)
_PREFER: Final = re.compile(r'\s*wait\s*=\s*"?(\d+(?:\.\d+)?)"?\s*', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the headers and the query ask for; durations in seconds."""

    key: str | None
    timeout: float | None
    importance: str
    wait: float
    preferred: bool
    """Whether `wait` was asked for by `Prefer`, which wants to be told that it was heard."""


def read_wishes(request: Request) -> Wishes:
    """Raises `Problem`, naming the header or parameter that is wrong."""
    key = request.headers.get("idempotency-key")
    if key is not None and not re.fullmatch(KEY, key):
        raise wrong("Idempotency-Key", "expected 1 to 128 printable ASCII characters")
    importance = request.headers.get("importance", "normal").lower()
    if importance not in IMPORTANCES:
        raise wrong("Importance", f"expected one of {', '.join(IMPORTANCES)}")
    wait, preferred = read_wait(request)
    return Wishes(key, _timeout(request), importance, wait, preferred)


def read_wait(request: Request) -> tuple[float, bool]:
    """For how long to hold the request, and whether a header says so. Raises `Problem`."""
    asked = request.query_params.get("wait")
    if asked is not None:
        return _wait("wait", asked), False
    for part in ",".join(request.headers.getlist("prefer")).split(","):
        match = _PREFER.fullmatch(part)
        if match:
            return _wait("Prefer", match[1]), True
    return 0.0, False


def _wait(where: str, text: str) -> float:
    if not re.fullmatch(WAIT, text):
        raise wrong(where, "expected a number of seconds")
    return min(float(text), LONGEST_WAIT)


def _timeout(request: Request) -> float | None:
    text = request.headers.get("request-timeout")
    if text is None:
        return None
    if not re.fullmatch(TIMEOUT, text):
        expected = "expected more than 0 seconds (less than 10000m, 10000h or 1000d), as 5, 500ms or 2m"
        raise wrong("Request-Timeout", expected)
    return seconds(text)


def is_json(request: Request) -> bool:
    """Whether the body is JSON by its type."""
    kind = _kind(request)
    return kind == JSON or re.fullmatch(r"application/[\w.-]+\+json", kind) is not None


async def read_body(request: Request, limit: int, kind: str = JSON) -> bytes:
    """The whole body. Raises `Problem` if it is of another type, too large, or takes too long."""
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length[:18]) > limit:
        raise too_large(limit)
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise too_large(limit)
    except TimeoutError:
        raise Problem(
            408, "too-slow", "The body took too long", f"expected it within {_BODY:g} s", {"Connection": "close"}
        ) from None
    if body and not (is_json(request) if kind == JSON else _kind(request) == kind):
        raise Problem(415, "wrong-type", "The body is of another type", f"expected Content-Type: {kind}")
    return bytes(body)


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def read_payload(body: bytes) -> dict[str, Any]:
    """The JSON object in a body; an empty one in none. Raises `Problem`."""
    if not body:
        return {}
    try:
        payload = json.loads(body.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Problem(400, "broken-json", "The body is no JSON", reason) from None
    if not isinstance(payload, dict):
        raise wrong("payload", "expected a JSON object that maps parameters to values")
    return payload


def wrong(field: str, message: str) -> Problem:
    """For a part of a request that is not as it must be."""
    errors = [{"field": field, "message": message}]
    return Problem(422, "invalid-request", "The request is not valid", f"{field}: {message}", errors=errors)


def too_large(limit: int) -> Problem:
    """For a payload of more bytes."""
    detail = f"expected at most {limit} bytes"
    # The rest of it is not read: the connection is of no use any more.
    return Problem(413, "too-large", "The payload is too large", detail, {"Connection": "close"})


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
