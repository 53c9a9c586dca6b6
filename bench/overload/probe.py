"""One caller that asks for one work and waits: `python -m bench.overload.probe SYSTEM URL SECONDS`.

It says "asked" when it has, then when the answer came.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from .load import RUN_TIME
from .queues import system_named


def main() -> None:
    name, url, patience = sys.argv[1], sys.argv[2], float(sys.argv[3])
    system = system_named(name)
    arrived = threading.Event()
    answers: list[float] = []

    def answered(number: int, at: float) -> None:
        answers.append(at)
        arrived.set()

    asked_at = time.monotonic()
    system.module().sender(url, system, answered).send(0, RUN_TIME, patience, "normal")
    print(f"asked {asked_at:.6f}", flush=True)
    if not arrived.wait(patience):
        sys.exit(f"there was no answer within {patience:g} s")
    print(f"answered {answers[0]:.6f}", flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
