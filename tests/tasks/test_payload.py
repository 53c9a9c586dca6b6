"""Arguments and results travel as JSON and arrive as what they were; what is wrong with them is named."""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from askfirst import InvalidPayload
from askfirst.tasks.payload import Carrier, PayloadCarrier, check_size


class Colour(Enum):
    RED = "red"
    BLUE = 2


class Level(IntEnum):
    LOW = 1


class Kind(StrEnum):
    A = "a"


@dataclass
class Point:
    x: int
    at: date


class Box(BaseModel):
    name: str
    points: list[Point] = []
    inner: "Box | None" = None


class Pair(NamedTuple):
    left: int
    right: str


class Options(TypedDict):
    depth: int


VALUES: list[tuple[Any, Any]] = [
    (int, 2**80),
    (float, 1.5),
    (bool, True),
    (str, 'ünïcode ☃ \x00 " \\ \n'),
    (type(None), None),
    (bytes, b"\x00\xff\xfe text"),
    (date, date(2024, 2, 29)),
    (datetime, datetime(2024, 2, 29, 12, 30, 1, 123456, UTC)),
    (datetime, datetime(2024, 2, 29, 12, 30)),  # noqa: DTZ001  # one without a zone must stay so
    (time, time(12, 30, 1)),
    (timedelta, timedelta(days=-1, microseconds=5)),
    (Path, Path("/tmp/ä b.csv")),
    (Decimal, Decimal("1.10")),
    (UUID, UUID("12345678123456781234567812345678")),
    (Colour, Colour.BLUE),
    (Level, Level.LOW),
    (Kind, Kind.A),
    (Point, Point(1, date(2024, 1, 1))),
    (Box, Box(name="b", points=[Point(1, date(2024, 1, 1))], inner=Box(name="i"))),
    (Pair, Pair(1, "r")),
    (Options, {"depth": 3}),
    (list[date], [date(2024, 1, 1)]),
    (tuple[int, str], (1, "a")),
    (set[int], {1, 2}),
    (frozenset[str], frozenset({"a"})),
    (dict[str, Decimal], {"a": Decimal("0.1")}),
    (dict[int, str], {1: "one"}),
    (dict[date, int], {date(2024, 1, 1): 1}),
    (int | None, None),
    (int | str, "5"),
    (Literal["a", "b"], "b"),
    (Annotated[int, Field(gt=0)], 5),
    (Any, {"a": [1, 2.5, "x", None, True]}),
]


@pytest.mark.parametrize(("annotation", "value"), VALUES, ids=lambda value: str(value)[:40].replace("\x00", ""))
def test_a_value_arrives_as_what_it_was(annotation: Any, value: Any) -> None:
    carrier = Carrier("work", {"value": annotation})
    arrived = carrier.decode(carrier.encode({"value": value}))["value"]
    assert arrived == value
    assert type(arrived) is type(value)


class Basket(BaseModel):
    kind: Literal["basket"] = "basket"
    id: UUID = Field(default_factory=uuid4)
    items: list[str] = []


class Crate(BaseModel):
    kind: Literal["crate"] = "crate"


@dataclass
class Cart:
    load: Basket


@pytest.mark.parametrize(
    "annotation",
    [Basket, Crate | Basket, Annotated[Crate | Basket, Field(discriminator="kind")]],
    ids=["model", "union", "discriminated union"],
)
def test_what_a_model_has_without_being_given_it_arrives_too(annotation: Any) -> None:
    """What a factory made, for example, and what was appended to a default."""
    basket = Basket()
    basket.items.append("apple")
    carrier = Carrier("work", {"one": annotation, "many": list[annotation], "cart": Cart})
    values = {"one": basket, "many": [basket], "cart": Cart(basket)}
    assert carrier.decode(carrier.encode(values)) == values


class Draft(BaseModel):
    """As many are written: a default is not held against its type."""

    author: str = None  # type: ignore[assignment]  # what is tried here
    limit: float = math.inf
    words: list[str] = []


def test_a_default_that_its_own_field_would_refuse_is_made_anew_on_the_other_side() -> None:
    draft = Draft(words=["so"])
    carrier = Carrier("work", {"draft": Draft, "day": date | None}, {"day"})
    assert carrier.decode(carrier.encode({"draft": draft, "day": None})) == {"draft": draft, "day": None}


def takes(a: int, when: date = date(2024, 1, 1), *, label: str | None = None) -> None: ...


CARRIER = PayloadCarrier("takes", takes)


def test_defaults_are_left_to_the_function() -> None:
    assert CARRIER.encode({"a": 1}) == '{"a":1}'
    assert CARRIER.decode('{"a":1}') == {"a": 1}


def test_what_is_given_is_carried_even_if_it_is_the_default() -> None:
    assert CARRIER.decode(CARRIER.encode({"a": 1, "label": None})) == {"a": 1, "label": None}


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        ({}, ["takes: a: is missing"]),
        ({"a": 1, "b": 2}, ["b: is no parameter"]),
        ({"a": "one"}, ["a: Input should be a valid integer", "got 'one'"]),
        ({"a": 1.5}, ["a: ", "1.5"]),
        ({"a": 1, "when": "some day"}, ["when: "]),
        ({"a": None}, ["a: ", "got None"]),
        ({"b": 1, "label": 5}, ["a: is missing", "b: is no parameter", "label: "]),
        ({"a": object}, ["a: "]),
        ({"a": "x" * 1000}, ["..."]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_every_wrong_argument_is_named_in_one_line(arguments: dict[str, Any], texts: list[str]) -> None:
    with pytest.raises(InvalidPayload) as refused:
        CARRIER.encode(arguments)
    assert isinstance(refused.value, ValueError)
    for text in texts:
        assert text in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 500


def loop() -> list[Any]:
    endless: list[Any] = []
    endless.append(endless)
    return endless


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (object(), "cannot be carried as JSON"),
        ({1, object()}, "cannot be carried as JSON"),
        (float("nan"), "NaN is no JSON"),
        (float("inf"), "Infinity is no JSON"),
        ([1, {"deep": float("-inf")}], "-Infinity is no JSON"),
        (lambda: None, "cannot be carried as JSON"),
        (open, "cannot be carried as JSON"),
        (loop(), "cannot be carried as JSON"),
        ("\ud800", "cannot be carried as JSON"),
        ({"\ud800": 1}, "cannot be carried as JSON"),
    ],
    ids=["object", "set", "nan", "inf", "deep inf", "function", "builtin", "endless", "surrogate", "surrogate key"],
)
def test_a_value_that_is_no_json_is_refused_by_name(value: Any, text: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        Carrier("work", {"good": Any, "bad": Any}).encode({"good": 1, "bad": value})
    assert text in str(refused.value)
    assert "\n" not in str(refused.value)


def test_text_that_only_speaks_of_nan_is_no_nan() -> None:
    carrier = Carrier("work", {"value": Any})
    assert carrier.decode(carrier.encode({"value": "NaN and Infinity"})) == {"value": "NaN and Infinity"}


@pytest.mark.parametrize("name", ["copy", "json", "model_config", "_private", "__dunder__", "self", "values", "field0"])
def test_a_parameter_may_have_any_name_a_parameter_can_have(name: str) -> None:
    carrier = Carrier("work", {name: int})
    assert carrier.encode({name: 1}) == f'{{"{name}":1}}'
    assert carrier.decode(f'{{"{name}":1}}') == {name: 1}


@pytest.mark.parametrize(("size", "limit", "fits"), [(1024, "1KiB", True), (1025, "1KiB", False), (1025, 1025, True)])
def test_a_text_is_measured_in_bytes(size: int, limit: Any, fits: bool) -> None:
    for text in ("x" * size, "ä" * (size // 2) + "x" * (size % 2)):
        if fits:
            check_size("work", text, limit)
        else:
            with pytest.raises(InvalidPayload, match=f"expected at most 1024 bytes of JSON, got {size}"):
                check_size("work", text, limit)
