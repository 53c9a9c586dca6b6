"""The command `askfirst`: its global options and its commands."""

from __future__ import annotations

import click

from . import (
    bench,
    completion,
    config,
    demo,
    doctor,
    ending,
    gateway,
    limits,
    looking,
    messages,
    metrics,
    schedule,
    submit,
    top,
    up,
    watch,
    worker,
)
from .exits import CommandLine, epilog
from .given import Given


@click.group("askfirst", cls=CommandLine, epilog=epilog(), context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--redis-url", metavar="URL", help="Redis of the ledger; without any, an embedded one.")
@click.option("--namespace", metavar="NAME", help="Tells the fleets of one Redis apart.")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),
    help="Settings file instead of ./askfirst.toml.",
)
@click.option("--data-dir", type=click.Path(file_okay=False), help="Folder of the embedded Redis.")
@click.option("--debug", is_flag=True, help="Show where an error came from.")
@click.version_option(package_name="askfirst", message="%(prog)s %(version)s")
@click.pass_context
def main(
    context: click.Context,
    redis_url: str | None,
    namespace: str | None,
    config: str | None,
    data_dir: str | None,
    debug: bool,
) -> None:
    """A Celery worker fleet that never works for nobody.

    Settings come from askfirst.toml, then from ASKFIRST_… in the environment, then from these options:
    `askfirst config` shows what holds and why. `askfirst doctor` says what is wrong.
    """
    context.obj = Given.of(context)


for _command in (
    worker.worker,
    up.up,
    demo.demo,
    submit.submit,
    looking.status,
    looking.list_,
    watch.watch,
    ending.cancel,
    ending.cleanup,
    limits.limits,
    schedule.schedule,
    gateway.gateway,
    top.top,
    metrics.metrics,
    messages.messages,
    doctor.doctor,
    config.config,
    bench.bench,
    completion.completion,
):
    main.add_command(_command)
