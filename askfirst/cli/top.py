"""`askfirst top`: the fleet at work, live."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import click

from .figures import look, rates_between
from .given import Given, json_option, pass_given
from .keyboard import QUIT, Keyboard
from .printing import as_json, console
from .screen import Screen, screen_json
from .told import until_told_to_stop

if TYPE_CHECKING:
    from rich.console import Console

    from askfirst.interest.ledger import Ledger

_ROWS: Final = 20  # of each table, where it is printed once
_SHORTEST: Final = 0.1  # seconds between two looks
_BREATHER: Final = 4  # times as long as a look takes: looking must not be a load of its own
_NEXT_PAGE: Final = " "


@click.command()
@click.option("--once", is_flag=True, help="Print one snapshot, as where stdout is no terminal.")
@click.option(
    "--interval", metavar="DURATION", default="2s", show_default=True, help="Between two looks, as 500ms or 5s."
)
@json_option
@pass_given
def top(given: Given, once: bool, interval: str, as_json_: bool) -> None:
    """Watch lanes, work types and workers.

    Live on a terminal: space turns the pages of long tables, q or Ctrl-C ends. Else, with --once or --json, it is one
    snapshot. Rates are those of the last interval, so a snapshot takes one. Looking writes nothing to the ledger.
    """
    from askfirst.interest.url import redacted
    from askfirst.waiters.client import default_client

    pause = _pause(interval)
    settings = given.configure()
    ledger = default_client().ledger
    out = console()
    title = f"askfirst {settings.namespace} on {redacted(ledger.line.url)}"
    if as_json_ or once or not out.is_terminal or out.is_dumb_terminal:
        before = look(ledger)
        time.sleep(pause)
        now = look(ledger)
        rates = rates_between(before, now)
        if as_json_:
            click.echo(as_json(screen_json(now, rates, now.at - before.at)))
        else:
            out.print(Screen(title, now, rates, _ROWS))
    else:
        with until_told_to_stop():
            _show(ledger, pause, f"{title}  (space: next page, q: quit)", out)


def _show(ledger: Ledger, pause: float, title: str, out: Console) -> None:
    """Looks and shows until the user has seen enough. Raises `LedgerUnavailable` at the first look only."""
    from rich.live import Live

    screen = Screen(title, look(ledger), {})
    next_at = time.monotonic() + pause
    keyboard, live = Keyboard(), Live(console=out, screen=True, auto_refresh=False)
    # No `with`: interrupted on its way in, it would leave the terminal as it is then.
    try:
        keyboard.open()
        live.start()
        while True:
            live.update(screen, refresh=True)
            key = keyboard.wait(next_at - time.monotonic())
            if key.lower() == QUIT:
                return
            if key == _NEXT_PAGE:
                screen = replace(screen, page=screen.page + 1)
            elif time.monotonic() >= next_at:
                began_at = time.monotonic()
                screen = _look_again(ledger, screen, title)
                next_at = time.monotonic() + max(pause, _BREATHER * (time.monotonic() - began_at))
    finally:
        live.stop()
        keyboard.close()


def _look_again(ledger: Ledger, screen: Screen, title: str) -> Screen:
    from askfirst import LedgerUnavailable

    try:
        now = look(ledger)
    except LedgerUnavailable as error:
        return replace(screen, title=f"{time.monotonic() - screen.figures.at:.0f} s old: {error}")
    return replace(screen, title=title, figures=now, rates=rates_between(screen.figures, now))


def _pause(interval: str) -> float:
    from askfirst.config.units import seconds

    try:
        pause = seconds(interval)
        if pause < _SHORTEST:
            raise ValueError(f"expected {_SHORTEST:g} seconds or more, got {interval}")
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--interval") from None
    return pause
