"""`askfirst worker`: one process of the fleet, with its pool."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from .completion import lanes, pools
from .exits import Exit
from .given import Given, import_modules, imports_option, pass_given

if TYPE_CHECKING:
    from celery import Celery

    from askfirst.config import PoolSettings, Settings

LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
POOL_TYPES = ("prefork", "threads")  # as config/ has them; a test compares


@click.command()
@imports_option
@click.option("--pool", metavar="NAME", shell_complete=pools, help="Pool of the settings to run.")
@click.option("--lanes", metavar="A,B", shell_complete=lanes, help="Lanes to serve instead of a pool of the settings.")
@click.option("--concurrency", metavar="N", type=click.IntRange(1), help="Works run at once.")
@click.option("--pool-type", type=click.Choice(POOL_TYPES), help="Processes or threads.")
@click.option("--loglevel", type=click.Choice(LOG_LEVELS, case_sensitive=False), default="info", show_default=True)
@click.option("--hostname", metavar="NAME", help="Name of the worker, as w1@%h; default: POOL-PID@%h.")
@pass_given
def worker(
    given: Given,
    imports: tuple[str, ...],
    pool: str | None,
    lanes: str | None,
    concurrency: int | None,
    pool_type: str | None,
    loglevel: str,
    hostname: str | None,
) -> int:
    """Run works, as one process of the fleet.

    On SIGTERM or Ctrl-C it takes no more works, lets those that run end, and exits.
    """
    overrides = {"concurrency": concurrency, "type": pool_type}
    settings = given.load()
    name, chosen = choose_pool(settings, pool, lanes, {key: value for key, value in overrides.items() if value})
    settings = settings.model_copy(update={"pools": {name: chosen}})
    import_modules((*settings.imports, *imports))
    _check_ledger(settings)

    from askfirst import create_app

    app = create_app(settings)
    node = _node_name(hostname or f"{name}-{os.getpid()}@%h")
    _greet(node, chosen, settings)
    return _run(app, node, chosen, loglevel)


def choose_pool(
    settings: Settings, pool: str | None, lanes: str | None, overrides: Mapping[str, Any]
) -> tuple[str, PoolSettings]:
    """The pool to run and its name, from what was given. Raises `click.UsageError`, naming the choices."""
    from pydantic import ValidationError

    from askfirst.config import PoolSettings

    if pool is not None and lanes is not None:
        raise click.UsageError("--pool and --lanes exclude one another")
    if lanes is not None:
        try:
            chosen = PoolSettings.model_validate({"lanes": lanes, **overrides})
        except ValidationError as error:
            first = error.errors()[0]
            cause = first.get("ctx", {}).get("error", first["msg"])
            raise click.BadParameter(str(cause), param_hint="--lanes") from None
        return "-".join(chosen.lanes), chosen
    known = ", ".join(settings.pools)
    if pool is None and len(settings.pools) > 1:
        raise click.UsageError(
            f"there are several pools: choose one with --pool ({known}), or run them all: askfirst up"
        )
    name = pool if pool is not None else next(iter(settings.pools))
    if name not in settings.pools:
        raise click.UsageError(f"no pool is called {name!r}: the settings have {known}")
    return name, settings.pools[name].model_copy(update=dict(overrides))


def _check_ledger(settings: Settings) -> None:
    """Raises `LedgerUnavailable` now rather than in a log that goes on for ever."""
    from askfirst.tasks.connecting import open_ledger

    with contextlib.closing(open_ledger(settings).line) as line:
        line.command("PING")


def _node_name(hostname: str) -> str:
    from celery.utils.nodenames import default_nodename, host_format

    return str(host_format(default_nodename(hostname)))


def _greet(node: str, pool: PoolSettings, settings: Settings) -> None:
    from askfirst.interest.url import redacted
    from askfirst.tasks import registry
    from askfirst.tasks.connecting import redis_url

    lanes = ", ".join(pool.lanes)
    click.echo(
        f"{node}: lanes {lanes}; {pool.type}, slots {pool.concurrency}; work types {len(registry.all_types())}\n"
        f"ledger {redacted(redis_url(settings))}, namespace {settings.namespace}"
    )
    if sys.stdout is not None:  # it may be closed
        sys.stdout.flush()  # before the pool is forked


def _run(app: Celery, node: str, pool: PoolSettings, loglevel: str) -> int:
    # app.worker_main would lose the exit code, and take options of Celery's own command from the environment.
    from celery import signals

    from askfirst.interest.keys import LaneKeys

    how_it_ended: list[str] = []
    signals.worker_shutting_down.connect(lambda how, **_: how_it_ended.append(how), weak=False)
    namespace = app.askfirst.settings.namespace
    process = app.Worker(
        hostname=node,
        queues=[LaneKeys(namespace, lane).queue for lane in pool.lanes],
        concurrency=pool.concurrency,
        pool_cls=pool.type,
        loglevel=loglevel.upper(),
        without_mingle=True,
        without_gossip=True,
        quiet=True,
    )
    process.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # told again as Python ends, it would end by the signal
    # Celery calls a warm shutdown by Ctrl-C a failure, and one by SIGTERM not.
    warm = how_it_ended[-1:] == ["Warm"]
    return Exit.OK if warm else int(process.exitcode or 0)
