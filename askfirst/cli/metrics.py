"""`askfirst metrics`: the figures of `askfirst top` for Prometheus, once or by HTTP."""

from __future__ import annotations

import click

from .address import LOCAL, address
from .exits import CommandError, Exit
from .figures import look
from .given import Given, pass_given
from .told import until_told_to_stop


@click.command()
@click.option("--listen", metavar="[HOST:]PORT", help=f"Serve them at /metrics until stopped; by default on {LOCAL}.")
@pass_given
def metrics(given: Given, listen: str | None) -> None:
    """Print metrics for Prometheus, or serve them.

    They are the figures of `askfirst top`, in Prometheus's text format; who asks for OpenMetrics by HTTP gets that.
    While the ledger is away, HTTP answers 503. Ctrl-C or SIGTERM stops serving.
    """
    from askfirst.waiters.client import default_client

    where = None if listen is None else address(listen)
    given.configure()
    ledger = default_client().ledger
    if where is None:
        from .exposition import encode

        click.echo(encode(look(ledger)), nl=False)
        return
    from .exporter import Exporter

    host, port = where
    try:
        exporter = Exporter(host, port, lambda: look(ledger))
    except OSError as error:
        raise CommandError(
            f"can't listen on {listen} ({error.strerror or error}): choose another --listen", Exit.USAGE
        ) from None
    with until_told_to_stop(), exporter:
        click.echo(f"serving {exporter.url}; Ctrl-C stops", err=True)
        exporter.serve_forever()
