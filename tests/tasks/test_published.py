"""A work type as it travels through the ledger: callers that cannot import it know its name, options and schema."""

import json
import math
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from askfirst import InvalidPayload, WorkContext, work
from askfirst.tasks import work_type_of
from askfirst.tasks.published import PublishedType, publish


class Size(BaseModel):
    width: int
    height: int = 100


class Link(BaseModel):
    next: "Link | None" = None


@work(name="published", timeout="5m", lane="io", on_duplicate="reject", retention="1h", max_payload="1KiB")
def published(
    ctx: WorkContext, image: Path, size: Size, when: date = date(2024, 1, 1), tags: list[str] | None = None
) -> dict[str, Size]:
    return {}


@pytest.fixture
def known() -> PublishedType:
    """The type as a caller reads it from the ledger."""
    return PublishedType("published", publish(work_type_of(published)))


def test_options_and_defaults_travel(known: PublishedType) -> None:
    assert (known.timeout, known.lane, known.on_duplicate) == (300.0, "io", "reject")
    assert (known.retention, known.max_payload) == (3600.0, 1024)


def test_the_schema_tells_parameters_requirements_and_defaults() -> None:
    schema = json.loads(publish(work_type_of(published)))["payload"]
    assert set(schema["properties"]) == {"image", "size", "when", "tags"}
    assert set(schema["required"]) == {"image", "size"}
    assert schema["properties"]["when"]["default"] == "2024-01-01"
    assert schema["additionalProperties"] is False


def test_a_default_that_json_cannot_express_is_left_out() -> None:
    nothing = object()

    @work(name="opaque-default", timeout=1)
    def function(a: Any = nothing) -> None: ...

    schema = json.loads(publish(work_type_of(function)))["payload"]
    assert "default" not in schema["properties"]["a"]
    assert "required" not in schema


def test_what_json_cannot_say_is_left_out() -> None:
    class Box(BaseModel):
        most: float = math.inf

    @work(name="infinite-default", timeout=1)
    def function(
        box: Box,
        budget: float = math.inf,
        steps: list[float] = [1.0, math.nan],  # noqa: B006  # nobody changes it
    ) -> None: ...

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    schema = json.loads(publish(work_type_of(function)), parse_constant=refuse)["payload"]
    assert [name for name, about in schema["properties"].items() if "default" in about] == []
    assert schema["$defs"]["Box"]["properties"]["most"]["type"] == "number"


def test_texts_take_as_many_bytes_as_in_an_imported_type(known: PublishedType) -> None:
    arguments = {"image": "я" * 10, "size": {"width": 1, "height": 2}}
    assert known.encode(arguments) == work_type_of(published).carrier.encode(arguments)
    lone = known.encode({"image": "\ud800", "size": {"width": 1}})
    assert lone.encode() == b'{"image":"\\ud800","size":{"width":1}}'


def test_arguments_that_fit_the_schema_are_carried(known: PublishedType) -> None:
    text = known.encode({"image": Path("/x.png"), "size": {"width": 1}, "when": date(2024, 2, 29)})
    assert json.loads(text) == {"image": "/x.png", "size": {"width": 1}, "when": "2024-02-29"}
    arrived = work_type_of(published).carrier.decode(text)
    assert arrived == {"image": Path("/x.png"), "size": Size(width=1), "when": date(2024, 2, 29)}


def test_a_model_of_the_callers_own_is_carried(known: PublishedType) -> None:
    assert json.loads(known.encode({"image": "/x", "size": Size(width=2)}))["size"] == {"width": 2, "height": 100}


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        ({}, ["published: ", "image", "size"]),
        ({"image": "x", "size": {"width": 1}, "colour": "red"}, ["colour"]),
        ({"image": 5, "size": {"width": 1}}, ["image: 5 is not of type 'string'"]),
        ({"image": "x", "size": {"width": "wide"}}, ["size.width: 'wide' is not of type 'integer'"]),
        ({"image": "x", "size": {}}, ["size: 'width' is a required property"]),
        ({"image": "x", "size": object()}, ["cannot be carried as JSON"]),
        ({"image": "x", "size": {"width": float("nan")}}, ["cannot be carried as JSON"]),
        ({"image": "x", "size": {"width": 1}, "tags": [1]}, ["tags"]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_arguments_that_do_not_fit_are_named_in_one_line(
    known: PublishedType, arguments: dict[str, Any], texts: list[str]
) -> None:
    with pytest.raises(InvalidPayload) as refused:
        known.encode(arguments)
    for text in texts:
        assert text in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_is_nested_too_deeply_is_refused() -> None:
    @work(name="chain", timeout=1)
    def function(first: Link) -> None: ...

    known = PublishedType("chain", publish(work_type_of(function)))
    chain: dict[str, Any] = {}
    for _ in range(230):
        chain = {"next": chain}
    with pytest.raises(InvalidPayload, match="deep"):
        known.encode({"first": chain})


@pytest.mark.parametrize("when", ["some day", "2024-02-30", "2024-02-29"])
def test_a_date_that_is_none_is_refused_where_it_is_asked(known: PublishedType, when: str) -> None:
    arguments = {"image": "x", "size": {"width": 1}, "when": when}
    if when == "2024-02-29":
        known.encode(arguments)
    else:
        with pytest.raises(InvalidPayload, match="when"):
            known.encode(arguments)


def test_results_come_back_as_plain_json(known: PublishedType) -> None:
    assert known.decode_result('{"a":{"width":1,"height":2}}') == {"a": {"width": 1, "height": 2}}


@work(name="times", timeout=1)
def times(at: datetime, of_day: time, pause: timedelta, raw: bytes) -> None: ...


@pytest.mark.parametrize(
    ("field", "right", "wrong"),
    [
        ("at", ["2024-02-29T12:00:00Z", "2024-02-29T12:00:00.5+01:00", "2024-02-29T12:00"], ["0", "2023-02-29T12:00"]),
        ("of_day", ["12:00:00", "12:00:00Z"], ["", "0", "25:00:00"]),
        ("pause", ["PT1S", "-P1DT2H", "P0D"], ["", "0", "00:01:00", "P"]),
        ("raw", ["", "eA==", "-_8="], ["x", "ä"]),
    ],
)
def test_texts_must_be_what_their_format_says(field: str, right: list[str], wrong: list[str]) -> None:
    known = PublishedType("times", publish(work_type_of(times)))
    at = datetime(2024, 1, 1, tzinfo=UTC)
    fine = {"at": at, "of_day": time(12), "pause": timedelta(seconds=-0.5), "raw": b"\xff"}
    for value in [fine[field], *right]:
        work_type_of(times).carrier.decode(known.encode(fine | {field: value}))  # the worker reads it, too
    for value in [*wrong, 0]:
        with pytest.raises(InvalidPayload) as failure:
            known.encode(fine | {field: value})
        assert [place for place, _ in failure.value.fields] == [field]
