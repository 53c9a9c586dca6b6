"""How the demo shows what it does: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

_LINE = 96  # columns of the longest line of text
_WIDTH = 46  # columns of the longest bar of a chart

#: Tells how far it is, and in words.
Update = Callable[[float, str], None]


@contextmanager
def bar(console: Console, what: str, total: float) -> Iterator[Update]:
    """A bar for as long as the block lasts; where there is no terminal, a line for each quarter."""
    if console.is_terminal:
        with _live_bar(console, what, total) as update:
            yield update
        return
    console.print(what)
    told = 0

    def tell(done: float, note: str) -> None:
        nonlocal told
        quarters = min(int(4 * done / total), 4)
        if quarters > told:
            told = quarters
            console.print(f"  {quarters / 4:4.0%}  {note}".rstrip(), highlight=False)

    yield tell


@contextmanager
def _live_bar(console: Console, what: str, total: float) -> Iterator[Update]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what, total=total, note="")
        yield lambda done, note: progress.update(task, completed=min(done, total), note=note)


def heading(console: Console, text: str) -> None:
    """Begins a part of the demo."""
    console.print()
    console.print(Text(text, style="bold"))


def paragraph(console: Console, text: str) -> None:
    """Text in lines that can be read, also where the console takes any width."""
    console.print(Text(textwrap.fill(text, min(console.width, _LINE))))


def mark(console: Console, good: bool) -> Text:
    """A check mark, or that something is wrong."""
    if good:
        return Text("ok" if console.options.ascii_only else "✓", style="green")
    return Text("WRONG", style="bold red")


def table(*columns: str) -> Table:
    """A table whose first column is text and the others numbers."""
    made = Table(highlight=False)
    for number, column in enumerate(columns):
        made.add_column(column, justify="right" if number else "left", no_wrap=True)
    return made


def chart(console: Console, title: str, figures: Mapping[str, float], form: str) -> None:
    """One horizontal bar for each figure, the greatest as long as may be; `form` formats the figure."""
    console.print(Text(title, style="bold"))
    sign = "#" if console.options.ascii_only else "█"
    greatest = max(figures.values(), default=0)
    names = max(map(len, figures), default=0)
    for name, figure in figures.items():
        length = round(_WIDTH * figure / greatest) if greatest else 0
        text = Text(f"  {name:<{names}}  ")
        text.append(sign * length, style="cyan")
        text.append(f" {figure:{form}}" if length else f"{figure:{form}}")
        console.print(text)
