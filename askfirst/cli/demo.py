"""`askfirst demo`: the project's point, shown on real input."""

from __future__ import annotations

import click

from .printing import console


@click.command()
@click.option("--schedules", is_flag=True, help="Instead: a minute of fires, a holiday, schedulers that are killed.")
def demo(schedules: bool) -> int:
    """Show what it does, in two minutes.

    Imports a real file with a progress bar, then puts the same overload on plain Celery tasks and on askfirst.
    """
    from askfirst.demo import run_demo, run_schedules

    return run_schedules(console()) if schedules else run_demo(console())
