"""Works that write down each of their runs, and what must be true of any set of runs."""

import asyncio
import contextlib
import json
import os
import socket
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from askfirst import Resource, WorkContext, submit_many, submit_work, work

from .eventually import eventually


def write(log: Path, **what: Any) -> None:
    """Appends a line in one write, with the time by the clock that all processes of a host share."""
    line = json.dumps(what | {"at": time.monotonic(), "pid": os.getpid()}) + "\n"
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def written_down(ctx: WorkContext, log: Path, **more: Any) -> Iterator[None]:
    """Writes the begin of the run, and its end with what ended it."""
    who = {"work": ctx.id, "key": ctx.key, "attempt": ctx.attempt} | more
    write(log, event="began", **who)
    try:
        yield
    except BaseException as error:
        write(log, event="stopped", why=str(error), by=type(error).__name__, **who)
        raise
    write(log, event="ended", **who)


# What a test reads of it


@dataclass(frozen=True)
class Run:
    """One run, as it was written down. `ended_at` is None if it was not: it goes on, or its process died."""

    work: str
    key: str | None
    attempt: int
    pid: int
    began_at: float
    ended_at: float | None
    why: str
    """What stopped it; empty if it came to its own end or is not over."""
    completed: bool


class Log:
    """The runs in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[dict[str, Any]]:
        text = self.path.read_text() if self.path.exists() else ""
        # A line that crosses a page may be seen before its end is there.
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["event"] == kind]

    def runs(self) -> list[Run]:
        """All runs, in the order in which they began."""
        ends = {(line["work"], line["attempt"]): line for line in self.lines() if line["event"] in ("ended", "stopped")}
        found = []
        for line in self.events("began"):
            end = ends.get((line["work"], line["attempt"]), {})
            found.append(
                Run(
                    work=line["work"],
                    key=line["key"],
                    attempt=line["attempt"],
                    pid=line["pid"],
                    began_at=line["at"],
                    ended_at=end.get("at"),
                    why=end.get("why", ""),
                    completed=end.get("event") == "ended",
                )
            )
        return found

    def going_on(self) -> list[Run]:
        return [run for run in self.runs() if run.ended_at is None]

    def wait_for(self, event: str, count: int = 1, within: float = 10.0) -> list[dict[str, Any]]:
        """The lines of that kind, as soon as there are so many."""
        eventually(lambda: len(self.events(event)) >= count, within=within, what=f"{count} x {event}: {self.lines()}")
        return self.events(event)


def overlaps(runs: Collection[Run], killed: Mapping[int, float], *, by_key: bool = False) -> list[tuple[Run, Run]]:
    """Pairs of runs of one work (or of one key) that ran at the same time.

    A run without an end went on until its process was killed, by `killed` (pid → monotonic time), or still does.
    """

    def end(run: Run) -> float:
        return run.ended_at if run.ended_at is not None else killed.get(run.pid, float("inf"))

    groups: dict[str | None, list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.key if by_key else run.work].append(run)
    pairs = []
    for group in groups.values():
        ordered = sorted(group, key=lambda run: run.began_at)
        pairs += [(a, b) for a, b in pairwise(ordered) if b.began_at < end(a)]
    return pairs


# Works


@work(timeout=60)
def trace(ctx: WorkContext, log: Path, seconds: float = 30.0) -> int:
    """Sleeps as a work should; its attempt."""
    with written_down(ctx, log):
        ctx.sleep(seconds)
    return ctx.attempt


@work(timeout=60)
async def trace_async(ctx: WorkContext, log: Path, seconds: float = 30.0) -> int:
    """Sleeps without a thought for cancelling."""
    with written_down(ctx, log):
        await asyncio.sleep(seconds)
    return ctx.attempt


@work(timeout=60, interrupt=True)
def trace_interrupted(ctx: WorkContext, log: Path, seconds: float = 30.0) -> int:
    """Computes without ever asking, and swallows every ordinary exception."""
    give_up_at = time.monotonic() + seconds
    with written_down(ctx, log):
        while time.monotonic() < give_up_at:
            try:
                sum(range(1000))
            except Exception:
                continue
    return ctx.attempt


@work(timeout=60, grace=1)
def trace_deaf(ctx: WorkContext, log: Path, seconds: float = 30.0) -> int:
    """Sleeps in small steps and never asks."""
    with written_down(ctx, log):
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at:
            time.sleep(0.02)
    return ctx.attempt


@work(timeout=60, grace=1)
async def trace_stubborn(ctx: WorkContext, log: Path, seconds: float = 30.0) -> int:
    """Swallows its cancellation."""
    with written_down(ctx, log):
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.02)
    return ctx.attempt


TRACES = {"sync": trace, "async": trace_async, "interrupt": trace_interrupted}


@work(timeout=60)
def trace_until(ctx: WorkContext, log: Path, gate: Path) -> int:
    """Sleeps until the gate is there."""
    with written_down(ctx, log):
        while not gate.exists():
            ctx.sleep(0.02)
    return ctx.attempt


@work(timeout=60)
async def trace_until_async(ctx: WorkContext, log: Path, gate: Path) -> int:
    with written_down(ctx, log):
        while not gate.exists():  # noqa: ASYNC110, ASYNC240  # other processes open it
            await asyncio.sleep(0.02)
    return ctx.attempt


GATED = {"sync": trace_until, "async": trace_until_async}


# Timeouts of others


def _slow_server() -> tuple[socket.socket, int]:
    """Accepts, and never says a word."""
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, listener.getsockname()[1]


@work(timeout=60)
def read_from_slow_server(ctx: WorkContext, log: Path, patience: float) -> None:
    """Waits for a server, by the socket's own timeout."""
    listener, port = _slow_server()
    with written_down(ctx, log), listener, socket.create_connection(("127.0.0.1", port), patience) as connection:
        connection.recv(1)


@work(timeout=60)
def read_within_limit(ctx: WorkContext, log: Path, limit: float, patience: float | None = None) -> None:
    """Waits for a server within a limit: the socket's timeout is that of the limit, or its own."""
    listener, port = _slow_server()
    with (
        written_down(ctx, log),
        listener,
        ctx.limit(limit) as ours,
        socket.create_connection(("127.0.0.1", port), patience or ours.remaining()) as connection,
    ):
        connection.recv(1)


@work(timeout=60)
def read_in_steps(ctx: WorkContext, log: Path) -> None:
    """Waits for a server in short steps, each of which times out, and gives up at the first after it lost interest."""
    listener, port = _slow_server()
    with written_down(ctx, log), listener, socket.create_connection(("127.0.0.1", port), 0.1) as connection:
        while True:
            try:
                connection.recv(1)
            except TimeoutError:
                if not ctx.interested:
                    raise


@work(timeout=60)
async def await_within(ctx: WorkContext, log: Path, patience: float) -> None:
    """Waits for a server, by asyncio's means."""
    listener, port = _slow_server()
    with written_down(ctx, log), listener:
        async with asyncio.timeout(patience):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                await reader.read(1)
            finally:
                writer.close()


@work(timeout=60)
async def await_cancelled_by_others(ctx: WorkContext, log: Path) -> None:
    """Awaits something that somebody else cancels."""
    with written_down(ctx, log):
        task = asyncio.ensure_future(asyncio.sleep(30))
        asyncio.get_running_loop().call_later(0.1, task.cancel)
        await task


@work(timeout=60)
def call_with_less_time(ctx: WorkContext, log: Path) -> None:
    """Calls a work as the plain function that it is, with a context of its own, which runs out of time."""
    with written_down(ctx, log):
        trace(WorkContext(timeout=0.1), log.with_name("child"))


@work(timeout=60)
def ask_child(ctx: WorkContext, log: Path, seconds: float, patience: float) -> int:
    """Waits for a work of its own, which gets less time than it needs."""
    with written_down(ctx, log):
        return int(submit_work(trace, log=log.with_name("child"), seconds=seconds, timeout=patience).result())


@work(timeout=60)
async def await_child(ctx: WorkContext, log: Path, seconds: float, patience: float) -> int:
    with written_down(ctx, log):
        return int(await submit_work(trace, log=log.with_name("child"), seconds=seconds, timeout=patience))


# Trees


@work(timeout=60)
def grow(ctx: WorkContext, log: Path, depth: int, width: int, wish: float = 600.0, seconds: float = 30.0) -> int:
    """A tree of works: each asks for `width` others until `depth` is used up; the leaves sleep. How many leaves."""
    with written_down(ctx, log, depth=depth, deadline=time.monotonic() + ctx.remaining()):
        if depth == 0:
            ctx.sleep(seconds)
            return 1
        more = {"log": log, "depth": depth - 1, "width": width, "wish": wish, "seconds": seconds}
        children = [submit_work(grow, timeout=wish, **more) for _ in range(width)]
        return sum(child.result() for child in children)


@work(timeout=60)
def have_many(ctx: WorkContext, log: Path, count: int) -> None:
    """Asks for that many others at once, and waits for the first."""
    with written_down(ctx, log):
        submit_many(trace, [{"log": log}] * count)[0].result()


@work(timeout=60)
def leave_behind(ctx: WorkContext, log: Path, apart: bool, seconds: float, fail: bool = False) -> str:
    """Asks for another work and does not wait for it."""
    with written_down(ctx, log):
        child = submit_work(trace, log=log.with_name("child"), seconds=seconds, detached=apart)
        eventually(lambda: Log(log.with_name("child")).events("began"), what="the child runs")
        if fail:
            raise ValueError("on purpose")
        return child.id


# Resources


def _note(event: str, name: str) -> None:
    # Openers take no arguments: where they write to is known to the process.
    write(Path(os.environ["RESOURCE_LOG"]), event=event, resource=name, thread=threading.get_ident())


def open_session() -> Iterator[str]:
    _note("opened", "session")
    try:
        yield "session"
    finally:
        _note("closed", "session")


async def open_client() -> AsyncIterator[str]:
    _note("opened", "client")
    try:
        yield "client"
    finally:
        await asyncio.sleep(0.01)
        _note("closed", "client")


class Pool:
    """A context manager that is no generator."""

    def __enter__(self) -> str:
        _note("opened", "pool")
        return "pool"

    def __exit__(self, *_: object) -> None:
        _note("closed", "pool")


def _leave(ctx: WorkContext, way: str) -> None:
    """The ways out that a work takes by itself."""
    if way == "error":
        raise ValueError("on purpose")
    if way == "exit":
        raise SystemExit(3)
    if way == "retry" and ctx.attempt == 1:
        raise ConnectionError("not yet")


@work(timeout=60)
def use(
    ctx: WorkContext, log: Path, way: str, session: str = Resource(open_session), pool: str = Resource(Pool)
) -> str:
    with written_down(ctx, log):
        if way == "wait":
            ctx.sleep(30)
        _leave(ctx, way)
    return f"{session} {pool}"


@work(timeout=60, interrupt=True)
def use_interrupted(
    ctx: WorkContext, log: Path, way: str, session: str = Resource(open_session), pool: str = Resource(Pool)
) -> str:
    with written_down(ctx, log):
        while way == "wait":
            sum(range(1000))
        _leave(ctx, way)
    return f"{session} {pool}"


@work(timeout=60)
async def use_async(
    ctx: WorkContext, log: Path, way: str, session: str = Resource(open_session), client: str = Resource(open_client)
) -> str:
    with written_down(ctx, log):
        if way == "wait":
            await asyncio.sleep(30)
        _leave(ctx, way)
    return f"{session} {client}"


USES = {"sync": use, "interrupt": use_interrupted, "async": use_async}


@work(timeout=60)
def use_process(ctx: WorkContext, log: Path, pool: str = Resource(Pool, scope="process")) -> int:
    with written_down(ctx, log):
        return os.getpid()
