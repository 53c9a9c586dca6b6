"""One worker process: `python -m bench.overhead.worker SIDE URL CONCURRENCY EVENTS`. The same for both."""

from __future__ import annotations

import sys

from .sides import app


def main() -> None:
    name, url, concurrency, events = sys.argv[1:]
    worker = app(name, url)
    # askfirst sends task events by default, Celery does not: here both do, or neither.
    worker.conf.worker_send_task_events = events == "on"
    worker.worker_main(["worker", "-P", "prefork", "-c", concurrency, "-l", "WARNING", "-n", f"{name}@%h"])


if __name__ == "__main__":
    main()
