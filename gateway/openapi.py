"""The OpenAPI document: each work type that can be asked for has a path of its own, with its schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from ..interest.states import State
from ..waiters.options import IMPORTANCES
from .listing import AFTER, MOST
from .problems import MEDIA_TYPE
from .reading import JSON, KEY, LONGEST_WAIT, TIMEOUT, WAIT

_EVENTS: Final = "text/event-stream"
_TIME: Final = {"type": "string", "format": "date-time"}
_TIME_OR_NULL: Final = {"type": ["string", "null"], "format": "date-time"}
_TEXT: Final = {"type": "string"}
_TEXT_OR_NULL: Final = {"type": ["string", "null"]}
_ID: Final = {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}\\.[0-9a-f]{32}$"}
_STATE: Final = {"enum": [str(state) for state in State]}

_ALWAYS: Final = {
    "id": _ID,
    "name": {"type": "string"},
    "key": _TEXT_OR_NULL,
    "state": _STATE,
    "reason": _TEXT_OR_NULL,
    "submitted_at": _TIME,
    "started_at": _TIME_OR_NULL,
    "finished_at": _TIME_OR_NULL,
    "deadline": _TIME,
    "attempt": {"type": "integer"},
    "progress": {
        "type": ["object", "null"],
        "required": ["done"],
        "properties": {
            "done": {"type": "number"}, "total": {"type": ["number", "null"]}, "note": _TEXT_OR_NULL,
        },
    },
}  # fmt: skip
_WORK: Final = {
    "type": "object",
    "required": list(_ALWAYS),
    "properties": {**_ALWAYS, "result": {}, "problem": {"$ref": "#/components/schemas/Problem"}},
}
_EVENT: Final = {
    "type": "object",
    "description": "Each event of the stream.",
    "properties": {
        "event": {"enum": ["state", "progress", "outcome"]},
        "id": {"type": "string"},
        "data": {
            "type": "string", "contentMediaType": JSON, "contentSchema": {"$ref": "#/components/schemas/Work"},
        },
    },
}  # fmt: skip
_PROBLEM_DETAILS: Final = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
        "id": _ID,
        "state": _STATE,
        "reason": {"type": "string"},
        "error": {"type": "string", "description": "The type of what the work raised."},
    },
}
_WORKS: Final = {
    "type": "object",
    "required": ["works", "next"],
    "properties": {"works": {"type": "array", "items": {"$ref": "#/components/schemas/Work"}}, "next": _TEXT_OR_NULL},
}
_TYPES: Final = {
    "type": "object",
    "required": ["types"],
    "properties": {
        "types": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "timeout", "max_payload", "payload", "result"],
                "properties": {"name": _TEXT, "payload": {"type": "object"}, "timeout": {"type": "number"}},
            },
        }
    },
}
_REFUSALS: Final = {
    400: "No JSON.", 403: "A page of another site led here.", 404: "No such work type.", 408: "Too slow.",
    409: "Waited for, and cancelled.", 413: "Too large.", 415: "Not the type of JSON.", 422: "Not valid.",
    429: "Too many works wait.", 502: "Waited for, and failed.", 503: "Not now.", 504: "Waited for, and late.",
}  # fmt: skip


def document(types: Sequence[dict[str, Any]], prefix: str, security: Mapping[str, Any]) -> dict[str, Any]:
    """The document for these work types, of a router that is mounted under this prefix.

    `security` are the schemes by which its clients say who they are, if the gateway knows them.
    """
    schemas: dict[str, Any] = {"Work": _WORK, "Problem": _PROBLEM_DETAILS, "Works": _WORKS, "Types": _TYPES}
    paths: dict[str, Any] = {}
    for each in types:
        place = re.sub(r"[^A-Za-z0-9._-]", lambda other: f"__{ord(other[0]):x}__", each["name"])
        for part in ("payload", "result"):
            schemas[f"{place}.{part}"] = _moved(each[part], f"{place}.{part}")
        paths[f"{prefix}/work/{quote(each['name'])}"] = {
            "post": _submission(each["name"], place, needed=bool(each["payload"].get("required")))
        }
    paths |= _places(prefix)
    for path in paths.values():
        for operation in path.values():
            if security and isinstance(operation, dict):
                operation["responses"]["401"] = _problem("A token is needed.")
    more: dict[str, Any] = {"security": [{scheme: []} for scheme in security]} if security else {}
    components = {"schemas": schemas, **({"securitySchemes": dict(security)} if security else {})}
    info = {"title": "askfirst", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": components, **more}


def _submission(name: str, place: str, needed: bool) -> dict[str, Any]:
    done = {"allOf": [_ref("Work"), {"properties": {"result": _ref(f"{place}.result")}}]}
    headers = {**_header("Location", _TEXT), **_header("Retry-After", {"type": "integer"})}
    found = {
        200: _answer("Waited for, and done.", done, _header("Location", _TEXT)),
        202: _answer("Accepted.", _ref("Work"), headers),
        **{status: _problem(text) for status, text in _REFUSALS.items()},
    }
    return {
        "summary": f"Asks for {name}.",
        "parameters": [
            _parameter("wait", "query", _pattern(WAIT), f"Seconds to wait for the result, {LONGEST_WAIT:g} at most."),
            _parameter("Idempotency-Key", "header", _pattern(KEY), "Names the work: sent again, it is the same."),
            _parameter("Request-Timeout", "header", _pattern(TIMEOUT), "The deadline from now: 5, 500ms, 2m."),
            _parameter("Importance", "header", {"enum": list(IMPORTANCES)}),
        ],
        "requestBody": {"required": needed, "content": {JSON: {"schema": _ref(f"{place}.payload")}}},
        "responses": _responses(found),
    }


def _places(prefix: str) -> dict[str, Any]:
    """The paths that are there whatever the work types are."""
    id = [{"name": "id", "in": "path", "required": True, "schema": _ID}]
    away = {503: _problem("The ledger is away.")}
    none = {404: _problem("None of yours."), **away}
    tag = _header("ETag", _TEXT)
    look = {200: _answer("How it stands.", _ref("Work"), tag), 304: {"description": "As it was."}, **none}
    cancel = {200: _answer("It has ended.", _ref("Work")), 202: _answer("It stops.", _ref("Work")), **none}
    stream = {200: _content("Its changes, until it ends.", _EVENTS, _EVENT), 204: {"description": "No more."}}
    listed = {200: _answer("Those of this owner.", _ref("Works")), 422: _problem("Not valid."), **away}
    selection = [
        _parameter("state", "query", _STATE),
        _parameter("name", "query", _TEXT),
        _parameter("limit", "query", {"type": "integer", "minimum": 1, "maximum": MOST}),
        _parameter("after", "query", _pattern(AFTER), "What the page before gave as next."),
    ]
    types = {200: _answer("With their schemas.", _ref("Types")), **away}
    this = {200: _answer("The document.", {"type": "object"}), **away}
    return {
        f"{prefix}/work": {"get": _operation("Works, newest first.", listed, selection)},
        f"{prefix}/work/{{id}}": {
            "parameters": id,
            "get": _operation("How a work stands.", look),
            "delete": _operation("Ends a work for all who wait for it.", cancel),
        },
        f"{prefix}/work/{{id}}/events": {
            "parameters": id,
            "get": _operation("A work's changes as server-sent events.", {**stream, **none}),
        },
        f"{prefix}/types": {"get": _operation("The work types that can be asked for.", types)},
        f"{prefix}/openapi.json": {"get": _operation("This document.", this)},
    }


def _operation(
    summary: str, found: dict[int, dict[str, Any]], parameters: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    return {"summary": summary, "parameters": list(parameters), "responses": _responses(found)}


def _moved(schema: Mapping[str, Any], place: str) -> Any:
    """The schema with its references to itself as they must read inside the document."""
    return json.loads(json.dumps(schema).replace('"#/$defs/', f'"#/components/schemas/{place}/$defs/'))


def _parameter(name: str, where: str, schema: Mapping[str, Any], description: str = "") -> dict[str, Any]:
    about = {"description": description} if description else {}
    return {"name": name, "in": where, "required": False, "schema": schema, **about}


def _pattern(pattern: str) -> dict[str, str]:
    return {"type": "string", "pattern": f"^{pattern}$"}


def _header(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {"schema": schema}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(description: str, schema: Mapping[str, Any], headers: dict[str, Any] | None = None) -> dict[str, Any]:
    return _content(description, JSON, schema) | ({"headers": headers} if headers else {})


def _problem(description: str) -> dict[str, Any]:
    return _content(description, MEDIA_TYPE, _ref("Problem"))


def _content(description: str, kind: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {kind: {"schema": schema}}}


def _responses(found: dict[int, dict[str, Any]]) -> dict[str, Any]:
    return {str(status): answer for status, answer in found.items()}
