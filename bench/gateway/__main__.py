"""How the gateway does with thousands of waiting clients: `python -m bench.gateway`, in the root of the repository.

In each round, on processes of its own: 300 requests/s in open loop on an endpoint that only does `apply_async`, on the
gateway, and on the same gateway while 2,000 clients wait on it. The load generator shares the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import statistics
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
import psutil

from tests.support.eventually import eventually
from tests.support.servers import free_port

from ..overhead.processes import ROOT, cpu_seconds, running, running_redis
from ..overhead.report import describe_run
from .clients import answered, connect, load, request, wait

_WARM_UP = 2.0  # seconds of load that don't count: the first requests connect, import and compile
_WITHIN = 30.0  # seconds for all to come up
_P99, _MEMORY = 50.0, 300.0  # the targets, in ms and MiB
HEAD = ["", "p50, ms", "p99, ms", "worst, ms", "CPU, ms each", "p50 ÷ bare", "CPU ÷ bare", "not 202", "memory, MiB"]


@dataclass(frozen=True)
class Served:
    """A server, and where it listens."""

    pid: int
    port: int

    def memory(self) -> float:
        """Resident, in MiB."""
        return float(psutil.Process(self.pid).memory_info().rss) / 2**20


@dataclass(frozen=True)
class Figures:
    """What one load on one server showed: times in ms, memory in MiB."""

    p50: float
    p99: float
    worst: float
    cpu: float
    refused: float
    memory: float


async def figures(server: Served, seconds: float) -> Figures:
    """After it is warm."""
    await load(server.port, _WARM_UP)
    before = cpu_seconds([server.pid])
    shown = await load(server.port, seconds)
    cpu = (cpu_seconds([server.pid]) - before) / len(shown.took) * 1000
    times = [shown.percentile(percent) for percent in (50, 99, 100)]
    return Figures(*times, cpu, len(shown.refused), server.memory())


async def one_round(gateway: Served, bare: Served, waiting: int, seconds: float) -> list[Figures]:
    """Bare, gateway, gateway with the clients that wait. The only slot is taken meanwhile, so that none is answered."""
    holder = await connect(gateway.port, request("hold", "?wait=300"))
    await asyncio.sleep(1)
    found = [await figures(bare, seconds), await figures(gateway, seconds)]
    clients = await wait(gateway.port, waiting)
    found.append(await figures(gateway, seconds))
    early = sum(map(answered, clients))
    for _, writer in (holder, *clients):
        writer.close()
    if early:
        raise RuntimeError(f"{early} of {waiting} clients that should wait had an answer")
    return found


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[tuple[Served, Served]]:
    """A gateway with its Redis and worker, and the endpoint that it is compared with."""
    ports = free_port(), free_port()
    with contextlib.ExitStack() as stack:
        url, _ = stack.enter_context(running_redis(folder))

        def start(*arguments: str) -> int:
            return stack.enter_context(running(url, *arguments))

        start("askfirst", "worker", "--import", "bench.gateway.works", "--lanes", "default", "--concurrency", "1")
        gateway = start("askfirst", "gateway", "--listen", str(ports[0]), "--expose", "bench.*")
        bare = start("uvicorn", "--port", str(ports[1]), "--log-level", "warning", "bench.gateway.bare:app")
        for port in ports:
            eventually(partial(_listens, port), within=_WITHIN, what="it listens")
        eventually(partial(_published, ports[0]), within=_WITHIN, every=0.2, what="the worker has published its types")
        yield Served(gateway, ports[0]), Served(bare, ports[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _published(port: int) -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/types", timeout=5) as answer:
        return b"bench." in answer.read()


def cells(title: str, rounds: Sequence[Figures], bare: Sequence[Figures]) -> list[str]:
    """A row of the table: medians of the rounds, of the ratios too."""

    def median(name: str, digits: int = 1) -> str:
        return f"{statistics.median(getattr(each, name) for each in rounds):,.{digits}f}"

    def ratio(name: str) -> str:
        pairs = zip(rounds, bare, strict=True)
        return f"{statistics.median(getattr(one, name) / getattr(other, name) for one, other in pairs):.2f}"

    p99 = sorted(each.p99 for each in rounds)
    spread = f"{median('p99')} ({p99[0]:,.1f}–{p99[-1]:,.1f})"
    refused = f"{sum(each.refused for each in rounds):,.0f}"
    times = [median("p50"), spread, median("worst", 0), median("cpu", 2)]
    return [title, *times, ratio("p50"), ratio("cpu"), refused, median("memory", 0)]


def verdicts(waited: Sequence[Figures]) -> str:
    """The targets, and whether they are reached: of the medians."""
    p99, memory = (statistics.median(getattr(each, name) for each in waited) for name in ("p99", "memory"))
    word = {True: "reached", False: "missed"}
    return f"p99 ≤ {_P99:g} ms: {word[p99 <= _P99]}. Memory ≤ {_MEMORY:g} MiB: {word[memory <= _MEMORY]}."


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True, help="Each on new processes.")
@click.option("--waiting", type=click.IntRange(min=0), default=2000, show_default=True, help="Clients that wait.")
@click.option("--seconds", type=click.FloatRange(min=1), default=10.0, show_default=True, help="Of each load.")
@click.option("--output", type=click.Path(path_type=Path), help="Folder of the results.  [default: bench/results]")
def main(rounds: int, waiting: int, seconds: float, output: Path | None) -> None:
    """Measures a gateway on which thousands of clients wait, beside an endpoint that only does `apply_async`."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    run = describe_run(rounds)
    found = []
    with tempfile.TemporaryDirectory(prefix="gateway-") as name:
        for number in range(rounds):
            with serving(Path(name) / str(number)) as (gateway, bare):
                found.append(asyncio.run(one_round(gateway, bare, waiting, seconds)))
    titles = ("bare: only `apply_async`", "gateway, nobody waiting", f"gateway, {waiting:,} waiting")
    plain, *_, waited = columns = list(zip(*found, strict=True))
    rows = [cells(title, column, plain) for title, column in zip(titles, columns, strict=True)]
    versions = ", ".join(f"{name} {number}" for name, number in run["versions"].items())
    lines = [
        f"# A gateway on which {waiting:,} clients wait",
        "",
        f"Measured {run['at']} by `make bench-gateway`; [how](../README.md). {rounds} rounds, {run['cpus']} CPUs, load "
        f"before: {run['load_before']}; {versions}. Medians; in brackets the least and the most.",
        "",
        *("| " + " | ".join(row) + " |" for row in (HEAD, ["---", *["---:"] * (len(HEAD) - 1)], *rows)),
        "",
        verdicts(waited),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    (output or ROOT / "bench" / "results").joinpath("gateway.md").write_text(text)


if __name__ == "__main__":
    main()
