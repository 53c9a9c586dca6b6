"""`field=value` on the command line becomes what the work type's schema says."""

import json
from pathlib import Path
from typing import Any

import click
import pytest

from askfirst.cli.fields import parse_field, payload_from

SCHEMA: dict[str, Any] = {
    "properties": {
        "text": {"type": "string"},
        "day": {"type": "string", "format": "date"},
        "width": {"type": "integer"},
        "ratio": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "flag": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "point": {"$ref": "#/$defs/Point"},
        "colour": {"$ref": "#/$defs/Colour"},
        "level": {"enum": [1, 2]},
        "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        "circle": {"$ref": "#/$defs/Circle"},
        "anything": {},
    },
    "$defs": {
        "Point": {"type": "object"},
        "Colour": {"enum": ["red", "1"], "type": "string"},
        "Circle": {"anyOf": [{"$ref": "#/$defs/Circle"}]},
    },
}


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("text=300", "300"),
        ("text=", ""),
        ("text=a=b:=c", "a=b:=c"),
        ("text=two\nlines", "two\nlines"),
        ("day=2026-01-02", "2026-01-02"),
        ("width=300", 300),
        ("ratio=1.5", 1.5),
        ("ratio=null", None),
        ("flag=true", True),
        ('tags=["a"]', ["a"]),
        ('point={"x": 1}', {"x": 1}),
        ("colour=1", "1"),
        ("level=2", 2),
        ("either=5", "5"),
        ("either:=5", 5),
        ("text:=[null]", [None]),
        ("anything=5", "5"),
        ("circle=5", "5"),
        ("unknown=5", "5"),
        # What can't be that stays as it is, for the validation to name it.
        ("width=wide", "wide"),
        ("flag=True", "True"),
    ],
)
def test_a_field_is_converted_by_the_schema(argument: str, expected: Any) -> None:
    name, _, _ = argument.partition("=")
    assert parse_field(argument, SCHEMA) == (name.rstrip(":"), expected)


@pytest.mark.parametrize(
    ("arguments", "text", "said"),
    [
        (["width"], None, "expected field=value or field:=json, got 'width'"),
        (["=5"], None, "got '=5'"),
        (["width:=wide"], None, "expected JSON after width:=, got 'wide'"),
        (["width=1", "width=2"], None, "the field 'width' is given twice"),
        ([], "[1]", "expected a JSON object from --json-payload, got list"),
        ([], "{", "expected a JSON object from --json-payload: "),
        ([], "@no/such/file", "expected a JSON object from no/such/file: .*No such file"),
    ],
)
def test_what_is_wrong_is_said(arguments: list[str], text: str | None, said: str) -> None:
    with pytest.raises(click.UsageError, match=said):
        payload_from(arguments, text, SCHEMA)


def test_a_file_holds_the_payload_and_fields_go_on_top(tmp_path: Path) -> None:
    file = tmp_path / "payload.json"
    file.write_text(json.dumps({"width": 1, "text": "ä"}), encoding="utf-8")
    assert payload_from(["width=2"], f"@{file}", SCHEMA) == {"width": 2, "text": "ä"}


def test_a_closed_stdin_holds_no_payload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(click.UsageError, match="expected a JSON object from stdin: "):
        payload_from([], "-", SCHEMA)
