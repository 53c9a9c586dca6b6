"""The works of the command line's tests; a worker imports this by `--import cli_works`."""

from datetime import date
from typing import Any

from askfirst import WorkContext, work


@work(name="cli.greet", timeout=20)
def greet(who: str, times: int = 1, day: date | None = None) -> str:
    return " ".join([f"hello {who}"] * times) + (f" on {day:%d %B}" if day else "")


@work(name="cli.echo", timeout=20)
def echo(number: float, flags: list[bool]) -> dict[str, Any]:
    return {"number": number, "flags": flags}


@work(name="cli.fail", timeout=20)
def fail(text: str) -> None:
    raise ValueError(text)


@work(name="cli.linger", timeout=60)
def linger(ctx: WorkContext, done: int, total: int) -> None:
    """Gets as far as that, and then stays until it is not wanted any more."""
    ctx.progress(done, total, note="lingering\x1b[31m")
    ctx.sleep(60)


@work(name="cli.pull", timeout=60, max_concurrent=1, partition_by="source")
def pull(ctx: WorkContext, source: str) -> None:
    """Stays until it is not wanted any more, one for each source."""
    ctx.sleep(60)
