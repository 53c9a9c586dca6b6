"""The answer's rows: all of them as they should be, or the answer is refused."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, ValidationError

from .errors import WrongContent
from .fetching import Answer
from .options import PullContext

_CSV = frozenset({"text/csv", "application/csv"})
# How many rows are read between two looks whether anybody still wants them.
_STEP = 1_000


def _empty_is_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


Price = Annotated[FiniteFloat | None, BeforeValidator(_empty_is_none)]
Volume = Annotated[Annotated[int, Field(ge=0, lt=2**63)] | None, BeforeValidator(_empty_is_none)]


class Bar(BaseModel):
    """One symbol's day."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_strip_whitespace=True)

    symbol: Annotated[str, Field(min_length=1, max_length=64)]
    open: Price = None
    high: Price = None
    low: Price = None
    close: FiniteFloat
    volume: Volume = None


def read_bars(ctx: PullContext, answer: Answer, day: date) -> list[Bar]:
    """The rows of the answer; raises WrongContent, naming the first that is wrong."""
    bars: list[Bar] = []
    symbols: set[str] = set()
    for number, row in enumerate(_rows(answer), 1):
        if number % _STEP == 0:
            ctx.check()
        bar = _bar(number, row, day)
        if bar.symbol in symbols:
            raise WrongContent(f"row {number}: {bar.symbol} is there twice")
        symbols.add(bar.symbol)
        bars.append(bar)
    if not bars:
        # To store it would remove what an earlier pull has found.
        raise WrongContent("it has no rows")
    return bars


def _rows(answer: Answer) -> Iterable[Any]:
    if answer.media in _CSV:
        return _csv_rows(answer.text)
    if answer.media == "application/json" or answer.media.endswith("+json"):
        return _json_rows(answer.text)
    raise WrongContent(f"expected CSV or JSON by its Content-Type, got {answer.media or 'none'!r}")


def _csv_rows(text: str) -> Iterator[dict[Any, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                raise WrongContent(f"line {reader.line_num}: expected {len(reader.fieldnames or ())} fields")
            yield row
    except csv.Error as error:
        raise WrongContent(f"line {reader.line_num}: {error}") from error


def _json_rows(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WrongContent(f"expected JSON: {error}") from error
    if not isinstance(found, list):
        raise WrongContent(f"expected a list of objects, got {type(found).__name__}")
    return found


def _bar(number: int, row: Any, day: date) -> Bar:
    if not isinstance(row, dict):
        raise WrongContent(f"row {number}: expected an object, got {type(row).__name__}")
    fields = {str(name).strip().lower(): value for name, value in row.items()}
    if "date" in fields and str(fields["date"]).strip() != day.isoformat():
        raise WrongContent(f"row {number}: expected date to be {day}, got {fields['date']!r:.100}")
    try:
        return Bar.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise WrongContent(f"row {number}: {field}: {first['msg']}, got {first['input']!r:.100}") from None
