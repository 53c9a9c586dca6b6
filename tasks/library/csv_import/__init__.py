"""Work type `csv.import`: a CSV file, plain or compressed, into a SQL table, whole or not at all."""

from pathlib import Path

try:
    import sqlalchemy as _needed  # noqa: F401 - only to say what to install, before anything else fails on it
except ModuleNotFoundError as error:
    raise ImportError("csv.import needs SQLAlchemy: pip install 'askfirst[library]'") from error

from ... import WorkContext, work
from .errors import CsvImportError, MalformedRows, SourceError, TargetError
from .importing import run_import
from .inference import ColumnType
from .options import (
    DEFAULT_BATCH_ROWS,
    DEFAULT_NULLS,
    BatchRows,
    Delimiter,
    IfExists,
    ImportOptions,
    ImportReport,
    MalformedRow,
    MaxErrors,
    Name,
)

__all__ = [
    "ColumnType",
    "CsvImportError",
    "ImportReport",
    "MalformedRow",
    "MalformedRows",
    "SourceError",
    "TargetError",
    "csv_import",
]


@work(name="csv.import", timeout="1h")
def csv_import(
    ctx: WorkContext,
    source: Path,
    table: Name,
    database: Name,
    encoding: Name = "utf-8",
    delimiter: Delimiter | None = None,
    null_values: tuple[str, ...] = DEFAULT_NULLS,
    if_exists: IfExists = "fail",
    max_errors: MaxErrors = 0,
    batch_rows: BatchRows = DEFAULT_BATCH_ROWS,
) -> ImportReport:
    """Import a CSV file into a table of a database; whatever goes wrong, the table is left exactly as it was.

    `source`, a path on the worker's machine, is plain, gzip, bzip2, xz or a zip archive of one file; its first line
    names the columns, blank lines are skipped. `table` is a name in the default schema: a point in it is a part of it.
    `database` is an SQLAlchemy URL; operators see it in the payload, so leave the password to the driver's own password
    file. `delimiter` is found out unless given. What is in `null_values` becomes NULL, times with an offset become UTC;
    of a number with a point or an exponent a new table keeps some 16 digits. `if_exists` says what becomes of a table
    that exists. Up to `max_errors` malformed rows are left out and reported.

    A worker that dies in the instant between the commit and its report has the import made again: "append" then adds
    the rows once more, "fail" ends with a TargetError though the table is complete, "replace" makes the same table.

    Raises SourceError, MalformedRows and TargetError, all of them CsvImportError.
    """
    options = ImportOptions(
        source=source,
        table=table,
        database=database,
        encoding=encoding,
        delimiter=delimiter,
        null_values=null_values,
        if_exists=if_exists,
        max_errors=max_errors,
        batch_rows=batch_rows,
    )
    return run_import(ctx, options)
