"""The road of one process to Redis: a TCP proxy with one address for ever, whatever lies behind it and happens on it.

All roads run on one event loop in a thread of the campaign's.
"""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Final, Self, TypeVar

_CHUNK: Final = 65536
_CLOSE: Final = 5.0  # seconds

Result = TypeVar("Result")


class Network:
    """The loop that the roads run on, in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="roads")
        self._thread.start()
        self._roads: list[Road] = []

    def road(self, target: int) -> "Road":
        """A road to this port of the loopback."""
        road = Road(self, target)
        self._roads.append(road)
        return road

    def lead_to(self, target: int) -> None:
        """Has all roads lead to this port from now on; connections to the old one stay until they are cut."""
        for road in self._roads:
            road.target = target

    def cut(self) -> None:
        """Cuts every connection of all roads."""
        for road in self._roads:
            road.cut()

    def run(self, task: Coroutine[Any, Any, Result]) -> Result:
        """Runs it on the loop, and waits for it."""
        return asyncio.run_coroutine_threadsafe(task, self._loop).result(_CLOSE)

    def call(self, function: Callable[[], object]) -> None:
        """Calls it on the loop, and waits until it has returned."""

        async def once() -> None:
            function()

        self.run(once())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for road in self._roads:
            self.run(road.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSE)
        self._loop.close()


class Road:
    """One proxy. Bytes pass in both directions, unless told otherwise."""

    def __init__(self, network: Network, target: int) -> None:
        self.target = target
        self.delay = 0.0
        """Seconds that everything takes longer in each direction."""
        self._network = network
        self._deaf = False
        self._mute: set[asyncio.Task[None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = network.run(asyncio.start_server(self._connect, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Ends all connections; new ones are welcome."""
        self._network.call(self._cut)

    def swallow(self) -> None:
        """From now on everything gets lost without a word, as behind a dead router."""
        self._deaf = True

    def lose_replies(self) -> None:
        """What comes back on the connections of now gets lost; what goes there arrives."""
        self._network.call(lambda: self._mute.update(self._tasks))

    def mend(self) -> None:
        """All is well again; connections on which something got lost are cut."""
        self._network.call(self._mend)

    async def close(self) -> None:
        self._server.close()
        self._cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _cut(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _mend(self) -> None:
        # In one go: on a connection made after the cut nothing may get lost, for nobody would cut that one.
        if self._deaf or self._mute:
            self._cut()
        self._deaf = False
        self.delay = 0.0

    async def _connect(self, client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        server_out: asyncio.StreamWriter | None = None
        try:
            server_in, server_out = await asyncio.open_connection("127.0.0.1", self.target)
            there = self._pump(client_in, server_out, lambda: self._deaf)
            back = self._pump(server_in, client_out, lambda: self._deaf or task in self._mute)
            await _first_of(there, back)
        except (OSError, asyncio.CancelledError):
            pass  # the server is not there, or the connection is cut
        finally:
            self._tasks.discard(task)
            self._mute.discard(task)
            for writer in (client_out, server_out):
                if writer is not None:
                    # Without waiting until what is left has been read.
                    writer.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, lost: Callable[[], bool]) -> None:
        while chunk := await source.read(_CHUNK):
            if self.delay:
                await asyncio.sleep(self.delay)
            if not lost():
                sink.write(chunk)
                await sink.drain()


async def _first_of(*pumps: Awaitable[None]) -> None:
    """Until one of them ends: then the connection is over."""
    tasks = [asyncio.ensure_future(pump) for pump in pumps]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await task
