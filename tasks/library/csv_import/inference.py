"""Column types, narrowed down over the whole file: not one value of the second pass can fail to fit.

A type is chosen only where it keeps what the text says: "007" and "+49" stay text, and so does an integer that neither
64 bits nor a float can hold exactly. The one exception: of a number with a point or an exponent a float keeps some 16
digits.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from math import isinf

_INTEGER = re.compile(r"0|-?[1-9][0-9]*").fullmatch
_FLOAT = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?").fullmatch
_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
_OFFSET = r"(?:Z|[+-][0-9]{2}:?[0-9]{2})"
_DATE = re.compile(_DAY).fullmatch
_DATETIME = re.compile(_DAY + _TIME).fullmatch
_DATETIME_TZ = re.compile(_DAY + _TIME + _OFFSET).fullmatch

# Up to here a float holds every integer.
_EXACT = 2**53
# A column of names or measurements rarely repeats more values than this; past it, values are looked at each time.
_REMEMBERED = 10_000


class ColumnType(StrEnum):
    """What the values of a column are."""

    INTEGER = "integer"
    FLOAT = "float"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    DATETIME_TZ = "datetime with time zone"
    TEXT = "text"


def _integer(text: str) -> int:
    if not _INTEGER(text) or not -(2**63) <= (value := int(text)) < 2**63:
        raise ValueError
    return value


def _float(text: str) -> float:
    if not _FLOAT(text):
        raise ValueError
    value = float(text)
    if isinf(value) or (_INTEGER(text) and abs(int(text)) > _EXACT):
        raise ValueError
    return value


def _boolean(text: str) -> bool:
    lowered = text.lower()
    if lowered not in ("true", "false"):
        raise ValueError
    return lowered == "true"


def _date(text: str) -> date:
    if not _DATE(text):
        raise ValueError
    return date.fromisoformat(text)


def _datetime(text: str) -> datetime:
    if not _DATETIME(text):
        raise ValueError
    return datetime.fromisoformat(text)


def parse_datetime_tz(text: str) -> datetime:
    """A time with an offset, as UTC; raises ValueError on anything else."""
    if not _DATETIME_TZ(text):
        raise ValueError
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError as error:
        raise ValueError from error


# In order of preference: what reads as an integer reads as a float too. Each raises ValueError on what it isn't.
PARSERS: dict[ColumnType, Callable[[str], object]] = {
    ColumnType.INTEGER: _integer,
    ColumnType.FLOAT: _float,
    ColumnType.BOOLEAN: _boolean,
    ColumnType.DATE: _date,
    ColumnType.DATETIME: _datetime,
    ColumnType.DATETIME_TZ: parse_datetime_tz,
}


class ColumnInference:
    """Narrows one column's type down, batch by batch."""

    def __init__(self, null_values: frozenset[str]) -> None:
        self._null_values = null_values
        self._candidates = list(PARSERS)
        self._seen: set[str] = set()
        self._has_value = False

    @property
    def type(self) -> ColumnType:
        """The narrowest type that every value so far reads as; text for a column without values."""
        return self._candidates[0] if self._has_value and self._candidates else ColumnType.TEXT

    def reads_as(self, candidate: ColumnType) -> bool:
        """Whether every value so far reads as this type; a column without values reads as any."""
        return candidate is ColumnType.TEXT or candidate in self._candidates

    def feed(self, values: Iterable[str]) -> None:
        """Take in some more of the column's values."""
        if not self._candidates:
            return
        fresh = set(values) - self._seen - self._null_values
        for value in fresh:
            self._candidates = [candidate for candidate in self._candidates if _reads_as(candidate, value)]
        self._has_value = self._has_value or bool(fresh)
        if len(self._seen) < _REMEMBERED:
            self._seen |= fresh


def _reads_as(candidate: ColumnType, value: str) -> bool:
    try:
        PARSERS[candidate](value)
    except ValueError:
        return False
    return True


class _Remembered(dict[str, object]):
    """Texts and what they read as, so that a value that repeats is read once."""

    def __init__(self, parse: Callable[[str], object]) -> None:
        super().__init__()
        self._parse = parse

    def __missing__(self, text: str) -> object:
        value = self._parse(text)
        if len(self) < _REMEMBERED:
            self[text] = value
        return value


def converter(
    parse: Callable[[str], object] | None, null_values: frozenset[str]
) -> Callable[[Sequence[str]], Iterable[object]]:
    """A function from a column's texts to its values, NULL as None; without `parse` the texts are the values."""
    if parse is None:
        return lambda texts: [None if text in null_values else text for text in texts]
    values = _Remembered(parse)
    values.update(dict.fromkeys(null_values))
    look_up = values.__getitem__
    return lambda texts: map(look_up, texts)
