"""One client process: `python -m bench.overhead.client JSON`. Prints the figures of each measure as one JSON line."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import redis

from .counting import Wire, count_commands
from .processes import cpu_seconds
from .sides import Side, side

_WARM_UP = 60  # works before the first measure: connections, imports, caches


@dataclass(frozen=True)
class Order:
    """What one client process is to do: the measures by name, in this order."""

    side: str
    url: str
    measures: tuple[str, ...]
    works: int
    outstanding: int
    sequential: int
    published: int
    counted: int
    pids: dict[str, list[int]] = field(default_factory=dict)

    def text(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))


class Client:
    """Takes the measures; each method of `measures` returns figures by name."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._side: Side = side(order.side, order.url)
        self.measures: dict[str, Callable[[], dict[str, float]]] = {
            "throughput": self.throughput,
            "latency": self.latency,
            "publishing": self.publishing,
            "counts": self.counts,
        }

    def warm_up(self) -> None:
        """Everything once, unmeasured."""
        self._one_after_another(_WARM_UP // 2)
        self._many_at_once(_WARM_UP // 2)

    def throughput(self) -> dict[str, float]:
        """Round trips per second with many outstanding, and the CPU time each costs whom."""
        works = self._order.works
        pids = {**self._order.pids, "client": [os.getpid()]}
        before = {who: cpu_seconds(ids) for who, ids in pids.items()}
        started = time.perf_counter()
        self._many_at_once(works)
        elapsed = time.perf_counter() - started
        spent = {f"cpu_{who}": 1e6 * (cpu_seconds(ids) - before[who]) / works for who, ids in pids.items()}
        return {"round_trips_per_second": works / elapsed, **spent}

    def latency(self) -> dict[str, float]:
        """Milliseconds from submitting to the result, one work at a time."""
        times = sorted(self._one_after_another(self._order.sequential))
        return {"p50": statistics.median(times), "p95": times[int(0.95 * len(times))]}

    def publishing(self) -> dict[str, float]:
        """Works handed over per second to a queue that nobody serves, and the CPU time of client and Redis for each."""
        count = self._order.published
        pids = [os.getpid(), *self._order.pids["redis"]]
        kept = [publish(1) for publish in self._side.publishers.values()]  # makes connections and queues known
        figures = {}
        for name, publish in self._side.publishers.items():
            before, started = cpu_seconds(pids), time.perf_counter()
            kept.append(publish(count))
            figures[name] = count / (time.perf_counter() - started)
            figures[f"cpu_{name}"] = 1e6 * (cpu_seconds(pids) - before) / count
        return figures

    def counts(self) -> dict[str, float]:
        """Per work, one at a time: round trips and bytes of the client, commands and bytes in Redis."""
        works, wire = self._order.counted, Wire()
        with redis.Redis.from_url(self._order.url) as server:
            before = server.info("stats")
            with wire.watched():
                self._one_after_another(works)
            after = server.info("stats")  # the few kilobytes of the first answer are counted too
        network = sum(after[name] - before[name] for name in ("total_net_input_bytes", "total_net_output_bytes"))
        commands = count_commands(self._order.url, wire.ports, lambda: self._one_after_another(works))
        return {
            "client_round_trips": wire.round_trips / works,
            "client_bytes": wire.transferred / works,
            "redis_bytes": network / works,
            **{f"commands_{who}": commands[who] / works for who in ("client", "worker", "script")},
        }

    def _one_after_another(self, count: int) -> list[float]:
        times = []
        for n in range(count):
            started = time.perf_counter()
            _check(n, self._side.answer(self._side.submit(n, 1)))
            times.append(1000 * (time.perf_counter() - started))
        return times

    def _many_at_once(self, count: int) -> None:
        outstanding: deque[tuple[int, Any]] = deque()
        for n in range(count):
            if len(outstanding) == self._order.outstanding:
                asked, handle = outstanding.popleft()
                _check(asked, self._side.answer(handle))
            outstanding.append((n, self._side.submit(n, 1)))
        for asked, handle in outstanding:
            _check(asked, self._side.answer(handle))


def _check(asked: int, answered: int) -> None:
    if answered != asked + 1:
        raise AssertionError(f"expected {asked} + 1, got {answered}")


def main() -> None:
    order = Order(**json.loads(sys.argv[1]))
    client = Client(order)
    client.warm_up()
    for name in order.measures:
        figures = client.measures[name]()
        print(json.dumps(figures), flush=True)
    # Published works are thrown away with their queue: withdrawing them one by one, as a normal exit does, is no part.
    os._exit(0)


if __name__ == "__main__":
    main()
