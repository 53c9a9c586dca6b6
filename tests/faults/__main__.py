"""`python -m tests.faults`: a seeded campaign of faults against a real fleet, and what the journal says of it."""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NoReturn

from . import report
from .campaign import Campaign, Tally
from .checker import check
from .journal import Reader
from .kinds import KINDS
from .story import Story

RATE = 50.0


def main() -> int:
    given = _arguments()
    kinds = [KINDS[name] for name in given.only or KINDS]
    for kind in kinds:
        if why := kind.needs():
            print(f"skipped: {kind.name}: {why}", file=sys.stderr)
    kinds = [kind for kind in kinds if not kind.needs()]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="askfirst-faults-"))
    seconds = given.seconds or given.minutes * 60
    show = _Line(seconds, quiet=given.json)
    campaign = Campaign(folder, seed=given.seed, seconds=seconds, kinds=kinds, rate=given.rate, show=show)
    try:
        campaign.run()
        story = Story(Reader(campaign.path).lines())
        violations = check(story)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        _leave(folder, keep=given.keep)
        return 130
    found = report.figures(story, violations)
    print(json.dumps(found) if given.json else f"\n{report.text(found)}")
    _leave(folder, keep=given.keep or bool(violations))
    return 1 if violations else 0


def _leave(folder: Path, *, keep: bool) -> None:
    if keep:
        print(f"journal and logs are in {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder, ignore_errors=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="all choices follow from it (default 1)")
    parser.add_argument("--minutes", type=float, default=10.0, help="under load (default 10)")
    parser.add_argument("--seconds", type=float, help="instead of minutes")
    parser.add_argument("--rate", type=float, default=RATE, help=f"submissions a second (default {RATE:g})")
    parser.add_argument(
        "--only", action="append", choices=KINDS, metavar="KIND", help=f"of {', '.join(KINDS)}; again for more"
    )
    parser.add_argument("--json", action="store_true", help="the report as JSON, and no progress")
    parser.add_argument("--keep", action="store_true", help="keep journal and logs")
    return parser.parse_args()


def _interrupt(*_: Any) -> NoReturn:
    # Asked twice, it must not leave half of its processes behind.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


class _Line:
    """One line that says how far it is: rewritten on a terminal, else a new one now and then."""

    def __init__(self, seconds: float, *, quiet: bool) -> None:
        self._seconds = seconds
        self._quiet = quiet
        self._live = sys.stderr.isatty()
        self._began = time.monotonic()
        self._next = 0.0

    def __call__(self, tally: Tally) -> None:
        now = time.monotonic()
        if self._quiet or now < self._next:
            return
        self._next = now + (0.5 if self._live else 15.0)
        line = (
            f"{now - self._began:4.0f} of {self._seconds:.0f} s: {tally.works} works, {tally.answers} answers,"
            f" {tally.faults} faults, {tally.violations} violations {f'({tally.now})' if tally.now else ''}"
        )
        print(
            f"\r\033[K{line[:120]}" if self._live else line, end="" if self._live else "\n", file=sys.stderr, flush=True
        )


if __name__ == "__main__":
    sys.exit(main())
