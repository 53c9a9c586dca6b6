"""Why an import can fail.

CsvImportError
├── SourceError      the file can't be read as CSV
├── MalformedRows    more rows are malformed than the import may leave out
└── TargetError      the database refuses, or the table doesn't fit
"""


class CsvImportError(Exception):
    """An import failed, and the target table is exactly as it was."""


class SourceError(CsvImportError):
    """The file can't be read as CSV."""


class MalformedRows(CsvImportError):
    """More rows are malformed than the import may leave out."""


class TargetError(CsvImportError):
    """The database refuses, or the table doesn't fit the file."""
