"""Works are partitioned by the value of one argument, alike for those who import the type and those who don't."""

from datetime import date
from typing import Any

import pytest

from askfirst import InvalidPayload, work
from askfirst.tasks import work_type_of
from askfirst.tasks.published import Callee, ImportedType, PublishedType, publish


@work(name="by-exchange", timeout=1, partition_by="exchange")
def by_exchange(exchange: str, day: date | None = None) -> None: ...


@work(name="by-tenant", timeout=1, partition_by="tenant")
def by_tenant(tenant: int | list[str] | None = 7) -> None: ...


@work(name="by-size", timeout=1, partition_by="size")
def by_size(size: float | list[float] = 2.0) -> None: ...


@work(name="undivided", timeout=1)
def undivided(tenant: str) -> None: ...


def both(function: Any) -> list[Callee]:
    definition = work_type_of(function)
    return [ImportedType(definition), PublishedType(definition.name, publish(definition))]


@pytest.mark.parametrize(
    ("function", "arguments", "partition"),
    [
        (by_exchange, {"exchange": "NYSE"}, "NYSE"),
        (by_exchange, {"exchange": "two words", "day": "2024-02-29"}, "two words"),
        (by_tenant, {"tenant": 12}, "12"),
        (by_tenant, {"tenant": None}, "null"),
        (by_tenant, {"tenant": ["a", "b"]}, '["a","b"]'),
        (by_tenant, {}, "7"),
        (by_size, {"size": 1}, "1"),
        (by_size, {"size": 1.0}, "1"),
        (by_size, {"size": 1.5}, "1.5"),
        (by_size, {"size": 1e300}, "1e+300"),
        (by_size, {"size": [1, 2.0, -0.0]}, "[1,2,0]"),
        (by_size, {}, "2"),
        (undivided, {"tenant": "x"}, ""),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_the_partition_is_the_arguments_value(function: Any, arguments: dict[str, Any], partition: str) -> None:
    for callee in both(function):
        assert callee.partition(callee.encode(arguments)) == partition


@pytest.mark.parametrize("value", ["", "a\nb", "x" * 201])
def test_what_cannot_be_read_by_an_operator_is_refused(value: str) -> None:
    for callee in both(by_exchange):
        with pytest.raises(InvalidPayload, match="by-exchange: exchange: expected 1 to 200 printable characters"):
            callee.partition(callee.encode({"exchange": value}))
