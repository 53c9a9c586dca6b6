"""The OpenAPI document: each work type that can be asked for has a path of its own, with its schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from ..interest.states import State
from ..waiters.options import IMPORTANCES

_JSON: Final = "application/json"
_PROBLEM: Final = "application/problem+json"
_TIME: Final = {"type": ["string", "null"], "format": "date-time"}

_WORK: Final = {
    "type": "object",
    "required": ["id", "name", "state", "submitted_at", "deadline"],
    "properties": {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "key": {"type": ["string", "null"]},
        "state": {"enum": [str(state) for state in State]},
        "reason": {"type": ["string", "null"]},
        **dict.fromkeys(("submitted_at", "started_at", "finished_at", "deadline"), _TIME),
        "attempt": {"type": "integer"},
        "progress": {"type": ["object", "null"]},
        "result": {},
        "problem": {"$ref": "#/components/schemas/Problem"},
    },
}
_PROBLEM_DETAILS: Final = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object", "required": ["field", "message"]}},
    },
}


def document(types: Sequence[dict[str, Any]], prefix: str) -> dict[str, Any]:
    """The document for these work types, of a router that is mounted under this prefix."""
    schemas: dict[str, Any] = {"Work": _WORK, "Problem": _PROBLEM_DETAILS}
    paths: dict[str, Any] = {}
    for each in types:
        place = re.sub(r"[^A-Za-z0-9._-]", "_", each["name"])
        for part in ("payload", "result"):
            schemas[f"{place}.{part}"] = _moved(each[part], f"{place}.{part}")
        paths[f"{prefix}/work/{each['name']}"] = {"post": _submission(each["name"], place)}
    look = {200: _answer("How it stands.", _ref("Work")), 304: {"description": "As it was."}, 404: _problem("None.")}
    cancel = {200: _answer("It has ended.", _ref("Work")), 202: _answer("It stops.", _ref("Work")), 404: look[404]}
    paths[f"{prefix}/work/{{id}}"] = {
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
        "get": {"summary": "How a work stands.", "responses": _responses(look)},
        "delete": {"summary": "Ends a work for all who wait for it.", "responses": _responses(cancel)},
    }
    info = {"title": "askfirst", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def _submission(name: str, place: str) -> dict[str, Any]:
    done = {"allOf": [_ref("Work"), {"properties": {"result": _ref(f"{place}.result")}}]}
    found = {
        200: _answer("Waited for, and done.", done),
        202: _answer("Accepted.", _ref("Work")),
        **{status: _problem(text) for status, text in _REFUSALS.items()},
    }
    return {
        "summary": f"Asks for {name}.",
        "parameters": [
            _parameter("wait", "query", {"type": "number", "minimum": 0}),
            _parameter("Idempotency-Key", "header", {"type": "string", "pattern": "^[!-~]([ -~]{0,126}[!-~])?$"}),
            _parameter("Request-Timeout", "header", {"type": "string"}),
            _parameter("Importance", "header", {"enum": list(IMPORTANCES)}),
        ],
        "requestBody": {"required": True, "content": {_JSON: {"schema": _ref(f"{place}.payload")}}},
        "responses": _responses(found),
    }


_REFUSALS: Final = {
    400: "No JSON.", 404: "No such work type.", 408: "Too slow.", 409: "Waited for, and cancelled.", 413: "Too large.",
    415: "Not the type of JSON.", 422: "Not valid.", 429: "Too many works wait.", 502: "Waited for, and failed.",
    503: "Not now.", 504: "Waited for, and late.",
}  # fmt: skip


def _moved(schema: dict[str, Any], place: str) -> Any:
    """The schema with its references to itself as they must read inside the document."""
    return json.loads(json.dumps(schema).replace('"#/$defs/', f'"#/components/schemas/{place}/$defs/'))


def _parameter(name: str, where: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": where, "required": False, "schema": schema}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {_JSON: {"schema": schema}}}


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {_PROBLEM: {"schema": _ref("Problem")}}}


def _responses(found: dict[int, dict[str, Any]]) -> dict[str, Any]:
    return {str(status): answer for status, answer in found.items()}
