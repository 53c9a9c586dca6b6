"""A look at the ledger from outside, some times a second: which worker was heard when, and whether Redis is there."""

import threading
import time
from typing import Any, Final

import redis

from askfirst.interest.keys import LaneKeys

from .journal import Journal
from .servers import Servers

LANES: Final = ("default", "io", "tree")
_EVERY: Final = 0.2  # seconds
LATE: Final = 0.35
"""Seconds by which what is seen may be behind what is so."""


class Watch:
    """Writes down the heartbeats that reached the ledger, by the monotonic clock."""

    def __init__(self, servers: Servers, journal: Journal) -> None:
        self._servers = servers
        self._journal = journal
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")
        self._seen: dict[str, float] = {}
        self._client: Any = None
        self._port = 0
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join(5)
        if self._client is not None:
            self._client.close()

    def _run(self) -> None:
        while not self._over.wait(_EVERY):
            try:
                self._look()
            except (redis.RedisError, OSError):
                continue

    def _look(self) -> None:
        client = self._connected()
        pipeline = client.pipeline(transaction=False)
        pipeline.time()
        for lane in LANES:
            pipeline.zrange(LaneKeys("faults", lane).workers, 0, -1, withscores=True)
        (seconds, micros), *lanes = pipeline.execute()
        ahead = seconds + micros / 1e6 - time.monotonic()
        for lane, workers in zip(LANES, lanes, strict=True):
            for worker, at in workers:
                self._note(f"{worker.partition('@')[0]} {lane}", round(at / 1000 - ahead, 2))

    def _note(self, who: str, at: float) -> None:
        if at > self._seen.get(who, 0.0) + 0.05:
            self._seen[who] = at
            worker, lane = who.split()
            self._journal.write("heard", worker=worker, lane=lane, beat=at)

    def _connected(self) -> Any:
        if self._port != self._servers.primary.port:
            if self._client is not None:
                self._client.close()
            self._port = self._servers.primary.port
            self._client = redis.Redis(port=self._port, decode_responses=True, socket_timeout=0.5, protocol=2)
        return self._client
