"""The clients: those that submit in open loop, and those that wait; each request on a connection of its own."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

RATE = 300  # requests a second
_RAMP = 100  # clients that begin to wait at once

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Load:
    """What became of some seconds of submissions."""

    took: list[float]  # seconds from the moment when each was due to the first line of its answer, in order of size
    refused: list[str]  # the first lines of answers that were no 202

    def percentile(self, percent: float) -> float:
        """In ms."""
        return self.took[min(int(len(self.took) * percent / 100), len(self.took) - 1)] * 1000


def request(name: str, query: str = "") -> bytes:
    """As it goes over the wire."""
    return (
        f"POST /v1/work/bench.{name}{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        "Content-Length: 2\r\n\r\n{}"
    ).encode()


async def connect(port: int, sent: bytes) -> Client:
    """A request on its way."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    return reader, writer


async def load(port: int, seconds: float) -> Load:
    """Submits at `RATE`, whatever becomes of those before."""
    start = time.perf_counter() + 0.2
    due = [start + n / RATE for n in range(int(RATE * seconds))]
    answers = await asyncio.gather(*(_submit(port, moment) for moment in due))
    return Load(sorted(took for took, _ in answers), [line for _, line in answers if " 202 " not in line])


async def _submit(port: int, due: float) -> tuple[float, str]:
    await asyncio.sleep(max(due - time.perf_counter(), 0))
    reader, writer = await connect(port, request("now"))
    line = await reader.readline()
    took = time.perf_counter() - due
    writer.close()
    return took, line.decode()


async def wait(port: int, count: int) -> list[Client]:
    """That many clients that wait."""
    waiting: list[Client] = []
    while len(waiting) < count:
        waiting += [await connect(port, request("now", "?wait=300")) for _ in range(_RAMP)]
        await asyncio.sleep(0.3)
    return waiting


def answered(client: Client) -> bool:
    """Whether something has come for one that waits."""
    return bool(client[0]._buffer)  # type: ignore[attr-defined]  # asyncio has no public way to look without reading
