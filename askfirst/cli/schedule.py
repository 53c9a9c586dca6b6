"""`askfirst schedule`: what runs when, and the operator's hand on it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Final

import click

from .completion import schedule_ids
from .exits import CommandError, Exit
from .given import Given, imports_option, json_option, pass_given
from .printing import ago, as_json, duration, print_lines, printable, table

if TYPE_CHECKING:
    from askfirst.schedules import HistoryEntry, ScheduleStatus
    from askfirst.schedules.applying import Difference

OVERLAPS = ("skip", "buffer_one", "buffer_all", "cancel_other", "kill_other", "allow_all")  # as schedules/ has them
STATUSES = ("buffered", "claimed", "fired", "skipped", "missed")
_MOMENT: Final = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"])

_id = click.argument("id", shell_complete=schedule_ids)
_ids = click.argument("ids", nargs=-1, required=True, metavar="ID...", shell_complete=schedule_ids)
_actor = click.option("--actor", metavar="NAME", help="Who does it; default: the user at this host.")
_loglevel = click.option(
    "--loglevel", type=click.Choice(("debug", "info", "warning", "error")), default="info", show_default=True
)


@click.group()
def schedule() -> None:
    """Look after schedules, and run a scheduler.

    Times are UTC. Moments are given as 2026-03-01, 2026-03-01T09:30 or 2026-03-01T09:30:00.
    """
    from importlib.util import find_spec

    missing = [name for name in ("cronsim", "tzdata") if find_spec(name) is None]
    if missing:
        raise CommandError(f"{' and '.join(missing)} not installed: pip install 'askfirst[schedules]'", Exit.USAGE)


@schedule.command("list")
@click.option("--tag", help="Only those with this tag.")
@click.option("--prefix", default="", help="Only ids that begin with this.")
@click.option("--after", default="", metavar="ID", help="Only ids after this one: the next page.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Schedules at most.")
@json_option
@pass_given
def list_(given: Given, tag: str | None, prefix: str, after: str, limit: int, as_json_: bool) -> None:
    """List schedules, in the order of their ids."""
    given.configure()
    from askfirst import schedules

    found = schedules.list(tag=tag, prefix=prefix, after=after, limit=limit)
    if as_json_:
        click.echo(as_json([status.model_dump(mode="json") for status in found]))
    elif not found:
        click.echo("no schedules", err=True)
    else:
        _print_schedules(found)


@schedule.command()
@_id
@json_option
@pass_given
def show(given: Given, id: str, as_json_: bool) -> None:
    """Show a schedule: its definition and how it stands."""
    given.configure()
    from askfirst import schedules

    found = schedules.get(id)
    if found is None:
        raise schedules.UnknownSchedule(f"no schedule is called {id!r}")
    if as_json_:
        click.echo(as_json(found.model_dump(mode="json")))
    else:
        _print_facts(found)


@schedule.command("next")
@click.argument("id", required=False, shell_complete=schedule_ids)
@click.option("--count", type=click.IntRange(1), default=10, show_default=True, help="Instants at most.")
@json_option
@pass_given
def next_(given: Given, id: str | None, count: int, as_json_: bool) -> None:
    """Show the next instants of a schedule, or those of all that come first."""
    given.configure()
    from askfirst import schedules

    found = schedules.upcoming(count) if id is None else [(id, moment) for moment in schedules.next(id, count)]
    if as_json_:
        click.echo(as_json([{"schedule": each, "nominal_time": moment} for each, moment in found]))
        return
    for each, moment in found:
        click.echo(f"{_moment(moment)}  {each}")
    if not found:
        click.echo("no instants", err=True)


@schedule.command()
@_ids
@click.option("--reason", default="", help="Why, for those who find it paused.")
@_actor
@json_option
@pass_given
def pause(given: Given, ids: tuple[str, ...], reason: str, actor: str | None, as_json_: bool) -> None:
    """Pause schedules.

    What they queued and has not started never runs; runs go on.
    """
    given.configure()
    from askfirst import schedules

    _require(ids)
    _print_done({id: schedules.pause(id, reason, actor=actor) for id in ids}, "paused", "was paused already", as_json_)


@schedule.command()
@_ids
@json_option
@pass_given
def resume(given: Given, ids: tuple[str, ...], as_json_: bool) -> None:
    """Let paused schedules go on, without the instants of the pause."""
    given.configure()
    from askfirst import schedules

    _require(ids)
    _print_done({id: schedules.resume(id) for id in ids}, "resumed", "was not paused", as_json_)


@schedule.command()
@_ids
@click.option("--yes", is_flag=True, help="Do not ask.")
@_actor
@json_option
@pass_given
def delete(given: Given, ids: tuple[str, ...], yes: bool, actor: str | None, as_json_: bool) -> None:
    """Delete schedules with their history.

    What they queued and has not started never runs; runs go on.
    """
    given.configure()
    from askfirst import schedules

    if not yes:
        _agree(f"Delete {', '.join(map(printable, ids))} and what is known of their runs?")
    done = {id: schedules.delete(id, actor=actor) for id in ids}
    _print_done(done, "deleted", "there is none", as_json_)
    if not all(done.values()):
        raise CommandError(f"no schedule is called {', '.join(id for id in ids if not done[id])}", Exit.UNKNOWN)


@schedule.command()
@_id
@json_option
@pass_given
def trigger(given: Given, id: str, as_json_: bool) -> None:
    """Fire a schedule now, by its overlap policy; also while it is paused."""
    given.configure()
    from askfirst import schedules

    _print_entries([schedules.trigger(id)], as_json_)


@schedule.command()
@_id
@click.option("--after", type=_MOMENT, metavar="MOMENT", required=True, help="Instants later than this.")
@click.option("--until", type=_MOMENT, metavar="MOMENT", required=True, help="Instants up to and including this.")
@click.option(
    "--overlap",
    type=click.Choice(OVERLAPS),
    default="buffer_all",
    show_default=True,
    help="What becomes of an instant while an earlier run goes on.",
)
@json_option
@pass_given
def backfill(given: Given, id: str, after: datetime, until: datetime, overlap: str, as_json_: bool) -> None:
    """Fire instants of the past that have not run, or whose run has failed."""
    given.configure()
    from askfirst import schedules

    found = schedules.backfill(id, after, until, overlap=overlap)  # type: ignore[arg-type]  # click has checked it
    _print_entries(found, as_json_)


@schedule.command()
@_id
@click.option("--since", type=_MOMENT, metavar="MOMENT", help="From this instant on.")
@click.option("--until", type=_MOMENT, metavar="MOMENT", help="Up to and including this instant.")
@click.option("--status", type=click.Choice(STATUSES), help="Only instants with this status.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Entries at most.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@json_option
@pass_given
def history(
    given: Given,
    id: str,
    since: datetime | None,
    until: datetime | None,
    status: str | None,
    limit: int,
    as_csv: bool,
    as_json_: bool,
) -> None:
    """Show what became of the instants of a schedule, the newest first."""
    given.configure()
    from askfirst import schedules

    found = schedules.history(id, since=since, until=until, status=status, limit=limit)
    if as_csv:
        _print_csv(found)
    else:
        _print_entries(found, as_json_)


@schedule.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--yes", is_flag=True, help="Do not ask.")
@imports_option
@json_option
@pass_given
def apply(given: Given, file: str, yes: bool, imports: tuple[str, ...], as_json_: bool) -> None:
    """Make schedules be as a TOML file says, after showing the difference.

    A file with an error changes nothing. With --json, and without --yes, it only shows.
    """
    from .given import import_modules

    settings = given.configure()
    import_modules((*settings.imports, *imports))
    from askfirst.schedules.applying import Plan

    plan = Plan.of_file(file)
    if as_json_:
        if yes:
            plan.apply()
        differences = [each.as_dict() for each in plan.differences]
        click.echo(as_json({"file": file, "applied": yes, "differences": differences}))
        return
    _print_differences(plan.differences)
    if not plan.differences:
        return
    if not yes:
        _agree("Apply?")
    plan.apply()


@schedule.command()
@imports_option
@_loglevel
@pass_given
def run(given: Given, imports: tuple[str, ...], loglevel: str) -> None:
    """Run a scheduler, one of as many as you like, until SIGTERM or Ctrl-C."""
    import threading

    from .given import import_modules
    from .told import until_told_to_stop

    _log_at(loglevel)
    settings = given.configure()
    import_modules((*settings.imports, *imports))
    from askfirst.schedules.scheduler import Scheduler
    from askfirst.waiters.client import default_client

    with until_told_to_stop():
        default_client().ledger.line.command("PING")  # says at once what is wrong, instead of trying for ever
        click.echo(f"scheduler of namespace {settings.namespace}: ready")
        Scheduler(default_client()).run(threading.Event())


@schedule.command()
@click.argument("database", required=False, metavar="[URL]")
@_loglevel
@pass_given
def mirror(given: Given, database: str | None, loglevel: str) -> None:
    """Keep the history in a SQL database too, until SIGTERM or Ctrl-C.

    URL is as SQLAlchemy writes it, by default the setting schedule_mirror: others see a password on the command line.
    """
    import threading
    from importlib.util import find_spec

    from .told import until_told_to_stop

    if find_spec("sqlalchemy") is None:
        raise CommandError("SQLAlchemy not installed: pip install 'askfirst[library]'", Exit.USAGE)
    _log_at(loglevel)
    settings = given.configure()
    url = database or settings.schedule_mirror
    if url is None:
        raise CommandError("expected the URL of a database, or the setting schedule_mirror", Exit.USAGE)
    from askfirst.schedules.mirror import Mirror
    from askfirst.waiters.client import default_client

    with until_told_to_stop():
        mirror = Mirror(default_client(), url)
        mirror.round()  # says at once what is wrong, instead of trying for ever
        click.echo(f"mirror of namespace {settings.namespace}: ready")
        mirror.run(threading.Event())


def _log_at(level: str) -> None:
    import logging

    logging.basicConfig(level=level.upper(), format="[%(asctime)s: %(levelname)s] %(message)s")


def _print_schedules(found: Iterable[ScheduleStatus]) -> None:
    rows = table("id", "work type", "next", "state", "open", "tags")
    for each in found:
        failed = f"{each.failures} failed" if each.failures else ""
        state = f"paused: {each.paused}" if each.paused else each.alarm or failed
        following = _moment(each.next_time) if each.next_time else ""
        work, tags = printable(each.schedule.work), printable(", ".join(each.schedule.tags))
        rows.add_row(each.id, work, following, printable(state), str(each.open), tags)
    print_lines(rows)


def _print_facts(found: ScheduleStatus) -> None:
    from .finding import LedgerClock

    now = LedgerClock().now()
    facts = found.schedule.model_dump(mode="json", exclude_defaults=True) | {
        "revision": found.revision,
        "next": found.next_time and f"{_moment(found.next_time)}  ({ago(found.next_time, now)})",
        "paused": found.paused and f"{found.paused}  (by {found.paused_by}, {ago(found.paused_at or now, now)})",
        "failures": found.failures or None,
        "alarm": found.alarm,
        "open": found.open,
        "buffered": found.buffered or None,
    }
    for name, value in facts.items():
        if value is not None:
            text = value if isinstance(value, str | int | float) else as_json(value)
            click.echo(f"{name:<14}{printable(str(text))}")


def _require(ids: Iterable[str]) -> None:
    """Ends the command, before it has changed any of them, where there is no such schedule."""
    from askfirst import schedules

    for id in ids:
        if schedules.get(id) is None:
            raise schedules.UnknownSchedule(f"no schedule is called {id!r}")


def _agree(question: str) -> None:
    """Ends the command unless somebody says yes; also where nobody can be asked."""
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        click.echo(err=True)  # the line of the question is still open
        agreed = False
    if not agreed:
        raise CommandError("nothing was changed; --yes does it without asking", Exit.INTERRUPTED)


def _print_done(done: dict[str, bool], yes: str, no: str, as_json_: bool) -> None:
    if as_json_:
        click.echo(as_json([{"id": id, "changed": changed} for id, changed in done.items()]))
        return
    for id, changed in done.items():
        click.echo(f"{printable(id)}  {yes if changed else no}")


def _print_entries(found: list[HistoryEntry], as_json_: bool) -> None:
    if as_json_:
        click.echo(as_json([each.model_dump(mode="json") for each in found]))
        return
    if not found:
        click.echo("no instants", err=True)
        return
    rows = table("instant", "status", "run", "took", "remark", "work")
    for each in found:
        took = "" if each.duration is None else duration(each.duration)
        rows.add_row(_span(each), each.status, each.state or "", took, printable(_remark(each)), each.work or "")
    print_lines(rows)


def _span(entry: HistoryEntry) -> str:
    if entry.count == 1:
        return _moment(entry.nominal_time)
    return f"{_moment(entry.nominal_time)} … {_moment(entry.until)} ({entry.count})"


def _remark(entry: HistoryEntry) -> str:
    parts = ["" if entry.cause == "planned" else entry.cause, entry.why or "", entry.reason or "", entry.failure or ""]
    parts += ["late"] * entry.late + ["over time"] * entry.over_time
    return ", ".join(" ".join(part.split()) for part in parts if part)


def _print_csv(found: list[HistoryEntry]) -> None:
    import csv
    import sys

    from askfirst.schedules import HistoryEntry

    writer = csv.DictWriter(sys.stdout, list(HistoryEntry.model_fields))
    writer.writeheader()
    writer.writerows(each.model_dump(mode="json") for each in found)


def _print_differences(differences: list[Difference]) -> None:
    for each in differences:
        click.echo(printable(str(each)))
    if not differences:
        click.echo("nothing to change", err=True)


def _moment(moment: datetime) -> str:
    text = moment.isoformat(" ", "milliseconds" if moment.microsecond else "seconds")
    return text.replace("+00:00", "Z")
