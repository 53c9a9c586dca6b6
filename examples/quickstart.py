"""Ask for work and wait for it: `python -m examples.quickstart`.

Needs a worker: `askfirst worker --import examples.works` in another shell.
"""

from __future__ import annotations

from askfirst import WorkTimeout, submit_work
from examples.works import build_report, count_words


def main() -> None:
    """Three ways to wait."""
    # As easy as concurrent.futures: a waiter is a Future with a deadline.
    waiter = submit_work(count_words, text="ask first ask always", timeout=5)
    print(waiter.result())

    # Leaving the block withdraws the interest: what nobody waits for any more does not run.
    with submit_work(build_report, pages=10, timeout=10) as waiter:
        for progress in waiter.progress():
            print(f"{progress.done:.0f} of {progress.total:.0f}")
        print(waiter.result())

    # At the deadline the waiter fails by itself, and the work stops.
    try:
        submit_work("reports.build", pages=1000, timeout=0.5).result()
    except WorkTimeout as error:
        print(f"too late: {error}")


if __name__ == "__main__":
    main()
