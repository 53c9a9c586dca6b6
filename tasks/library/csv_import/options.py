"""What an import is asked to do and what it answers: the validated options, the report, the context it runs in."""

from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from .inference import ColumnType

Name = Annotated[str, Field(min_length=1)]
Delimiter = Annotated[str, Field(pattern=r'^[^"\r\n\x00]$')]
IfExists = Literal["fail", "replace", "append"]
# The malformed rows travel in the result: keep it small.
MaxErrors = Annotated[int, Field(ge=0, le=1_000)]
BatchRows = Annotated[int, Field(ge=1, le=1_000_000)]

DEFAULT_NULLS = ("", "NA")
DEFAULT_BATCH_ROWS = 5_000


class ImportContext(Protocol):
    """What an import needs of its WorkContext."""

    def check(self) -> None:
        """Raise when nobody wants the import any more."""

    def remaining(self) -> float:
        """Seconds until the deadline."""

    def progress(self, done: float, total: float | None = None, note: str | None = None) -> None:
        """Tell the callers how far the import has come."""


class ImportOptions(BaseModel):
    """One import, as asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Path
    table: Name
    database: Name
    encoding: Name = "utf-8"
    delimiter: Delimiter | None = None
    null_values: tuple[str, ...] = DEFAULT_NULLS
    if_exists: IfExists = "fail"
    max_errors: MaxErrors = 0
    batch_rows: BatchRows = DEFAULT_BATCH_ROWS


class MalformedRow(BaseModel):
    """A row that was left out: the physical line it starts on, counted from 1, and what is wrong with it."""

    line: int
    problem: str


class ImportReport(BaseModel):
    """What an import did."""

    database: str = Field(description="the URL, without password and query")
    table: str
    rows: int = Field(description="rows written")
    columns: dict[str, ColumnType] = Field(description="the type inferred for each column, in the order of the file")
    malformed: list[MalformedRow] = Field(description="rows left out")
    bytes: int = Field(description="size of the source file")
    seconds: float
