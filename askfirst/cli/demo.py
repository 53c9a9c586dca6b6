"""`askfirst demo`: the project's point, shown on real input."""

from __future__ import annotations

import click

from .printing import console


@click.command()
def demo() -> int:
    """Import a real file, then show what asking first is worth under overload; takes two minutes."""
    from askfirst.demo import run_demo

    return run_demo(console())
