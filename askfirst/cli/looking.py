"""`askfirst status` and `askfirst list`: works as the ledger has them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from askfirst.interest.states import State

from .completion import ids_and_keys, lanes, work_names
from .finding import LedgerClock, find
from .given import Given, json_option, pass_given
from .printing import ago, as_json, console, duration, print_lines, printable, table
from .progress import progress_text, state_style, state_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from askfirst.interest.records import WorkStatus


@click.command()
@click.argument("id_or_key", shell_complete=ids_and_keys)
@json_option
@pass_given
def status(given: Given, id_or_key: str, as_json_: bool) -> None:
    """Show what the ledger knows about one work."""
    given.configure()
    found = find(id_or_key)
    if as_json_:
        click.echo(found.model_dump_json())
        return
    out = console()
    out.print(_details(found, LedgerClock().now()))
    if found.error and found.error.traceback:
        out.print(f"\n{printable(found.error.traceback).rstrip()}", style="dim")


@click.command("list")
@click.option("--state", type=click.Choice([state.value for state in State], case_sensitive=False))
@click.option("--name", help="Only works of this type.", shell_complete=work_names)
@click.option("--lane", help="Only works of this lane.", shell_complete=lanes)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@json_option
@pass_given
def list_(given: Given, state: str | None, name: str | None, lane: str | None, limit: int, as_json_: bool) -> None:
    """List works, newest first."""
    from rich.text import Text

    from askfirst import works

    given.configure()
    found = works(state=state, name=name, lane=lane, limit=limit)
    if as_json_:
        click.echo(as_json(found))
        return
    now = LedgerClock().now()
    rows = table("id", "work type", "state", "age", "took", "key", "remark")
    for each in found:
        where = Text(each.state.value, style=state_style(each))
        age = duration(max((now - each.submitted_at).total_seconds(), 0), units=1)
        took = _took(each, now, units=1)
        rows.add_row(each.id, printable(each.name), where, age, took, printable(each.key or ""), _remark(each))
    if found:
        # A row stays a line: what a narrow terminal has no room for is cut off, the least important first.
        print_lines(rows)
    else:
        click.echo("no works", err=True)


def _remark(found: WorkStatus) -> str:
    """What there is to say about a work in few words: why it ended, or how far it is."""
    if found.reason:
        return printable(found.reason)
    if found.state is State.FAILED and found.error:
        return printable(" ".join(f"{found.error.type}: {found.error.message}".split()))
    return progress_text(found.progress) if found.progress and not found.state.ended else ""


def _details(found: WorkStatus, now: datetime) -> RenderableType:
    from rich.table import Table

    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    facts: list[tuple[str, RenderableType | None]] = [
        ("id", found.id),
        ("key", printable(found.key) if found.key else None),
        ("work type", printable(found.name)),
        ("lane", found.lane),
        ("state", _state(found)),
        ("progress", progress_text(found.progress) if found.progress else None),
        ("submitted", _moment(found.submitted_at, now)),
        ("started", _moment(found.started_at, now)),
        ("finished", _moment(found.finished_at, now)),
        ("took", _took(found, now) or None),
        ("deadline", _moment(found.deadline, now)),
        ("attempt", str(found.attempt) if found.attempt else None),
        ("worker", printable(found.worker) if found.worker else None),
        ("callers", str(found.callers)),
        ("error", printable(f"{found.error.type}: {found.error.message}") if found.error else None),
    ]
    for name, value in facts:
        if value is not None:
            rows.add_row(name, value)
    return rows


def _state(found: WorkStatus) -> RenderableType:
    from rich.text import Text

    return Text(printable(state_text(found)), style=state_style(found))


def _moment(moment: datetime | None, now: datetime) -> str | None:
    return None if moment is None else f"{ago(moment, now)}  ({moment.isoformat(timespec='milliseconds')})"


def _took(found: WorkStatus, now: datetime, *, units: int = 2) -> str:
    """How long the last run took, or takes already."""
    if found.started_at is None:
        return ""
    return duration(max(((found.finished_at or now) - found.started_at).total_seconds(), 0), units=units)
