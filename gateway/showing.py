"""A work as HTTP clients see it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from ..interest.records import WorkStatus
from ..interest.states import State
from .owners import shown_key
from .problems import problem_of_ended

RETRY_AFTER: Final = "1"  # seconds until it is worth to look again at a work that has not ended


@dataclass(frozen=True, slots=True)
class View:
    """What the ledger knows of a work at one moment; `result` is JSON, of a completed one."""

    status: WorkStatus
    result: str | None = None

    def body(self) -> dict[str, Any]:
        """As JSON has it. Which worker has it and the traceback of an error are the fleet's business."""
        status = self.status
        body: dict[str, Any] = {
            "id": status.id,
            "name": status.name,
            "key": shown_key(status.key),
            "state": status.state,
            "reason": status.reason,
            "submitted_at": _time(status.submitted_at),
            "started_at": _time(status.started_at),
            "finished_at": _time(status.finished_at),
            "deadline": _time(status.deadline),
            "attempt": status.attempt,
            "progress": status.progress.model_dump() if status.progress is not None else None,
        }
        if status.state is State.COMPLETED:
            body["result"] = json.loads(self.result or "null")
        elif status.state.ended:
            body["problem"] = problem_of_ended(status).body
        return body


def _time(at: Any) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at is not None else None


def base(request: Request) -> str:
    """The path of /v1 as this client knows it: the router can be mounted anywhere, and more than once."""
    root, path = request.scope.get("root_path", "").rstrip("/"), request.scope["path"]
    whole = path if path.startswith(f"{root}/") else f"{root}{path}"
    own = request.scope["route"].path_format.format(**request.path_params)
    return f"{quote(whole.rpartition(own)[0])}/v1"


def location(request: Request, id: str) -> str:
    """Where the work is to be found."""
    return f"{base(request)}/work/{id}"


def described(request: Request, view: View) -> Response:
    """The state of a work as a resource: the same body has the same tag."""
    text = _text(view)
    headers = {"ETag": f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"', "Cache-Control": "no-cache"}
    if not view.status.state.ended:
        headers["Retry-After"] = RETRY_AFTER
    if _matches(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(text, 200, headers, "application/json")


def cancelled(view: View) -> Response:
    """The state of a work that was told to end: whether it has ended."""
    if view.status.state.ended:
        return Response(_text(view), 200, media_type="application/json")
    return Response(_text(view), 202, {"Retry-After": RETRY_AFTER}, "application/json")


def accepted(request: Request, view: View, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that names the place where to look for the result."""
    more = {"Location": location(request, view.status.id), "Retry-After": RETRY_AFTER, **(headers or {})}
    return Response(_text(view), 202, more, "application/json")


def answered(request: Request, view: View, headers: Mapping[str, str]) -> Response:
    """The answer to who waited: the result, how else it ended, or that it has not yet."""
    if not view.status.state.ended:
        return accepted(request, view, headers)
    more = {"Location": location(request, view.status.id), **headers}
    if view.status.state is State.COMPLETED:
        return Response(_text(view), 200, more, "application/json")
    problem = problem_of_ended(view.status)
    problem.headers |= more
    return problem.response()


def _text(view: View) -> str:
    return json.dumps(view.body(), separators=(",", ":"))


def _matches(request: Request, tag: str) -> bool:
    lines = ",".join(request.headers.getlist("if-none-match"))
    given = [part.strip().removeprefix("W/") for part in lines.split(",")]
    return "*" in given or tag in given
