"""One import: read the file once to learn its types, read it again to fill the table."""

import time
from contextlib import closing
from dataclasses import dataclass

from .inference import ColumnInference
from .options import ImportContext, ImportOptions, ImportReport, MalformedRow
from .rows import RowReader, find_delimiter
from .source import CsvFile
from .target import Target


@dataclass(frozen=True)
class _Survey:
    """What the first pass found out."""

    delimiter: str
    columns: dict[str, ColumnInference]
    rows: int
    malformed: list[MalformedRow]


def run_import(ctx: ImportContext, options: ImportOptions) -> ImportReport:
    """Import a CSV file into a table, whole or not at all; raises CsvImportError."""
    started = time.monotonic()
    file = CsvFile(options.source, options.encoding)
    target = Target(ctx, options)
    target.check()
    survey = _survey(ctx, file, options)
    _fill(ctx, file, target, survey, options)
    ctx.progress(2 * file.size, 2 * file.size, f"{survey.rows:,} rows imported")
    return ImportReport(
        database=target.database,
        table=options.table,
        rows=survey.rows,
        columns={name: column.type for name, column in survey.columns.items()},
        malformed=survey.malformed,
        bytes=file.size,
        seconds=time.monotonic() - started,
    )


def _survey(ctx: ImportContext, file: CsvFile, options: ImportOptions) -> _Survey:
    """Read all rows once: nothing of the database is touched before the file is known to be good."""
    null_values = frozenset(options.null_values)
    delimiter = options.delimiter or find_delimiter(file)
    rows = 0
    with closing(file.lines()) as lines:
        reader = RowReader(file, lines, delimiter, options.max_errors)
        columns = {name: ColumnInference(null_values) for name in reader.header}
        for batch in reader.batches(options.batch_rows):
            ctx.check()
            for column, texts in zip(columns.values(), zip(*batch, strict=True), strict=False):
                column.feed(texts)
            rows += len(batch)
            ctx.progress(file.position, 2 * file.size, f"{rows:,} rows looked at")
    return _Survey(delimiter, columns, rows, reader.malformed)


def _fill(ctx: ImportContext, file: CsvFile, target: Target, survey: _Survey, options: ImportOptions) -> None:
    """Read all rows again, into the table."""
    rows = 0
    with target.filling(survey.columns) as filling, closing(file.lines()) as lines:
        for batch in RowReader(file, lines, survey.delimiter, options.max_errors).batches(options.batch_rows):
            ctx.check()
            if batch:
                try:
                    filling.write(batch)
                except (ValueError, ArithmeticError):  # it doesn't read as what the first pass saw
                    file.require_unchanged()
                    raise
            rows += len(batch)
            ctx.progress(file.size + file.position, 2 * file.size, f"{rows:,} of {survey.rows:,} rows written")
        file.require_unchanged()
        ctx.check()
