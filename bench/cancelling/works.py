"""The works that are cancelled, and those that keep the fleet busy meanwhile."""

from __future__ import annotations

import os
import time
from pathlib import Path

from askfirst import WorkContext, work

GRACE = 1.0  # seconds


@work(timeout=600)
def listen(ctx: WorkContext, folder: Path, number: int) -> None:
    """Says when it runs, then when its token trips."""
    (folder / f"{number}.began").touch()
    try:
        ctx.sleep(300)
    finally:
        _say(folder / f"{number}.stopped")


@work(timeout=600, grace=GRACE)
def ignore(folder: Path, number: int) -> None:
    """Says by which process it is run, and never asks whether anybody wants it."""
    part = folder / f"{number}.part"
    part.write_text(str(os.getpid()))
    part.rename(folder / f"{number}.pid")
    time.sleep(300)


@work(timeout=600)
def load(ctx: WorkContext, seconds: float) -> int:
    """Ordinary work: half of it computes, half of it waits."""
    over_at = time.monotonic() + seconds / 2
    rounds = 0
    while time.monotonic() < over_at:
        rounds += sum(range(200)) % 7
    ctx.sleep(seconds / 2)
    return rounds


def _say(file: Path) -> None:
    part = file.with_suffix(".part")
    part.write_text(repr(time.monotonic()))
    part.rename(file)
