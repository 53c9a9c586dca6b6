"""Durations and sizes as people write them."""

import contextlib
import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.config.units import Rate, rate, seconds, size_in_bytes


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (3, 3.0),
        (0.25, 0.25),
        (timedelta(minutes=1, milliseconds=5), 60.005),
        ("500ms", 0.5),
        ("30s", 30.0),
        ("1.5 m", 90.0),
        ("1h", 3600.0),
        ("2d", 172800.0),
        (" 12 ", 12.0),
        ("-1s", -1.0),
        (0, 0.0),
    ],
)
def test_a_duration_is_read(written: float | str | timedelta, meant: float) -> None:
    assert seconds(written) == pytest.approx(meant)
    assert type(seconds(written)) is float


@pytest.mark.parametrize(
    "nonsense",
    [True, None, math.nan, math.inf, 10**400, "nan", "inf", "1e400", "", "s", "5 minutes", "1h30m", [], b"1s"],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_duration_is_refused_with_what_was_expected(nonsense: object) -> None:
    with pytest.raises(ValueError, match=r"expected a duration .*, got "):
        seconds(nonsense)  # type: ignore[arg-type]  # the point of the test


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (0, 0),
        (7, 7),
        ("4096", 4096),
        ("256KiB", 262144),
        ("1 MiB", 1048576),
        ("10MB", 10_000_000),
        ("2GiB", 2**31),
        ("5B", 5),
    ],
)
def test_a_size_is_read(written: int | str, meant: int) -> None:
    assert size_in_bytes(written) == meant


@pytest.mark.parametrize("nonsense", [True, None, 1.5, -1, "-1", "1.5MiB", "MiB", "", "10mb", "10 bytes"])
def test_what_is_no_size_is_refused_with_what_was_expected(nonsense: object) -> None:
    with pytest.raises(ValueError, match=r"expected a size .*, got "):
        size_in_bytes(nonsense)  # type: ignore[arg-type]  # the point of the test


@given(st.text())
def test_no_text_breaks_a_reader(text: str) -> None:
    for read in (seconds, size_in_bytes):
        with contextlib.suppress(ValueError):
            assert math.isfinite(read(text))
    with contextlib.suppress(ValueError):
        rate(text)


@pytest.mark.parametrize(
    ("written", "count", "period"),
    [("10/s", 10, 1.0), ("100/m", 100, 60.0), ("5/10s", 5, 10.0), ("1 / 500ms", 1, 0.5), ("3/1.5h", 3, 5400.0)],
)
def test_a_rate_is_read_and_written(written: str, count: int, period: float) -> None:
    meant = rate(written)
    assert meant == Rate(count, period)
    assert rate(str(meant)) == meant


@pytest.mark.parametrize(
    "nonsense", ["", "10", "10/", "/s", "0/s", "-1/s", "1.5/s", "10/w", "1000000/s", "1/0.5ms", "1/367d", 10]
)
def test_what_is_no_rate_is_refused_with_what_was_expected(nonsense: object) -> None:
    with pytest.raises(ValueError, match=r"expected a rate .*, got "):
        rate(nonsense)  # type: ignore[arg-type]  # the point of the test
