"""Rows out of lines: the delimiter, the header, and batches of whole rows; malformed ones are set aside."""

import csv
from collections.abc import Iterable, Iterator
from contextlib import closing

from .errors import MalformedRows
from .options import MalformedRow
from .source import CsvFile

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_CHARACTERS = 2**16
# What a batch may hold beside its number of rows, for long texts mustn't end up in memory whole; a single row that has
# more is too long to be true.
_BATCH_CHARACTERS = 16 * 2**20
# How many malformed rows a failed import names.
_LISTED = 20

# After one of these nobody can know where the next row begins: what follows may be rows, or the rest of a text.
_FATAL = {
    "unexpected end of data": "a quote opened here is never closed",
    "field larger than field limit": "a field is too long to be true; a quote opened here may never be closed",
}


class RowReader:
    """One reading of a file's rows.

    Raises SourceError without a usable header or for an endless row, MalformedRows past `max_errors` malformed rows.
    """

    def __init__(self, file: CsvFile, lines: Iterable[str], delimiter: str, max_errors: int) -> None:
        self._file = file
        self._max_errors = max_errors
        # Those of the row that is being read.
        self._quotes = self._characters = 0
        self._reader = csv.reader(self._counted(lines), delimiter=delimiter, strict=True)
        self.malformed: list[MalformedRow] = []
        self.header = self._read_header()

    def _counted(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            self._quotes += line.count('"')
            self._characters += len(line)
            if self._characters > _BATCH_CHARACTERS:
                number = self._reader.line_num + 1
                raise self._file.error(f"the row that goes on in line {number} is too long to be true")
            yield line

    def batches(self, size: int) -> Iterator[list[list[str]]]:
        """The rows, in batches of at most `size`; a batch may be empty where all its rows were malformed or blank."""
        reader, width = self._reader, len(self.header)
        batch: list[list[str]] = []
        seen = characters = 0
        while True:
            line = reader.line_num + 1
            self._quotes = self._characters = 0
            try:
                row = next(reader)
            except StopIteration:
                break
            except csv.Error as error:
                self._reject_unreadable(line, str(error))
                continue
            if len(row) == width:
                batch.append(row)
            elif row:
                self._reject(line, f"expected {width} fields, got {len(row)}")
            seen += 1
            characters += self._characters
            if seen == size or characters > _BATCH_CHARACTERS:
                yield batch
                batch, seen, characters = [], 0, 0
        if len(self.malformed) > self._max_errors:
            raise self._too_many()
        yield batch

    def _read_header(self) -> list[str]:
        try:
            names = next((row for row in self._reader if row), [])
        except csv.Error as error:
            raise self._file.error(f"the header can't be read: {error}") from error
        names = [name.strip() for name in names]
        if not names:
            raise self._file.error("expected a header line, got only blank lines")
        first: dict[str, int] = {}
        for number, name in enumerate(names, 1):
            if not name:
                raise self._file.error(f"column {number} of the header has no name")
            # Most databases take names that differ only in case for the same.
            if (other := first.setdefault(name.lower(), number)) != number:
                raise self._file.error(f"columns {other} and {number} of the header have the same name {name!r}")
        return names

    def _reject_unreadable(self, line: int, problem: str) -> None:
        for start, meaning in _FATAL.items():
            if problem.startswith(start):
                raise self._lost(line, meaning)
        # The rest of the line was dropped, with what may open a text that goes on in the next.
        if self._quotes % 2:
            raise self._lost(line, f"{problem}, and a quote opened in it isn't closed")
        last = self._reader.line_num
        self._reject(line, problem if last == line else f"{problem} (it goes on to line {last})")

    def _lost(self, line: int, problem: str) -> MalformedRows:
        self.malformed.append(MalformedRow(line=line, problem=problem))
        return self._too_many()

    def _reject(self, line: int, problem: str) -> None:
        self.malformed.append(MalformedRow(line=line, problem=problem))
        if len(self.malformed) > max(self._max_errors, _LISTED):
            raise self._too_many()

    def _too_many(self) -> MalformedRows:
        listed = "".join(f"\n  line {row.line}: {row.problem}" for row in self.malformed[:_LISTED])
        more = "\n  …" if len(self.malformed) > _LISTED else ""
        return MalformedRows(
            f"{self._file.path}: malformed rows (at most {self._max_errors} may be left out):{listed}{more}"
        )


def find_delimiter(file: CsvFile) -> str:
    """The delimiter that splits the first rows most evenly; a comma for a file of one column."""
    with closing(file.lines()) as lines:
        sample, characters = [], 0
        for line in lines:
            sample.append(line)
            characters += len(line)
            if characters > _SAMPLE_CHARACTERS:
                break
    return max(_DELIMITERS, key=lambda delimiter: _evenness(sample, delimiter))


def _evenness(sample: list[str], delimiter: str) -> tuple[int, int]:
    """How many rows are as wide as the header, and how wide that is; nothing where the header isn't split at all."""
    try:
        widths = [len(row) for row in csv.reader(sample, delimiter=delimiter) if row]
    except csv.Error:
        return 0, 0
    if not widths or widths[0] == 1:
        return 0, 0
    return widths.count(widths[0]), widths[0]
