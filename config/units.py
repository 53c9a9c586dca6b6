"""Durations, sizes and rates as people write them."""

import re
import sys
from dataclasses import dataclass
from datetime import timedelta

_SECONDS_PER = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES_PER = {
    "": 1, "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip
_DURATION = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SIZE = re.compile(r"(\d+)\s*([A-Za-z]*)")
_RATE = re.compile(r"(\d+)\s*/\s*(\d+(?:\.\d+)?)?\s*(ms|s|m|h|d)")
_MOST_STARTS = 100_000  # the ledger remembers as many starts as the rate counts
_LONGEST_PERIOD = 366 * 86400.0  # seconds

LONGEST = 10 * 365.25 * 86400.0
"""Seconds of anything. Times beyond the calendar's end can't be shown to anybody, nor can Redis count them."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many starts at most in any `period` seconds."""

    count: int
    period: float

    def __str__(self) -> str:
        for unit, length in _SECONDS_PER.items():
            if self.period == length:
                return f"{self.count}/{unit}"
        return f"{self.count}/{self.period:g}s"


def seconds(value: float | int | str | timedelta) -> float:
    """A duration in seconds, from seconds, a timedelta or a text such as "500ms", "30s", "5m", "1h", "2d" or "1.5".

    Zero and negative durations pass: whether they make sense is the caller's to judge.

    Raises ValueError for anything else, also for NaN, infinity, and what is too large for a float.
    """
    if isinstance(value, timedelta):
        return value.total_seconds()
    number = _parsed_duration(value) if isinstance(value, str) else value
    # bool is an int to Python, but True is no duration to anybody; and an int may be more than any float.
    if isinstance(number, bool) or not isinstance(number, int | float) or not abs(number) <= sys.float_info.max:
        raise ValueError(f"expected a duration in seconds or such as '500ms', '30s', '5m', '1h', '2d', got {value!r}")
    return float(number)


def size_in_bytes(value: int | str) -> int:
    """A size in bytes, from a whole number or a text such as "256KiB", "1MiB", "10MB" or "4096".

    KiB, MiB, GiB are powers of 1024; kB (KB), MB, GB are powers of 1000.

    Raises ValueError for anything else, also for negative sizes.
    """
    size = _parsed_size(value) if isinstance(value, str) else value
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ValueError(f"expected a size in bytes or such as '256KiB', '1MiB', '10MB', got {value!r}")
    return size


def rate(value: str | Rate) -> Rate:
    """A rate from a text such as "10/s", "100/m", "5/10s" or "1/500ms".

    Raises ValueError for anything else, also for no starts, more than 100,000, or a period below a millisecond or
    above 366 days.
    """
    if isinstance(value, Rate):
        return value
    match = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"expected a rate such as '10/s', '100/m' or '5/10s', got {value!r}")
    count, period = int(match[1]), float(match[2] or 1) * _SECONDS_PER[match[3]]
    if not 1 <= count <= _MOST_STARTS or not 0.001 <= period <= _LONGEST_PERIOD:
        raise ValueError(f"expected a rate of 1 to {_MOST_STARTS} starts in 1 ms to 366 days, got {value!r}")
    return Rate(count, period)


def _parsed_duration(text: str) -> float | None:
    match = _DURATION.fullmatch(text.strip())
    if match:
        return float(match[1]) * _SECONDS_PER[match[2]]
    try:
        return float(text)
    except ValueError:
        return None


def _parsed_size(text: str) -> int | None:
    match = _SIZE.fullmatch(text.strip())
    if not match or match[2] not in _BYTES_PER:
        return None
    return int(match[1]) * _BYTES_PER[match[2]]
