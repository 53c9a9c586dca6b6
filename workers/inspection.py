"""Looks at each message before Celery does: decides, and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kombu.message import Message
from kombu.utils import json as kombu_json

from ..interest.messages import Flaw
from ..interest.records import lane_of
from ..tasks.checking import DEEPEST, Problem, is_deep, problem_of_body, problem_of_call, problem_of_work
from ..tasks.message import SAME, is_outdated, is_signed
from .runtime import Runtime
from .task import WorkTask

_SLACK: Final = 4  # times max_payload: callers' settings may differ from the worker's
_ENVELOPE: Final = 65_536  # bytes of a message besides its payload, at most
_ESCAPED: Final = 8  # times as long may a text become inside JSON


class Inspector:
    """Strict in an app of askfirst's own; in one that was there before, other tasks' messages are Celery's affair."""

    def __init__(self, runtime: Runtime, app: Any) -> None:
        self._runtime = runtime
        self._app = app
        self._own = runtime.own

    def problem_of_size(self, size: int) -> Problem | None:
        """Whether an entry of the broker's list is too large to be looked at."""
        if self._own and size > self._longest() * _ESCAPED:
            return Problem(Flaw.TOO_LARGE, f"{size} bytes")
        return None

    def problem_of_entry(self, entry: Any) -> Problem | None:
        """What is wrong with an entry as kombu's virtual transports read it, before they make a message of it."""
        if not isinstance(entry, dict) or not isinstance(entry.get("properties"), dict):
            return Problem(Flaw.NO_MESSAGE, "expected an object with properties")
        properties, headers = entry["properties"], entry.get("headers")
        where = properties.get("delivery_info")
        if not isinstance(headers, dict | None) or not isinstance(where, dict):
            return Problem(Flaw.NO_MESSAGE, "expected headers and delivery_info to be objects")
        texts = [properties.get("delivery_tag"), where.get("exchange"), where.get("routing_key")]
        body = entry.get("body")
        if not isinstance(body, bytes):  # as kombu puts back what it has taken and not been done with
            texts.append(body or "")
        texts += [value or "" for value in (entry.get("content-type"), entry.get("content-encoding"))]
        texts.append(properties.get("body_encoding") or "")
        if not all(isinstance(text, str) for text in texts):
            return Problem(Flaw.NO_MESSAGE, "expected the delivery's tag and place, body and its kind to be texts")
        if is_deep(entry):
            return Problem(Flaw.TOO_DEEP, f"more than {DEEPEST} levels")
        if headers and headers.get("compression") and self._names_work_type(headers):
            return Problem(Flaw.COMPRESSED, "works are never sent compressed")
        return None

    def problem_of(self, message: Message) -> Problem | None:
        """What is wrong with a message; None for one that Celery may have."""
        headers = message.headers
        if "task" not in headers:
            return self._problem_of_protocol_one(message)
        if not isinstance(headers["task"], str):
            return Problem(Flaw.NO_MESSAGE, f"expected the task's name, got {headers['task']!r:.100}")
        work = _is_of_work(headers)
        if not work and not self._own and not self._names_work_type(headers):
            return None  # another task of this app
        if is_deep(headers):
            return Problem(Flaw.TOO_DEEP, f"headers of more than {DEEPEST} levels")
        if not work and self._runtime.ledger.seal.is_on:
            return Problem(Flaw.SIGNATURE, "plain calls can't be signed")
        problem = self._problem_of_work(message) if work else problem_of_call(headers, message.content_type)
        return problem or self._problem_of_body(message, work)

    def is_good(self, letter: str) -> bool:
        """Whether a work's letter makes a message that a worker can run."""
        try:
            entry = kombu_json.loads('{"headers":{"askfirst_deadline":0,' + letter)
            body = kombu_json.loads(entry["body"])
            kind = entry["content-type"], entry["content-encoding"]
            problem = (
                problem_of_work(entry["headers"], *kind, {})
                or self._problem_of_signature(entry["headers"], entry["body"])
                or problem_of_body(body, work=True)
            )
        except Exception:
            return False  # whoever wrote it, it was not askfirst
        return problem is None and not is_deep(body)

    def _problem_of_signature(self, headers: Mapping[str, Any], body: str) -> Problem | None:
        seal = self._runtime.ledger.seal
        if not seal.is_on:
            return None
        if not is_signed(seal, headers, body):
            return Problem(Flaw.SIGNATURE, "not signed with the signing key, or changed since")
        if is_outdated(headers):
            return Problem(Flaw.SIGNATURE, "its time, which is signed, is over")
        return None

    def _problem_of_work(self, message: Message) -> Problem | None:
        properties = message.properties
        problem = problem_of_work(message.headers, message.content_type, message.content_encoding, properties)
        if problem is not None:
            return problem
        name = message.headers["task"]
        if name in self._app.tasks and not self._names_work_type(message.headers):
            return Problem(Flaw.UNKNOWN_TYPE, f"{name} is a task, but no work type")
        lane = lane_of(message.headers["id"]) or ""
        if lane not in self._runtime.lanes:
            return Problem(Flaw.FOREIGN_LANE, f"this worker does not serve the lane {lane}")
        # Given back to the broker, it would go wherever it says.
        queue = self._runtime.ledger.keys(lane).queue
        if message.delivery_info.get("routing_key", queue) != queue:
            return Problem(Flaw.FOREIGN_LANE, "its routing key is not its lane's queue")
        if not isinstance(properties.get("priority"), int | None):
            return Problem(Flaw.HEADERS, "expected priority to be a number")
        body = message.body
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
        return self._problem_of_signature(message.headers, text)

    def _problem_of_body(self, message: Message, work: bool) -> Problem | None:
        if len(message.body or "") > self._longest():
            return Problem(Flaw.TOO_LARGE, f"a body of {len(message.body)} bytes")
        try:
            body = message.payload  # kept by the message: Celery does not decode it again
        except Exception as error:
            return Problem(Flaw.BODY, f"{type(error).__name__}: {error!s:.200}")
        # One that has few brackets can't be deep: most are not walked through.
        brackets = sum(map(message.body.count, (b"[", b"{"))) if isinstance(message.body, bytes) else DEEPEST
        if brackets >= DEEPEST and is_deep(body):
            return Problem(Flaw.TOO_DEEP, f"more than {DEEPEST} levels")
        return problem_of_body(body, work=work)

    def _problem_of_protocol_one(self, message: Message) -> Problem | None:
        if self._own:
            return Problem(Flaw.NO_MESSAGE, "expected the header 'task'")
        try:
            body = message.payload
        except Exception as error:
            return Problem(Flaw.BODY, f"{type(error).__name__}: {error!s:.200}")
        if isinstance(body, dict) and self._names_work_type(body):
            return Problem(Flaw.NO_MESSAGE, "a work type is not called by Celery's old protocol")
        return None

    def _names_work_type(self, headers: Mapping[str, Any]) -> bool:
        name = headers.get("task")
        return isinstance(name, str) and isinstance(self._app.tasks.get(name), WorkTask)

    def _longest(self) -> int:
        """Bytes of the largest body that any work type admits."""
        return _SLACK * self._runtime.largest_payload + _ENVELOPE


def _is_of_work(headers: Mapping[str, Any]) -> bool:
    """Whether any of it says that it is askfirst's: one that is spoiled must not pass for a plain call."""
    id = headers.get("id")
    ours = {"askfirst", "askfirst_deadline"} & headers.keys() or headers.get("origin") == SAME["origin"]
    return bool(ours) or (isinstance(id, str) and lane_of(id) is not None)
