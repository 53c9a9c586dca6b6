"""`askfirst messages`: what workers could not run and set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .completion import lanes
from .finding import LedgerClock
from .given import Given, json_option, pass_given
from .printing import ago, as_json, print_lines, printable, table

if TYPE_CHECKING:
    from askfirst.interest.ledger import Ledger
    from askfirst.interest.messages import AsideMessage

lane_option = click.option("--lane", help="Only those of this lane.", shell_complete=lanes)


@click.group()
def messages() -> None:
    """Look at messages that no worker could run.

    A worker sets aside what is no message of a work, was changed on its way, or names a work type that it doesn't know.
    The newest hundred of each lane are kept, for a week after the last; all are counted (`top`, `metrics`).
    """


@messages.command("list")
@lane_option
@json_option
@pass_given
def list_(given: Given, lane: str | None, as_json_: bool) -> None:
    """List them, newest first, each with its number."""
    found = _found(given, lane)
    if as_json_:
        click.echo(as_json([_plain(each) for each in found]))
        return
    if not found:
        click.echo("no messages were set aside", err=True)
        return
    now = LedgerClock().now()
    rows = table("no", "lane", "when", "reason", "work", "detail")
    for number, each in enumerate(found, 1):
        bad = each.bad
        rows.add_row(str(number), each.lane, ago(each.at, now), bad.flaw, printable(bad.id), _one_line(bad.detail))
    print_lines(rows)


@messages.command()
@click.argument("number", type=click.IntRange(1))
@lane_option
@json_option
@pass_given
def show(given: Given, number: int, lane: str | None, as_json_: bool) -> None:
    """Show one of them, by its number in the list of now."""
    found = _found(given, lane)
    if number > len(found):
        raise click.BadParameter(f"there are {len(found)} messages", param_hint="NUMBER")
    each = found[number - 1]
    if as_json_:
        click.echo(as_json(_plain(each)))
        return
    for name, value in _plain(each).items():
        if name != "message" and value != "":
            click.echo(f"{name:<8}{_one_line(str(value))}")
    click.echo(f"\n{printable(each.bad.message)}")


@messages.command()
@lane_option
@json_option
@pass_given
def clear(given: Given, lane: str | None, as_json_: bool) -> None:
    """Forget them; the counts stay."""
    from askfirst.interest.messages import clear_aside

    ledger = _ledger(given)
    forgotten = sum(clear_aside(ledger, each) for each in _lanes(ledger, lane))
    click.echo(as_json({"forgotten": forgotten}) if as_json_ else f"{forgotten} messages are forgotten")


def _ledger(given: Given) -> Ledger:
    from askfirst.waiters.client import default_client

    given.configure()
    return default_client().ledger


def _lanes(ledger: Ledger, lane: str | None) -> list[str]:
    return ledger.lanes() if lane is None else [lane]


def _found(given: Given, lane: str | None) -> list[AsideMessage]:
    from askfirst.interest.messages import aside_in

    ledger = _ledger(given)
    found = [each for known in _lanes(ledger, lane) for each in aside_in(ledger, known)]
    return sorted(found, key=lambda each: each.at, reverse=True)


def _plain(each: AsideMessage) -> dict[str, object]:
    bad = each.bad
    return {
        "at": each.at,
        "lane": each.lane,
        "reason": bad.flaw.value,
        "detail": bad.detail,
        "work": bad.id,
        "queue": bad.queue,
        "worker": bad.worker,
        "size": bad.size,
        "message": bad.message,
    }


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))
