"""Work types as they travel through the ledger, for callers that don't import the function."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Protocol

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from ..interest.errors import InvalidPayload
from .definition import WorkType
from .formats import FORMATS
from .partition import partition_of


class Callee(Protocol):
    """What a caller must know of a work type, imported or published."""

    @property
    def name(self) -> str: ...
    @property
    def timeout(self) -> float: ...
    @property
    def lane(self) -> str: ...
    @property
    def on_duplicate(self) -> str: ...
    @property
    def retention(self) -> float | None: ...
    @property
    def max_payload(self) -> int | None: ...
    def encode(self, arguments: Mapping[str, Any]) -> str:
        """The arguments as JSON. Raises `InvalidPayload`."""

    def partition(self, text: str) -> str:
        """The partition of these arguments (JSON), empty where the type has none. Raises `InvalidPayload`."""

    def decode_result(self, text: str) -> Any:
        """The result from JSON."""


def publish(definition: WorkType) -> str:
    """The description of a work type, as JSON."""
    carrier = definition.carrier
    description = {
        "timeout": definition.timeout,
        "lane": definition.lane,
        "on_duplicate": definition.on_duplicate,
        "retention": definition.retention,
        "max_payload": definition.max_payload,
        "partition_by": definition.partition_by,
        "payload": carrier.schema(),
        "result": _result_schema(carrier.result.schema()),
    }
    return json.dumps(_sayable(description), allow_nan=False)


def _sayable(part: Any) -> Any:
    """The part of a description without what JSON can't say, such as a default that is infinite."""
    if isinstance(part, dict):
        return {name: _sayable(value) for name, value in part.items() if not _holds_constant(value)}
    return [_sayable(value) for value in part] if isinstance(part, list) else part


def _holds_constant(value: Any) -> bool:
    """Whether it is infinity or NaN, or a list with one."""
    if isinstance(value, list):
        return any(map(_holds_constant, value))
    return isinstance(value, float) and not math.isfinite(value)


def _result_schema(carried: Mapping[str, Any]) -> dict[str, Any]:
    """That of the value alone, with the definitions that it refers to."""
    value = dict(carried["properties"]["value"])
    return value | {"$defs": carried["$defs"]} if "$defs" in carried else value


class PublishedType:
    """A work type known by its description only. Results come back as plain JSON values."""

    def __init__(self, name: str, description: str) -> None:
        read = json.loads(description)
        self.name = name
        self.timeout: float = read["timeout"]
        self.lane: str = read["lane"]
        self.on_duplicate: str = read["on_duplicate"]
        self.retention: float | None = read["retention"]
        self.max_payload: int | None = read["max_payload"]
        self._partition_by: str | None = read["partition_by"]
        self._partition_default = read["payload"].get("properties", {}).get(self._partition_by, {}).get("default")
        self._validator = Draft202012Validator(read["payload"], format_checker=FORMATS)

    @classmethod
    def unknown(cls, name: str, lane: str) -> PublishedType:
        """A work type that nobody published, as far as attaching to its works needs one."""
        description = {"timeout": 3600.0, "lane": lane, "on_duplicate": "join", "retention": None, "max_payload": None}
        return cls(name, json.dumps(description | {"partition_by": None, "payload": {}}))

    def encode(self, arguments: Mapping[str, Any]) -> str:
        """The arguments as JSON. Raises `InvalidPayload`, naming each field that is wrong."""
        try:
            plain = to_jsonable_python(dict(arguments), bytes_mode="base64", inf_nan_mode="constants")
            text = _compact(plain)
        except (PydanticSerializationError, UnicodeDecodeError, ValueError, RecursionError) as error:
            raise InvalidPayload(f"{self.name}: the payload cannot be carried as JSON: {error}") from None
        try:
            problems = sorted(self._validator.iter_errors(plain), key=lambda problem: list(map(str, problem.path)))
        except RecursionError:
            raise InvalidPayload(f"{self.name}: the payload is nested too deeply") from None
        if problems:
            text = "; ".join(_describe(problem) for problem in problems)
            raise InvalidPayload(f"{self.name}: {text}", [(_place(problem), problem.message) for problem in problems])
        return text

    def partition(self, text: str) -> str:
        """The partition of these arguments (JSON), empty where the type has none. Raises `InvalidPayload`."""
        if self._partition_by is None:
            return ""
        return partition_of(self.name, self._partition_by, text, self._partition_default)

    def decode_result(self, text: str) -> Any:
        """The result as a plain JSON value."""
        return json.loads(text)


class ImportedType:
    """A work type whose function this process has imported. Results come back as annotated."""

    def __init__(self, definition: WorkType) -> None:
        self.name = definition.name
        self.timeout = definition.timeout
        self.lane = definition.lane
        self.on_duplicate = definition.on_duplicate
        self.retention = definition.retention
        self.max_payload = definition.max_payload
        self._partition_by = definition.partition_by
        self._carrier = definition.carrier

    def encode(self, arguments: Mapping[str, Any]) -> str:
        """The arguments as JSON. Raises `InvalidPayload`, naming each field that is wrong."""
        return self._carrier.encode(arguments)

    def partition(self, text: str) -> str:
        """The partition of these arguments (JSON), empty where the type has none. Raises `InvalidPayload`."""
        if self._partition_by is None:
            return ""
        default = to_jsonable_python(self._carrier.defaults.get(self._partition_by))
        return partition_of(self.name, self._partition_by, text, default)

    def decode_result(self, text: str) -> Any:
        """The result as the function's return annotation says."""
        return self._carrier.result.decode(f'{{"value":{text}}}')["value"]


def _compact(plain: Any) -> str:
    """As few bytes of JSON as an imported type makes of it; only lone surrogates have to be escaped."""
    text = json.dumps(plain, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(plain, allow_nan=False, separators=(",", ":"))
    return text


def _describe(problem: ValidationError) -> str:
    path = ".".join(str(part) for part in problem.path)
    return f"{path}: {problem.message}" if path else problem.message


def _place(problem: ValidationError) -> str:
    """The field that is wrong; one that is missing has no place in what came, and only the text names it."""
    path = [str(part) for part in problem.path]
    if problem.validator == "required" and isinstance(problem.validator_value, list):
        path += [name for name in problem.validator_value if problem.message.startswith(f"{name!r} ")]
    schema = problem.schema
    if problem.validator == "additionalProperties" and isinstance(schema, dict) and isinstance(problem.instance, dict):
        path.append(", ".join(name for name in problem.instance if name not in schema.get("properties", {})))
    return ".".join(path) or "payload"
