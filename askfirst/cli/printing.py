"""What people read: consoles, times, and text of others made harmless."""

from __future__ import annotations

import io
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

#: How each state looks, by its value.
STATE_STYLES = {
    "PENDING": "yellow",
    "RUNNING": "cyan",
    "COMPLETED": "green",
    "FAILED": "red",
    "CANCELLED": "magenta",
    "EXPIRED": "magenta",
}
_UNLIMITED: Final = 10_000  # columns; into a pipe or a file nothing is cut off or folded


def printable(text: str) -> str:
    """The text without what a terminal would act upon: work types, keys, notes and errors are written by others."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def console(*, stderr: bool = False) -> Console:
    """A console for plain text: nothing in it is taken for markup, and only terminals fold it."""
    from rich.console import Console

    file = (sys.stderr if stderr else sys.stdout) or io.StringIO()  # None where it is closed, as by 2>&-
    width = None if file.isatty() else _UNLIMITED
    return Console(file=file, markup=False, emoji=False, highlight=False, width=width)


def table(*columns: str) -> Table:
    """A table without a frame."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def print_lines(rows: Table) -> None:
    """Prints a table of which each row stays a line: what a narrow terminal has no room for is cut off at the right."""
    from rich.measure import Measurement

    out = console()
    # print() takes no width beyond the terminal's, and would fold; a table's own width it leaves alone.
    rows.width = Measurement.get(out, out.options.update(max_width=_UNLIMITED), rows).maximum
    out.print(rows, crop=True)


def duration(seconds: float, *, units: int = 2) -> str:
    """A duration for people, in its greatest unit, or its two greatest."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, name, part, part_name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {name}" + (f" {rest} {part_name}" if rest and units > 1 else "")
    return f"{whole} s"


def ago(moment: datetime, now: datetime) -> str:
    """A moment as seen from now."""
    past = (now - moment).total_seconds()
    return f"{duration(past)} ago" if past >= 0 else f"in {duration(-past)}"


def as_json(value: Any, *, indent: int | None = None) -> str:
    """A value as JSON, in one line unless indented."""
    import json

    from pydantic_core import to_jsonable_python

    plain = to_jsonable_python(value, bytes_mode="base64")  # as payloads and results have it
    return json.dumps(plain, ensure_ascii=False, indent=indent)
