"""`askfirst demo`: the project's point, shown on real input."""

from __future__ import annotations

import click

from .printing import console


@click.command()
def demo() -> int:
    """Show what it does, in two minutes.

    Imports a real file with a progress bar, then puts the same overload on plain Celery tasks and on askfirst.
    """
    from askfirst.demo import run_demo

    return run_demo(console())
