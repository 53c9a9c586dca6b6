"""`askfirst watch`: one work until it ends, without keeping it alive."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import click

from askfirst.interest.states import State

from .completion import ids_and_keys
from .exits import CommandError, Exit
from .finding import LedgerClock, find
from .given import Given, json_option, pass_given
from .printing import duration, printable
from .progress import POLL, LiveLine, progress_text, state_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from askfirst.interest.records import WorkStatus

_OUTAGE: Final = 10.0  # seconds without the ledger that are sat out


@click.command()
@click.argument("id_or_key", shell_complete=ids_and_keys)
@json_option
@pass_given
def watch(given: Given, id_or_key: str, as_json_: bool) -> int:
    """Follow one work until it ends.

    The exit code says how it ended. On a terminal it is a live progress bar, else a line for each change, with --json
    the status as JSON. Watching registers no interest: a work that nobody else wants is not kept alive.
    """
    settings = given.configure()
    found = find(id_or_key)
    clock = LedgerClock()
    with LiveLine(found.name) as line:
        last, state = "", found.state
        for look in _looks(found, clock, settings.grace + settings.lease):
            text = look.model_dump_json() if as_json_ else _line(look)
            if text != last and (as_json_ or not line.visible):
                click.echo(text)
            last = text
            state = look.state
            line.show(look, _left(look, clock))
    if line.visible and not as_json_:
        click.echo(last)
    return _exit_code(state)


def _looks(found: WorkStatus, clock: LedgerClock, overdue: float) -> Iterator[WorkStatus]:
    """One look after the other, until the work has ended or is `overdue` seconds past its deadline."""
    yield found
    while not found.state.ended:
        if _left(found, clock) < -overdue:
            raise CommandError(
                f"{found.id} is {found.state} {duration(-_left(found, clock))} past its deadline:"
                " no worker looks after its lane (see askfirst doctor)",
                Exit.TIMEOUT,
            )
        time.sleep(POLL)
        found = _look_again(found.id)
        yield found


def _look_again(id: str) -> WorkStatus:
    from askfirst import LedgerUnavailable, status

    give_up_at = time.monotonic() + _OUTAGE
    while True:
        try:
            found = status(id)
        except LedgerUnavailable:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(POLL)
            continue
        if found is None:
            raise CommandError(f"{id} is forgotten: its record was removed meanwhile", Exit.UNKNOWN)
        return found


def _left(found: WorkStatus, clock: LedgerClock) -> float:
    return (found.deadline - clock.now()).total_seconds()


def _line(found: WorkStatus) -> str:
    text = state_text(found)
    if found.finished_at and found.started_at:
        text += f" after {duration((found.finished_at - found.started_at).total_seconds())}"
    elif found.progress and not found.state.ended:
        text += f" {progress_text(found.progress)}"
    if found.error and found.state is State.FAILED:
        text += f": {found.error.type}: {found.error.message}"
    return printable(" ".join(text.split()))


def _exit_code(state: State) -> Exit:
    return {State.COMPLETED: Exit.OK, State.EXPIRED: Exit.TIMEOUT}.get(state, Exit.FAILED)
