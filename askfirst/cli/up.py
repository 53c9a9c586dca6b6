"""`askfirst up`: the whole fleet on this machine, for as long as the command runs."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from .exits import CommandError, Exit
from .fleet import Fleet
from .given import Given, imports_option, pass_given

if TYPE_CHECKING:
    from askfirst.config import Settings

_LOCAL: Final = "127.0.0.1"
_FLOWER_PATIENCE: Final = 30.0  # seconds until Flower must answer
_MARGIN: Final = 5.0  # seconds for a worker to put back what outlasted drain and grace, before it is killed
_FLOWER_COLUMNS: Final = "name,uuid,state,kwargs,result,received,runtime,worker"


@click.command()
@imports_option
@click.option("--flower/--no-flower", default=True, help="Start Flower, too.", show_default=True)
@click.option("--flower-port", metavar="PORT", type=click.IntRange(1, 65535), help="Port of Flower on 127.0.0.1.")
@pass_given
def up(given: Given, imports: tuple[str, ...], flower: bool, flower_port: int | None) -> None:
    """Run a whole fleet on this machine.

    That is the embedded Redis, unless a URL is configured, a worker for each pool of the settings, and Flower. Ctrl-C
    or SIGTERM stops it all; once more, and running works are not waited for. If one process ends by itself, the others
    are stopped and the exit code is 1.
    """
    settings = given.load(flower_port=flower_port)
    if flower:
        _check_port(settings.flower_port)
    url = _check_redis(settings)
    names = [*settings.pools, *(["flower"] if flower else [])]
    click.echo(f"starting {', '.join(names)} on {url}; Ctrl-C stops")
    fleet = Fleet(names)
    # Python buffers a pipe by the block; log lines should come as they are written.
    environment = {**os.environ, **given.environment, "PYTHONUNBUFFERED": "1"}
    with _stop_requests() as requests:
        try:
            for pool in settings.pools:
                fleet.start(pool, _worker_command(pool, imports), environment)
            if flower:
                fleet.start("flower", _flower_command(settings.flower_port), environment)
                _announce_flower(fleet, settings.flower_port, requests)
            fleet.show(lambda: bool(requests or fleet.ended()))
            ended = [] if requests else fleet.ended()
        finally:
            asked = len(requests)
            fleet.stop(settings.drain + settings.grace + _MARGIN, hurry=lambda: len(requests) - asked)
    if ended:
        told = ", ".join(f"{name} {_fate(code)}" for name, code in ended)
        raise CommandError(f"{told}: the rest was stopped", Exit.FAILED)


def _fate(code: int) -> str:
    return f"ended with exit code {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"


def _check_port(port: int) -> None:
    """Raises an error if Flower could not listen there, before anything is started."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Flower will do
        try:
            probe.bind((_LOCAL, port))
        except OSError as error:
            raise CommandError(
                f"Flower can't listen on {_LOCAL}:{port} ({error.strerror}): choose another --flower-port,"
                " or --no-flower",
                Exit.USAGE,
            ) from None


def _check_redis(settings: Settings) -> str:
    """The ledger's URL, fit to be shown; starts the embedded Redis, which then lives as long as this process."""
    from askfirst.interest.url import redacted
    from askfirst.tasks.connecting import open_ledger

    with contextlib.closing(open_ledger(settings).line) as line:
        line.command("PING")
        return redacted(line.url)


def _worker_command(pool: str, imports: tuple[str, ...]) -> list[str]:
    modules = [part for module in imports for part in ("--import", module)]
    return [sys.executable, "-m", "askfirst", "worker", "--pool", pool, *modules]


def _flower_command(port: int) -> list[str]:
    options = [f"--address={_LOCAL}", f"--port={port}", f"--tasks_columns={_FLOWER_COLUMNS}"]
    return [sys.executable, "-m", "celery", "--quiet", "-A", "askfirst.cli.flower", "flower", *options]


def _announce_flower(fleet: Fleet, port: int, requests: list[int]) -> None:
    give_up_at = time.monotonic() + _FLOWER_PATIENCE

    def settled() -> bool:
        return bool(requests or fleet.ended()) or _answers(port)

    fleet.show(settled, _FLOWER_PATIENCE)
    if time.monotonic() >= give_up_at:
        raise CommandError(f"Flower did not answer within {_FLOWER_PATIENCE:g} s", Exit.FAILED)
    if not requests and not fleet.ended():
        click.secho(f"Flower: http://{_LOCAL}:{port}", bold=True)


def _answers(port: int) -> bool:
    import http.client

    connection = http.client.HTTPConnection(_LOCAL, port, timeout=1)
    try:
        connection.request("GET", "/")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


@contextlib.contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """The signals to stop that have come; while this holds, none of them does anything else."""
    requests: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda number, _: requests.append(number)) for number in numbers}
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
