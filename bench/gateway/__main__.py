"""How the gateway does with thousands of waiting clients: `python -m bench.gateway`.

2,000 clients wait on one gateway process; then, at 300 requests/s in open loop, others submit. Reported: the time to
each 202 from the moment at which it was due, the memory, and the same requests on an endpoint that only does
`apply_async`. The load generator shares the machine.
"""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from tests.support.eventually import eventually
from tests.support.servers import RedisServer, free_port

WAITING = 2000
RATE = 300
SECONDS = 10


def request(name: str, query: str = "") -> bytes:
    """As it goes over the wire; a connection for each."""
    return (
        f"POST /v1/work/bench.{name}{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        "Content-Length: 2\r\n\r\n{}"
    ).encode()


async def connect(port: int, sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request on its way."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    return reader, writer


async def timed(port: int, due: float, took: list[float], failed: list[str]) -> None:
    """One submission, when it is due."""
    await asyncio.sleep(max(due - time.perf_counter(), 0))
    reader, writer = await connect(port, request("now"))
    line = await reader.readline()
    took.append(time.perf_counter() - due)
    if b" 202 " not in line:
        failed.append(line.decode())
    writer.close()


async def load(port: int) -> tuple[list[float], list[str]]:
    """The times to the answers, in seconds, and answers that were no 202."""
    took: list[float] = []
    failed: list[str] = []
    start = time.perf_counter() + 0.2
    await asyncio.gather(*(timed(port, start + n / RATE, took, failed) for n in range(RATE * SECONDS)))
    return sorted(took), failed


async def wait(port: int, count: int) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """That many clients that wait."""
    waiting = []
    for n in range(count):
        waiting.append(await connect(port, request("now", "?wait=300")))
        if n % 100 == 99:
            await asyncio.sleep(0.3)
    return waiting


def answered(client: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> bool:
    """Whether something has come for one that waits."""
    return bool(client[0]._buffer)  # type: ignore[attr-defined]  # asyncio has no public way to look without reading


def listens(port: int) -> bool:
    """Whether somebody does there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def published(port: int) -> bool:
    """Whether the gateway knows the work type that is asked for."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/types", timeout=5) as answer:
        return b"bench." in answer.read()


def memory(pid: int) -> float:
    """Resident, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def spent(pid: int) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def told(name: str, port: int, pid: int) -> None:
    """One line of figures; processor time is the one that a busy machine leaves as it is."""
    before = spent(pid)
    took, failed = await load(port)
    p50, p99 = statistics.median(took) * 1000, took[int(len(took) * 0.99)] * 1000
    each = (spent(pid) - before) / len(took) * 1000
    print(
        f"{name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, most {took[-1] * 1000:.0f} ms, not 202: {len(failed)}, "
        f"{each:.2f} ms of processor time each",
        flush=True,
    )


async def measure(gateway: int, port: int, bare: int, bare_port: int) -> None:
    """All of it, in order."""
    await told("bare apply_async endpoint", bare_port, bare)
    print(f"gateway, nobody waiting: {memory(gateway):.0f} MiB")
    await told("gateway, nobody waiting", port, gateway)
    waiting = await wait(port, WAITING)
    await asyncio.sleep(2)
    print(f"gateway, {WAITING} waiting: {memory(gateway):.0f} MiB")
    await told(f"gateway, {WAITING} waiting", port, gateway)
    print(f"gateway, after it: {memory(gateway):.0f} MiB")
    print(f"answered meanwhile, of those that wait: {sum(map(answered, waiting))}")
    for _, writer in waiting:
        writer.close()


def main() -> None:
    """Starts what is measured, and ends it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    port, bare_port = free_port(), free_port()
    with ExitStack() as stack:
        redis = RedisServer()
        stack.callback(redis.close)
        environment = os.environ | {"ASKFIRST_REDIS_URL": redis.url(), "ASKFIRST_NAMESPACE": "bench"}
        folder = stack.enter_context(tempfile.TemporaryDirectory())

        def start(*command: str) -> subprocess.Popen[bytes]:
            with (Path(folder) / "log").open("ab") as log:
                process = subprocess.Popen([sys.executable, "-m", *command], env=environment, stdout=log, stderr=log)
            stack.callback(process.wait, 20)
            stack.callback(process.terminate)
            return process

        start("askfirst", "worker", "--import", "bench.gateway.works", "--lanes", "default", "--concurrency", "1")
        gateway = start("askfirst", "gateway", "--listen", str(port), "--expose", "bench.*")
        bare = start("uvicorn", "--port", str(bare_port), "--log-level", "warning", "bench.gateway.bare:app")
        for each in (port, bare_port):
            eventually(partial(listens, each), within=30, what="it listens")
        eventually(partial(published, port), within=30, every=0.2, what="the worker has published its types")
        asyncio.run(held(gateway.pid, port, bare.pid, bare_port))
        subprocess.run([sys.executable, "-m", "askfirst", "cleanup"], env=environment, check=False)


async def held(gateway: int, port: int, bare: int, bare_port: int) -> None:
    """The only slot is taken meanwhile; who hangs up gives it back."""
    _, writer = await connect(port, request("hold", "?wait=300"))
    await asyncio.sleep(1)
    await measure(gateway, port, bare, bare_port)
    writer.close()


if __name__ == "__main__":
    main()
