"""A payload from the command line: `field=value`, `field:=json`, or a whole JSON object."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

_FIELD = re.compile(r"([^=:]+)(:?=)(.*)", re.DOTALL)
_JSON_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),  # before int, which it is to Python
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
    (type(None), "null"),
)


def payload_from(fields: Iterable[str], text: str | None, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The payload that these arguments and the JSON object of `--json-payload` spell. Raises `click.UsageError`.

    What is said twice is an error among the fields; a field wins over the object.
    """
    payload = {} if text is None else _object(text)
    said: set[str] = set()
    for argument in fields:
        name, value = parse_field(argument, schema)
        if name in said:
            raise click.UsageError(f"the field {name!r} is given twice")
        said.add(name)
        payload[name] = value
    return payload


def parse_field(argument: str, schema: Mapping[str, Any]) -> tuple[str, Any]:
    """The name and value of one `field=value` or `field:=json`. Raises `click.UsageError`.

    A plain value is a string, unless the JSON Schema of the payload says that the field can't be one: then it is JSON.
    """
    match = _FIELD.fullmatch(argument)
    if match is None:
        raise click.UsageError(f"expected field=value or field:=json, got {argument!r}")
    name, sign, text = match.groups()
    if sign == ":=":
        try:
            return name, json.loads(text)
        except ValueError as error:
            raise click.UsageError(f"expected JSON after {name}:=, got {text!r}: {error}") from None
    types = admitted_types(schema.get("properties", {}).get(name, {}), schema)
    if types and "string" not in types:
        # What is no JSON stays a string: the validation of the payload names it with what was expected.
        try:
            return name, json.loads(text)
        except ValueError:
            return name, text
    return name, text


def admitted_types(field: Mapping[str, Any], schema: Mapping[str, Any]) -> set[str]:
    """The JSON types that a field's schema admits; empty if it doesn't say."""
    return set(_types(field, schema, depth=0))


def _types(field: Any, schema: Mapping[str, Any], depth: int) -> Iterator[str]:
    if not isinstance(field, Mapping) or depth > 20:  # a reference may lead in a circle
        return
    reference = field.get("$ref", "")
    if reference.startswith("#/$defs/"):
        yield from _types(schema.get("$defs", {}).get(reference.removeprefix("#/$defs/")), schema, depth + 1)
    for part in (*field.get("anyOf", ()), *field.get("oneOf", ()), *field.get("allOf", ())):
        yield from _types(part, schema, depth + 1)
    said = field.get("type", ())
    yield from [said] if isinstance(said, str) else said
    values = field.get("enum", [field["const"]] if "const" in field else [])
    yield from (name for value in values for kind, name in _JSON_TYPES if type(value) is kind)


def _object(text: str) -> dict[str, Any]:
    where = "--json-payload"
    try:
        if text == "-":
            where, text = "stdin", sys.stdin.read() if sys.stdin is not None else ""  # it may be closed
        elif text.startswith("@"):
            where = text[1:]
            text = Path(where).read_text(encoding="utf-8")
        found = json.loads(text)
    except (OSError, ValueError) as error:
        raise click.UsageError(f"expected a JSON object from {where}: {error}") from None
    if not isinstance(found, dict):
        raise click.UsageError(f"expected a JSON object from {where}, got {type(found).__name__}")
    return found
