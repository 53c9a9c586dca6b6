"""`askfirst limits`: the fleet-wide limits, and the operator's hand on them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from .completion import partitions, work_names
from .given import Given, json_option, pass_given
from .printing import as_json, print_lines, printable, table

if TYPE_CHECKING:
    from askfirst.interest.ledger import Ledger
    from askfirst.interest.limits import Limit, LimitChange, LimitInUse

_LONGEST_PARTITION = 200  # characters, as works have them

Value = TypeVar("Value")


class _ShowByDefault(click.Group):
    """`askfirst limits NAME` is `askfirst limits show NAME`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts in the command that is left out, unless the next word is being completed."""
        named = args and (args[0] in self.commands or args[0] in ctx.help_option_names)
        if not named and not (ctx.resilient_parsing and not args):
            args = ["show", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands, and what the one that may be left out takes."""
        return [*super().shell_complete(ctx, incomplete), *work_names(ctx, self.get_params(ctx)[0], incomplete)]


@click.group(cls=_ShowByDefault)
def limits() -> None:
    """Show and set the fleet-wide limits of work types.

    `askfirst limits [NAME]` is short for `askfirst limits show [NAME]`. A limit is of a work type, or, where the type
    has partitions, of each of them. What is set here comes before settings and @work, holds for the whole fleet within
    a second, and stays until it is cleared.
    """


@limits.command()
@click.argument("name", required=False, shell_complete=work_names)
@json_option
@pass_given
def show(given: Given, name: str | None, as_json_: bool) -> None:
    """List the limits, or those of one work type.

    With what is declared, what was set, what is in force, and how many works run and are held. Of partitions those are
    listed that have a limit of their own, run, or wait.
    """
    ledger = _ledger(given)
    if name is not None:
        _published(ledger, name)
    _print(_rows(ledger, name), as_json_)


@limits.command("set")
@click.argument("name", shell_complete=work_names)
@click.option("--partition", help="Only this partition.", shell_complete=partitions)
@click.option("--max-concurrent", metavar="N|none", help="Runs at once.")
@click.option("--rate", metavar="N/PERIOD|none", help="Starts in any period, as 10/s, 100/m or 5/10s.")
@json_option
@pass_given
def set_(
    given: Given, name: str, partition: str | None, max_concurrent: str | None, rate: str | None, as_json_: bool
) -> None:
    """Set the limit of a work type, or of one partition.

    It holds within a second, without a restart. Of --max-concurrent and --rate, the one that is not given stays as it
    is in force; "none" means no such limit, whatever is declared. A partition's own limit comes before the type's.
    """
    from askfirst.config.units import rate as read_rate
    from askfirst.interest.limits import Changes, change_limit

    changes: Changes = {}
    if max_concurrent is not None:
        changes["max_concurrent"] = _wish("--max-concurrent", max_concurrent, _count)
    if rate is not None:
        changes["rate"] = _wish("--rate", rate, read_rate)
    if not changes:
        raise click.UsageError("nothing to set: give --max-concurrent, --rate or both")
    ledger = _ledger(given)
    lane = _lane(ledger, name, partition)
    change = change_limit(ledger, lane, name, partition, **changes)
    _print_change("set", lane, name, partition, change, as_json_)


@limits.command()
@click.argument("name", shell_complete=work_names)
@click.option("--partition", help="Only what was set for this partition.", shell_complete=partitions)
@json_option
@pass_given
def clear(given: Given, name: str, partition: str | None, as_json_: bool) -> None:
    """Take back what was set for a work type or a partition.

    Then what settings or @work declare holds again, for a partition what holds for its type. What was set for other
    partitions stays.
    """
    from askfirst.interest.limits import set_limit

    ledger = _ledger(given)
    lane = _lane(ledger, name, partition)
    change = set_limit(ledger, lane, name, partition, None)
    _print_change("cleared" if change.was_set else "nothing was set", lane, name, partition, change, as_json_)


def limit_text(limit: Limit | None) -> str:
    """A limit in words."""
    if limit is None:
        return ""
    parts = [f"{limit.max_concurrent} at once" if limit.max_concurrent else "", str(limit.rate) if limit.rate else ""]
    return ", ".join(filter(None, parts)) or "none"


def limit_json(limit: Limit | None) -> dict[str, Any] | None:
    """A limit for programs."""
    if limit is None:
        return None
    return {"max_concurrent": limit.max_concurrent, "rate": str(limit.rate) if limit.rate else None}


def row_json(row: LimitInUse) -> dict[str, Any]:
    """A limit with its use, for programs."""
    from askfirst.interest.standing import in_force

    return {
        "lane": row.lane,
        "name": row.name,
        "partition": row.partition,
        "declared": limit_json(row.declared),
        "set": limit_json(row.set),
        "in_force": limit_json(in_force(row)),
        "running": row.running,
        "held": row.held,
    }


def _ledger(given: Given) -> Ledger:
    from askfirst.waiters.client import default_client

    given.configure()
    return default_client().ledger


def _rows(ledger: Ledger, name: str | None) -> list[LimitInUse]:
    from askfirst.interest.activity import activity_of

    rows = [row for lane in ledger.lanes() for row in activity_of(ledger, lane).limits]
    return [row for row in rows if name is None or row.name == name]


def _print(rows: Sequence[LimitInUse], as_json_: bool) -> None:
    from askfirst.interest.standing import in_force

    if as_json_:
        click.echo(as_json([row_json(row) for row in rows]))
        return
    if not rows:
        click.echo("no limits", err=True)
        return
    listed = table("lane", "work type", "partition", "declared", "set", "in force", "running", "held")
    for row in rows:
        texts = [limit_text(limit) for limit in (row.declared, row.set, in_force(row))]
        partition = printable(row.partition or "")
        listed.add_row(row.lane, printable(row.name), partition, *texts, str(row.running), str(row.held))
    print_lines(listed)


def _print_change(
    done: str, lane: str, name: str, partition: str | None, change: LimitChange, as_json_: bool
) -> None:
    if as_json_:
        changed = {"lane": lane, "name": name, "partition": partition}
        click.echo(as_json(changed | {"before": limit_json(change.before), "in_force": limit_json(change.now)}))
        return
    what = printable(name if partition is None else f"{name} {partition}")
    click.echo(f"{what}  {done}: {limit_text(change.now)} in force, was {limit_text(change.before)}")


def _published(ledger: Ledger, name: str) -> dict[str, Any]:
    """What workers published of a work type. Raises `UnknownWork`, naming the nearest known one."""
    import difflib

    from askfirst import UnknownWork

    description = ledger.published_type(name)
    if description is None:
        close = difflib.get_close_matches(name, ledger.published_names(), 1)
        hint = f"did you mean {close[0]!r}?" if close else "no worker has published it"
        raise UnknownWork(f"no work type is called {name!r}: {hint}")
    found: dict[str, Any] = json.loads(description)
    return found


def _lane(ledger: Ledger, name: str, partition: str | None) -> str:
    """The lane of the work type, which is known to have such a partition if one is named."""
    published = _published(ledger, name)
    if partition is not None:
        if not published.get("partition_by"):
            raise click.UsageError(f"{name} has no partitions: its @work names no partition_by")
        if not 0 < len(partition) <= _LONGEST_PARTITION or not partition.isprintable():
            raise click.BadParameter(
                f"expected 1 to {_LONGEST_PARTITION} printable characters, got {partition[:_LONGEST_PARTITION]!r}",
                param_hint="--partition",
            )
    lane: str = published["lane"]
    return lane


def _wish(option: str, text: str, read: Callable[[str], Value]) -> Value | None:
    if text.strip().lower() == "none":
        return None
    try:
        return read(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ValueError(f"expected 1 or more, or none, got {text!r}")
    return int(text)
