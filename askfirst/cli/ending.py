"""`askfirst cancel` and `askfirst cleanup`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .completion import ids_and_keys
from .exits import CommandError, Exit
from .given import Given, json_option, pass_given
from .printing import as_json, printable

if TYPE_CHECKING:
    from askfirst.interest.records import WorkStatus


@click.command()
@click.argument("ids_or_keys", nargs=-1, required=True, metavar="ID_OR_KEY...", shell_complete=ids_and_keys)
@json_option
@pass_given
def cancel(given: Given, ids_or_keys: tuple[str, ...], as_json_: bool) -> None:
    """End works for all their callers.

    Pending ones end at once, running ones are told to stop.
    """
    from askfirst import cancel as cancel_work

    given.configure()
    found = {each: cancel_work(each) for each in dict.fromkeys(ids_or_keys)}
    if as_json_:
        click.echo(as_json([_told(asked, was) for asked, was in found.items()]))
    else:
        for was in filter(None, found.values()):
            fate = "had ended already" if was.state.ended else "cancelled"
            click.echo(f"{was.id}  {printable(was.name)}  was {was.state}: {fate}")
    unknown = [asked for asked, was in found.items() if was is None]
    if unknown:
        raise CommandError(f"no work of the id or key {', '.join(map(repr, unknown))} is known", Exit.UNKNOWN)


def _told(asked: str, was: WorkStatus | None) -> dict[str, Any]:
    if was is None:
        return {"asked": asked, "id": None, "was": None, "cancelled": False}
    return {"asked": asked, "id": was.id, "was": was.state, "cancelled": not was.state.ended}


@click.command()
@click.option(
    "--older-than", metavar="DURATION", default="0", help="Only works that ended that long ago, as 30s or 1h."
)
@json_option
@pass_given
def cleanup(given: Given, older_than: str, as_json_: bool) -> None:
    """Remove the records of ended works.

    That is before their retention is over. Prints how many.
    """
    from askfirst import cleanup as remove
    from askfirst.config.units import seconds

    try:
        age = seconds(older_than)
        if age < 0:
            raise ValueError(f"expected 0 seconds or more, got {older_than}")
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--older-than") from None
    given.configure()
    removed = remove(older_than=age)
    click.echo(as_json({"removed": removed}) if as_json_ else f"{removed} removed")
