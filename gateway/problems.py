"""What went wrong, as HTTP has it: RFC 9457 problem details."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import JSONResponse

from ..interest.errors import (
    DuplicateWork,
    InvalidPayload,
    LedgerUnavailable,
    UnknownWork,
    WorkCancelled,
    WorkError,
    WorkFailed,
    WorkRejected,
    WorkTimeout,
)
from ..interest.records import WorkStatus
from ..interest.states import State

MEDIA_TYPE: Final = "application/problem+json"
#: Of a client that is gone, as nginx has it: only logs see it.
HUNG_UP: Final = 499
_AWAY: Final = 1  # seconds after which to try again when the ledger was away

#: How a work that has no result answers the request that waits for it.
ENDINGS: Final = {
    State.FAILED: (502, "work-failed", "The work failed"),
    State.EXPIRED: (504, "deadline-passed", "The work was not done by its deadline"),
    State.CANCELLED: (409, "work-cancelled", "The work was cancelled"),
}


class Problem(Exception):
    """Ends a request with this answer."""

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str = "",
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail or title)
        self.status = status
        self.headers = dict(headers or {})
        self.body: dict[str, Any] = {"type": f"urn:askfirst:{kind}", "title": title, "status": status}
        if detail:
            self.body["detail"] = _encodable(detail)
        self.body |= more

    def response(self) -> JSONResponse:
        """The answer."""
        return JSONResponse(self.body, self.status, self.headers, MEDIA_TYPE)


def no_such_type(name: str) -> Problem:
    """For types that are unknown, and for those that are not exposed: who may not ask need not know."""
    return Problem(404, "unknown-work-type", "No such work type", f"no work type {name[:200]!r} can be asked for here")


def no_such_work(id: str) -> Problem:
    """For works that are unknown, forgotten, or somebody else's."""
    return Problem(404, "unknown-work", "No such work", f"no work {id[:200]!r} of yours is known")


def problem_of(error: WorkError, **more: Any) -> Problem:
    """What to answer for an error of a submission or of a work."""
    text = str(error)
    match error:
        case WorkRejected(reason="full"):
            return Problem(429, "lane-full", "Too many works wait", text, _retry(error.retry_after), **more)
        case WorkRejected():
            return Problem(503, "overloaded", "It could not be done in time", text, _retry(error.retry_after), **more)
        case LedgerUnavailable():
            # What it is that can't be reached is for the log.
            return Problem(503, "ledger-unavailable", "The ledger is away", "", _retry(_AWAY), **more)
        case InvalidPayload():
            named = error.fields or [("payload", text)]
            fields = [{"field": _encodable(field), "message": _encodable(what)} for field, what in named]
            return Problem(422, "invalid-payload", "The payload is not valid", text, errors=fields, **more)
        case DuplicateWork():
            return Problem(422, "key-reused", "The Idempotency-Key came with another payload before", **more)
        case UnknownWork():
            return Problem(404, "unknown-work-type", "No such work type", text, **more)
        case WorkTimeout():
            return Problem(*ENDINGS[State.EXPIRED], text, **more)
        case WorkCancelled():
            return Problem(*ENDINGS[State.CANCELLED], text, reason=error.reason, **more)
        case WorkFailed():
            return Problem(*ENDINGS[State.FAILED], text, error=error.error_type, **more)
    return Problem(500, "error", "Something went wrong", text, **more)


def problem_of_ended(status: WorkStatus) -> Problem:
    """What to answer for a work that ended without a result."""
    more: dict[str, Any] = {"id": status.id, "state": status.state}
    if status.reason:
        more["reason"] = status.reason
    if status.error is not None:
        more["error"] = status.error.type
    detail = f"{status.error.type}: {status.error.message}" if status.error is not None else status.reason or ""
    return Problem(*ENDINGS[status.state], detail, **more)


def _retry(seconds: float) -> dict[str, str]:
    return {"Retry-After": str(max(math.ceil(seconds), 1))}


def _encodable(text: str) -> str:
    """Names and payloads can hold lone surrogates, which UTF-8 can't carry."""
    return text.encode("utf-8", "backslashreplace").decode()
