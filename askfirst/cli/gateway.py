"""`askfirst gateway`: work by HTTP."""

from __future__ import annotations

import ipaddress
import resource
import socket
from typing import TYPE_CHECKING, Final

import click

from .address import LOCAL, address
from .exits import CommandError, Exit
from .given import Given, pass_given
from .told import until_told_to_stop

if TYPE_CHECKING:
    from askfirst.config import Settings

_PORT: Final = 8000
_DRAIN: Final = 10  # seconds that answers under way get at the end


@click.command()
@click.option(
    "--listen",
    metavar="[HOST:]PORT",
    default=str(_PORT),
    show_default=True,
    help=f"Address to listen on; the host is {LOCAL} unless given.",
)
@click.option("--expose", multiple=True, metavar="NAME", help="Work type or pattern, instead of those of the settings.")
@pass_given
def gateway(given: Given, listen: str, expose: tuple[str, ...]) -> None:
    """Serve work by HTTP.

    Clients may ask for the work types that gateway_expose names, and see their own works only. Without gateway_tokens
    it listens on this machine's loopback alone. Ctrl-C or SIGTERM stops it: who waits is told where to look later.
    """
    try:
        from askfirst.gateway.serving import serve
    except ModuleNotFoundError as error:
        raise CommandError(f"the gateway needs more ({error}): pip install 'askfirst[gateway]'", Exit.USAGE) from None
    host, port = address(listen)
    settings = given.configure()
    if expose:
        settings = settings.model_copy(update={"gateway_expose": expose})
    _check(settings, host)
    _allow_many_connections()
    with until_told_to_stop(), _listening(host, port, listen) as door:
        name, number = door.getsockname()[:2]
        shown = f"[{name}]" if ":" in name else name
        click.echo(f"serving http://{shown}:{number}/v1, for people /v1/pages; Ctrl-C stops", err=True)
        serve(settings, door, _DRAIN)


def _check(settings: Settings, host: str) -> None:
    if not settings.gateway_tokens and not _is_loopback(host):
        raise CommandError(f"expected gateway_tokens to be set, as {host} can be reached from outside", Exit.USAGE)
    if not settings.gateway_expose:
        click.echo("no work type is exposed: set gateway_expose, or give --expose", err=True)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listening(host: str, port: int, listen: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise CommandError(
            f"can't listen on {listen} ({error.strerror or error}): choose another --listen", Exit.USAGE
        ) from None


def _allow_many_connections() -> None:
    """Each waiting client is a file descriptor, and the usual limit is a thousand."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
