"""The works that the tests' workers know. Each proves that it ran by a line in a file."""

import asyncio
import os
import sys
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

from billiard.exceptions import TimeLimitExceeded
from pydantic import BaseModel

from askfirst import Retry, WorkContext, submit_work, work


def note(proof: Path, line: str = "ran") -> None:
    """Appends a line in one write, so that lines of many processes don't mix."""
    with proof.open("a", buffering=1) as file:
        file.write(f"{line}\n")


@work(timeout=30)
def add(a: int, b: int = 1) -> int:
    return a + b


@work(timeout=30)
def prove(proof: Path, line: str = "ran") -> str:
    note(proof, line)
    return line


@work(timeout=30)
def linger(ctx: WorkContext, proof: Path, seconds: float = 20.0) -> str:
    """Says when it begins, and how it came to its end."""
    note(proof, f"began attempt {ctx.attempt} in {os.getpid()}")
    try:
        ctx.sleep(seconds)
    except BaseException as error:
        note(proof, f"stopped: {error}")
        raise
    note(proof, "ended")
    return "slept"


@work(timeout=0.2)
def linger_too_long(ctx: WorkContext) -> None:
    ctx.sleep(20)


@work(timeout=30)
def sleep_deaf(proof: Path, seconds: float = 2.0) -> str:
    """Sleeps without ever asking whether anybody wants it."""
    note(proof, "began")
    time.sleep(seconds)
    note(proof, "ended")
    return "slept"


@work(timeout=60)
def wait_for(gate: Path, proof: Path) -> str:
    """Holds its slot until the gate is there."""
    note(proof, "began")
    give_up_at = time.monotonic() + 50
    while not gate.exists() and time.monotonic() < give_up_at:
        time.sleep(0.01)
    return "passed"


@work(timeout=30, lane="io")
def in_another_lane(proof: Path) -> str:
    note(proof)
    return "io"


# Results


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    y: float


class Thing(BaseModel):
    name: str
    made_on: date
    parts: list["Thing"] = []


@work(timeout=30)
def describe(
    thing: Thing,
    point: Point,
    colour: Colour,
    path: Path,
    at: datetime,
    price: Decimal,
    id: UUID,
    raw: bytes,
    pause: timedelta,
    wish: str | None = None,
) -> dict[str, Any]:
    """Says of what type each argument arrived."""
    arguments = {
        "thing": thing, "point": point, "colour": colour, "path": path, "at": at, "price": price, "id": id, "raw": raw,
        "pause": pause, "wish": wish,
    }  # fmt: skip
    return {name: type(value).__name__ for name, value in arguments.items()}


@work(timeout=30)
def make_thing(name: str) -> Thing:
    return Thing(name=name, made_on=date(2024, 2, 29), parts=[Thing(name="part", made_on=date(2024, 1, 1))])


@work(timeout=30)
def now() -> datetime:
    return datetime.now(UTC)


@work(timeout=30)
def return_a_socket() -> Any:
    return object()


@work(timeout=30)
def return_not_a_number() -> float:
    return float("nan")


@work(timeout=30)
def break_a_promise() -> int:
    return "no number"  # type: ignore[return-value]  # that is the point


@work(timeout=30, max_payload="1KiB")
def return_much() -> str:
    return "x" * 2000


# Endings


class Strange(Exception):
    """An error that doesn't survive being pickled."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


@work(timeout=30)
def fail(text: str = "on purpose") -> None:
    raise ValueError(text)


@work(timeout=30)
def fail_strangely() -> None:
    raise Strange(1, 2)


@work(timeout=30)
def time_out_by_itself() -> None:
    raise TimeoutError("somebody else's timeout")


@work(timeout=30)
def leave() -> None:
    sys.exit(3)


@work(timeout=30)
def raise_the_pools_word() -> None:
    """Raises what Celery's pool says of a process that it has killed."""
    raise TimeLimitExceeded


@work(timeout=30)
def stumble_on_the_way_out(ctx: WorkContext, proof: Path) -> None:
    """At its first attempt it leaves by an error of its own when its process is told to end."""
    note(proof, f"attempt {ctx.attempt} in {os.getpid()}")
    if ctx.attempt == 1:
        try:
            time.sleep(20)
        finally:
            raise OSError("rollback on a closed connection")


@work(timeout=30)
def die(proof: Path) -> None:
    note(proof, "began")
    os._exit(7)


@work(timeout=30, retry=Retry(attempts=3, backoff=0.05, jitter=False, on=(ConnectionError,)))
def succeed_at_third(ctx: WorkContext, proof: Path) -> int:
    note(proof, f"attempt {ctx.attempt}")
    if ctx.attempt < 3:
        raise ConnectionError("not yet")
    return ctx.attempt


@work(timeout=30, retry=Retry(attempts=3, backoff=0.05, on=(ConnectionError,)))
def fail_unretried(proof: Path) -> None:
    note(proof)
    raise ValueError("no reason to try again")


@work(timeout=30, retry=Retry(attempts=2, backoff=0.05))
def fail_every_time(proof: Path) -> None:
    note(proof)
    raise ValueError("never")


class Patience(Exception):
    """Asks for more of it than there is time."""

    retry_after = 1e306


@work(timeout=30, retry=Retry(attempts=3))
def fail_for_long(proof: Path) -> None:
    note(proof)
    raise Patience


# Others


@work(timeout=30)
async def double(x: int) -> int:
    await asyncio.sleep(0.01)
    return 2 * x


@work(timeout=30)
def count_to(ctx: WorkContext, total: int) -> int:
    for done in range(total + 1):
        ctx.progress(done, total, note=f"at {done}")
        ctx.sleep(0.1)
    return total


@work(timeout=30)
def who(ctx: WorkContext) -> dict[str, Any]:
    return {"id": ctx.id, "key": ctx.key, "attempt": ctx.attempt, "left": ctx.remaining(), "pid": os.getpid()}


@work(timeout=30)
def ask_for_more(ctx: WorkContext, a: int) -> dict[str, Any]:
    """Hands a part of its work to another one."""
    part = submit_work(add, a=a, b=1, timeout=600)
    return {"sum": part.result(), "left": ctx.remaining(), "left for the part": part.remaining()}
