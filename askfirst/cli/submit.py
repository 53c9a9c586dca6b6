"""`askfirst submit`: hands over one work, by the name of its type, and waits for the result."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from .completion import work_names
from .fields import payload_from
from .given import Given, import_modules, imports_option, json_option, pass_given
from .printing import as_json, printable
from .progress import POLL, LiveLine

if TYPE_CHECKING:
    from askfirst import WorkWaiter

# As the rooms have them; spelt out because their import would slow the help down. A test compares.
ON_DUPLICATE = ("join", "reject", "replace")
IMPORTANCES = ("critical", "normal", "sheddable")


@click.command()
@click.argument("name", shell_complete=work_names)
@click.argument("fields", nargs=-1, metavar="[FIELD=VALUE | FIELD:=JSON]...")
@click.option("--json-payload", metavar="JSON|@FILE|-", help="The payload as a JSON object; fields are put on top.")
@click.option("--timeout", metavar="DURATION", help="Deadline from now, as 5, 500ms or 2m; default: the work type's.")
@click.option("--key", help="Name of the work, for duplicates and for finding it again.")
@click.option("--on-duplicate", type=click.Choice(ON_DUPLICATE), help="What to do if the key is taken.")
@click.option("--delay", metavar="DURATION", default="0", help="Start no earlier than that from now.")
@click.option("--importance", type=click.Choice(IMPORTANCES), default="normal", show_default=True)
@click.option("--detached", is_flag=True, help="The work lives until its deadline, also without this command.")
@click.option("--wait/--no-wait", default=True, help="Print the result, or only the id (which implies --detached).")
@imports_option
@json_option
@pass_given
def submit(
    given: Given,
    /,
    name: str,
    fields: tuple[str, ...],
    json_payload: str | None,
    detached: bool,
    wait: bool,
    imports: tuple[str, ...],
    as_json_: bool,
    **options: Any,
) -> None:
    """Submit one work and wait for its result.

    FIELD=VALUE is converted as the work type's published schema says, FIELD:=JSON is taken as it is. The result goes
    to stdout, all else to stderr. Ctrl-C withdraws the interest, unless the work is --detached.
    """
    from askfirst import submit_work

    import_modules(imports)
    settings = given.configure()
    payload = payload_from(fields, json_payload, _schema_of(name))
    _refuse_options(payload)
    detached = detached or not wait
    waiter = submit_work(name, detached=detached, **options, **payload)
    if wait:
        _print_result(_await(waiter, detached, settings.connect_timeout), as_json_)
    else:
        click.echo(as_json({"id": waiter.id, "key": waiter.key, "name": waiter.name}) if as_json_ else waiter.id)


def _schema_of(name: str) -> Mapping[str, Any]:
    """The JSON Schema of a work type's payload; empty if nobody knows the type, which submitting will say."""
    from askfirst.tasks import registry
    from askfirst.waiters.client import default_client

    definition = registry.find(name)
    if definition is not None:
        return definition.carrier.schema()
    published = default_client().ledger.published_type(name)
    schema: Mapping[str, Any] = json.loads(published)["payload"] if published else {}
    return schema


def _refuse_options(payload: Mapping[str, Any]) -> None:
    from askfirst.tasks.payload import SUBMIT_OPTIONS

    offered = {parameter.name for parameter in submit.params}
    for name in payload:
        if name in offered & SUBMIT_OPTIONS:
            raise click.UsageError(f"{name!r} is no field but an option: --{name.replace('_', '-')}")
        if name in SUBMIT_OPTIONS:
            raise click.UsageError(f"{name!r} is no field but an option of submit_work()")


def _await(waiter: WorkWaiter, detached: bool, patience: float) -> Any:
    with contextlib.nullcontext() if detached else waiter:
        try:
            with LiveLine(waiter.name) as line:
                if line.visible:
                    _follow(waiter, line, patience)
                return waiter.result()
        except KeyboardInterrupt:
            if detached:
                click.echo(f"{waiter.id} goes on: see `askfirst watch {waiter.id}`", err=True)
            raise


def _follow(waiter: WorkWaiter, line: LiveLine, patience: float) -> None:
    from askfirst import LedgerUnavailable

    while not waiter.done():
        # Asking a dead ledger takes as long as `patience`, and the answer must not come after the deadline.
        if waiter.remaining() > patience:
            with contextlib.suppress(LedgerUnavailable):
                status = waiter.status()
                if status is not None:
                    line.show(status, waiter.remaining())
        concurrent.futures.wait([waiter], timeout=POLL)


def _print_result(value: Any, as_json_: bool) -> None:
    if as_json_:
        click.echo(as_json(value))
    elif isinstance(value, str):
        click.echo(printable(value) if sys.stdout is not None and sys.stdout.isatty() else value)
    elif value is not None:
        click.echo(as_json(value, indent=2))
