"""The works of a campaign's load. Each writes down when it begins and how it ends."""

import contextlib
import faulthandler
import functools
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from askfirst import LedgerUnavailable, Retry, WorkContext, WorkRejected, WorkTimeout, submit_work, work

from . import journal

MOST_AT_ONCE: Final = 3
"""Runs of `three_at_once` in the whole fleet, and of `one_by_one` for each tenant: 1."""
STARTS: Final = 20
PERIOD: Final = 5.0
"""So many starts of `paced` in so many seconds."""
TRIES: Final = 3
"""Runs of `flaky` that fail, before one does not."""


#: Where a worker and its pool processes are, when works do not end: to their logs.
STACKS: Final = signal.SIGUSR2
faulthandler.register(STACKS)


@dataclass(frozen=True)
class Told:
    """What every work returns: who did it."""

    work: str
    attempt: int


@functools.cache
def _journal(_pid: int) -> journal.Journal:
    return journal.from_environment()


@contextlib.contextmanager
def written_down(ctx: WorkContext, number: str, kind: str, group: str = "") -> Iterator[Told]:
    """Writes the begin of the run and its end. `number` is the caller's for the submission, `group` that of a limit."""
    log = _journal(os.getpid())
    run: Any = {"work": ctx.id, "attempt": ctx.attempt}
    log.write("began", **run, key=ctx.key, n=number, kind=kind, group=group)
    try:
        yield Told(**run)
    except BaseException as error:
        log.write("stopped", **run, why=f"{type(error).__name__}: {error}"[:200])
        raise
    log.write("ended", **run)


@work(name="faults.sleep", timeout=40, on_duplicate="join")
def sleep(ctx: WorkContext, n: str, seconds: float) -> Told:
    with written_down(ctx, n, "sleep") as told:
        ctx.sleep(seconds)
    return told


@work(name="faults.sleep_io", timeout=40, lane="io")
def sleep_io(ctx: WorkContext, n: str, seconds: float) -> Told:
    with written_down(ctx, n, "sleep_io") as told:
        ctx.sleep(seconds)
    return told


class NotYet(Exception):
    """Of a run that is to be tried again."""


@work(name="faults.flaky", timeout=40, retry=Retry(attempts=20, backoff=0.1, on=(NotYet,)))
def flaky(ctx: WorkContext, n: str) -> Told:
    with written_down(ctx, n, "flaky") as told:
        if ctx.attempt < TRIES:
            raise NotYet(f"attempt {ctx.attempt}")
    return told


@work(name="faults.broken", timeout=40)
def broken(ctx: WorkContext, n: str) -> Told:
    with written_down(ctx, n, "broken"):
        raise ValueError("on purpose")


@work(name="faults.three_at_once", timeout=40, max_concurrent=MOST_AT_ONCE)
def three_at_once(ctx: WorkContext, n: str, seconds: float) -> Told:
    with written_down(ctx, n, "three_at_once", "three_at_once") as told:
        ctx.sleep(seconds)
    return told


@work(name="faults.one_by_one", timeout=40, max_concurrent=1, partition_by="tenant", lane="io")
def one_by_one(ctx: WorkContext, n: str, tenant: str, seconds: float) -> Told:
    with written_down(ctx, n, "one_by_one", f"one_by_one {tenant}") as told:
        ctx.sleep(seconds)
    return told


@work(name="faults.paced", timeout=40, rate=f"{STARTS}/{PERIOD:g}s")
def paced(ctx: WorkContext, n: str) -> Told:
    with written_down(ctx, n, "paced", "paced") as told:
        pass
    return told


@work(
    name="faults.parent",
    timeout=40,
    lane="tree",  # with slots of its own, or those that wait for their children could take the slots of these
    retry=Retry(attempts=20, backoff=0.5, on=(LedgerUnavailable, WorkRejected, WorkTimeout)),
)
def parent(ctx: WorkContext, n: str, children: int) -> Told:
    with written_down(ctx, n, "parent") as told:
        waiters = [
            submit_work(sleep, n=f"{n}/{ctx.attempt}/{child}", seconds=0.02, timeout=8) for child in range(children)
        ]
        for waiter in waiters:
            waiter.result()
    return told
