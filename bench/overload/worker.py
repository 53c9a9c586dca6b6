"""One worker process: `python -m bench.overload.worker SYSTEM URL SLOTS`."""

from __future__ import annotations

import sys

from .queues import system_named


def main() -> None:
    name, url, slots = sys.argv[1:]
    system = system_named(name)
    system.module().work(url, system, int(slots))


if __name__ == "__main__":
    main()
