"""What a test must not leave behind: keys that never go, threads, processes."""

import inspect
import re
import threading
from pathlib import Path
from typing import Any

from askfirst.interest import keys
from askfirst.interest.keys import LaneKeys

from .eventually import eventually
from .servers import RedisServer

#: kombu's own bookkeeping, and the lane's queue, which is kombu's too.
_KOMBU = re.compile(r"_kombu\.binding.*|unacked.*|[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+|celery|.*\.pidbox|.*celeryev.*")

#: Children that live as long as the session: what starts them says so.
lasting_children: set[int] = set()


def permanent_keys() -> list[re.Pattern[str]]:
    """The keys that have no TTL by intent: those whose documentation in keys.py says so."""
    name = "\0"  # stands for anything
    lane = LaneKeys(name, name)
    found = [getattr(keys, each)(name) for each in ("types", "lanes") if _says_no_ttl(getattr(keys, each))]
    for attribute, value in vars(LaneKeys).items():
        if _says_no_ttl(value):
            found.append(getattr(lane, attribute) if isinstance(value, property) else value(lane, name))
    found += lane.queues
    return [re.compile(re.escape(key).replace(re.escape(name), ".*")) for key in found]


def _says_no_ttl(documented: Any) -> bool:
    return "no ttl" in (inspect.getdoc(documented) or "").lower()


_PERMANENT = permanent_keys()


class Leaks:
    """Taken before the test, checked after it."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._threads = set(threading.enumerate())
        self._children = _children()

    def check(self) -> None:
        """Fails if something is left that was not there before."""
        keys_left = self._keys_without_end()
        assert not keys_left, f"left in Redis without a TTL: {keys_left}"
        eventually(lambda: not self._new_threads(), within=3, what=f"the threads {self._new_threads()} end")
        eventually(lambda: not self._new_children(), within=3, what=f"the processes {self._new_children()} end")

    def _keys_without_end(self) -> list[str]:
        permanent = [*_PERMANENT, _KOMBU]
        left = []
        for database in self._databases():
            client = self._server.client(database)
            names = [name for name in client.scan_iter(count=1000) if not any(p.fullmatch(name) for p in permanent)]
            pipeline = client.pipeline(transaction=False)
            for name in names:
                pipeline.pttl(name)
            left += [name for name, ttl in zip(names, pipeline.execute() if names else [], strict=True) if ttl == -1]
        return left

    def _databases(self) -> list[int]:
        return [int(name.removeprefix("db")) for name in self._server.client().info("keyspace")]

    def _new_threads(self) -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread not in self._threads and thread.is_alive()]

    def _new_children(self) -> set[int]:
        return _children() - self._children - lasting_children


def _children() -> set[int]:
    """The processes that this one has started and that live."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            pids = (task / "children").read_text().split()
        except OSError:
            continue  # the thread is over
        found.update(int(pid) for pid in pids)
    return found
