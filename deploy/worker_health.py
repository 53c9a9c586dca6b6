"""The health check of a worker's container: has a worker of this host beaten in the ledger lately?

Exits 0 if so; else 1, saying what is wrong. Cheaper than `celery inspect ping`, and it sees the ledger too.
"""

import socket
import sys
from collections.abc import Iterable
from contextlib import closing

from askfirst import LedgerUnavailable
from askfirst.config import load_settings
from askfirst.tasks.connecting import open_ledger

PATIENCE = 10.0
"""Seconds without a beat; workers beat every second."""


def silence(host: str) -> float | None:
    """Seconds since the last beat of a worker of this host; None if there never was one."""
    ledger = open_ledger(load_settings())
    with closing(ledger.line) as line:
        seconds, microseconds = line.command("TIME")
        beats = [
            float(beat_at)
            for lane in ledger.lanes()
            for worker, beat_at in _pairs(line.command("ZRANGE", ledger.keys(lane).workers, 0, -1, "WITHSCORES"))
            if worker.endswith(f"@{host}")
        ]
    return int(seconds) + int(microseconds) / 1e6 - max(beats) / 1000 if beats else None


def _pairs(flat: list[str]) -> Iterable[tuple[str, str]]:
    return zip(flat[::2], flat[1::2], strict=True)


def main() -> str | None:
    """What is wrong; None if nothing."""
    host = socket.gethostname()
    try:
        silent_for = silence(host)
    except LedgerUnavailable as error:
        return str(error)
    if silent_for is None:
        return f"no worker of {host} has beaten yet"
    return f"the last beat of {host} is {silent_for:.0f} s old" if silent_for > PATIENCE else None


if __name__ == "__main__":
    sys.exit(main())
