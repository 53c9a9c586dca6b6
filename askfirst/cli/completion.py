"""Tab completion: the shell's script, and what can stand for names, ids, pools and lanes.

A completer never complains and never waits long: with the ledger away it offers nothing.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import CompletionItem, get_completion_class

from .given import Given

if TYPE_CHECKING:
    from askfirst.config import Settings
    from askfirst.interest.ledger import Ledger

_PATIENCE: Final = 0.3  # seconds for the ledger to answer
_SCHEDULES: Final = 50  # that are offered
_RECENT: Final = 20  # works of each lane and state that are offered


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script for tab completion.

    \b
    bash: eval "$(askfirst completion bash)"                in ~/.bashrc
    zsh:  eval "$(askfirst completion zsh)"                 in ~/.zshrc
    fish: askfirst completion fish > ~/.config/fish/completions/askfirst.fish
    """
    script = get_completion_class(shell)
    if script is None:
        raise click.UsageError(f"click knows no completion for {shell}")
    click.echo(script(context.find_root().command, {}, "askfirst", "_ASKFIRST_COMPLETE").source())


def work_names(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Work types that workers have published."""
    return _offer(typed, _from_ledger(context, lambda ledger: [(name, "") for name in ledger.published_names()]))


def partitions(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Partitions of the work type named before that have a limit of their own or wait."""
    # An option whose value is still to come keeps click from giving the arguments their names.
    name = context.params.get("name") or next(iter(context.args), None)
    return _offer(typed, _from_ledger(context, lambda ledger: [(each, "") for each in _partitions(ledger, name)]))


def schedule_ids(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Schedules whose ids begin so."""
    return _offer(typed, _from_ledger(context, lambda ledger: _schedules(ledger, typed)))


def ids_and_keys(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Recent works, by id and by key."""
    return _offer(typed, _from_ledger(context, _recent))


def pools(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Pools that the settings name."""
    settings = _settings(context)
    return _offer(typed, [(name, ", ".join(pool.lanes)) for name, pool in settings.pools.items()] if settings else [])


def lanes(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Lanes that the settings name or that were ever used; after a comma the next one."""
    settings = _settings(context)
    known = {lane for pool in settings.pools.values() for lane in pool.lanes} if settings else set()
    known |= {lane for lane, _ in _from_ledger(context, lambda ledger: [(lane, "") for lane in ledger.lanes()])}
    before, comma, _last = typed.rpartition(",")
    return _offer(typed, [(before + comma + lane, "") for lane in sorted(known)])


def _recent(ledger: Ledger) -> list[tuple[str, str]]:
    from askfirst.interest.states import State

    ids = [id for lane in ledger.lanes() for state in State for id in ledger.ids(lane, state, 0, _RECENT)]
    found = [status for status in ledger.statuses(ids) if status is not None]
    found.sort(key=lambda status: status.submitted_at, reverse=True)
    newest = {status.key: status for status in reversed(found) if status.key} | {status.id: status for status in found}
    return [(id_or_key, f"{status.name} {status.state}") for id_or_key, status in newest.items()]


def _schedules(ledger: Ledger, typed: str) -> list[tuple[str, str]]:
    from askfirst.schedules.store import Store

    return [(id, "") for id in Store(ledger, 1, 1.0).ids(typed, limit=_SCHEDULES)]


def _partitions(ledger: Ledger, name: str | None) -> list[str]:
    from askfirst.interest.limits import limits_of

    rows = [row for lane in ledger.lanes() for row in limits_of(ledger, lane) if row.name == name]
    return [row.partition for row in rows if row.partition is not None]


def _offer(typed: str, known: Iterable[tuple[str, str]]) -> list[CompletionItem]:
    # bash puts them on the command line as they are: a key or partition, which callers choose, could be a command.
    fit = [(value, text) for value, text in known if value.startswith(typed) and value == shlex.quote(value)]
    return [CompletionItem(value, help=text or None) for value, text in fit]


def _settings(context: click.Context) -> Settings | None:
    try:
        return Given.of(context).load()
    except ValueError:  # the settings are wrong: the command itself will say so
        return None


def _from_ledger(context: click.Context, look: Callable[[Ledger], list[tuple[str, str]]]) -> list[tuple[str, str]]:
    settings = _settings(context)
    if settings is None:
        return []
    from askfirst.interest.embedded import running_url
    from askfirst.interest.errors import LedgerUnavailable
    from askfirst.tasks.connecting import open_ledger

    if settings.redis_url is None and running_url(settings.data_dir) is None:
        return []  # completing must not start a server
    try:
        ledger = open_ledger(settings.model_copy(update={"connect_timeout": _PATIENCE}))
        return look(ledger)
    except LedgerUnavailable:
        return []
