"""The ledger on a clock that stands still until it is moved: its scripts are run with one line changed.

Where they ask Redis for the time they read a key instead. Whatever else they do is as ever, so that a whole database
can be frozen, compared and thawed, and what is due in five seconds is due exactly then.
"""

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import Any, TypeAlias

import pytest

from askfirst.interest import script
from askfirst.interest.ledger import Ledger, Policy
from askfirst.interest.line import Command, Line
from askfirst.interest.script import Argument, Call
from tests.support.lanes import Lane

_TIME = "local t = redis.call('TIME')\n  return t[1] * 1000 + math.floor(t[2] / 1000)\n"
_CLOCK = "return tonumber(redis.call('GET', 'clock'))\n"
_EPOCH = 1_000_000_000_000  # ms; any will do

# What a key lives is Redis's own time, and goes on by itself: it is shortened by what the clock is moved.
_PASS = """
redis.call('INCRBY', 'clock', ARGV[1])
for _, key in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', key)
  if left >= 0 then redis.call('PEXPIRE', key, left - ARGV[1]) end
end
"""
_FREEZE = """
local read = { hash = { 'HGETALL' }, zset = { 'ZRANGE', 0, -1, 'WITHSCORES' }, list = { 'LRANGE', 0, -1 },
  set = { 'SMEMBERS' }, string = { 'GET' } }
local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  local how = read[kind]
  found[#found + 1] = { key, kind, redis.call('PTTL', key), redis.call(how[1], key, unpack(how, 2)) }
end
return found
"""
_HEAR = """
local taken = 0
for _, queue in ipairs(KEYS) do
  for _, message in ipairs(redis.call('LRANGE', queue, 0, -1)) do
    if string.find(string.sub(message, 1, 200), ARGV[1], 1, true) then
      taken = taken + redis.call('LREM', queue, 1, message)
    end
  end
end
return taken
"""
_THAW = """
local write = { hash = 'HSET', zset = 'ZADD', list = 'RPUSH', set = 'SADD', string = 'SET' }
redis.call('FLUSHDB')
for _, entry in ipairs(cjson.decode(ARGV[1])) do
  local key, kind, left, values = unpack(entry)
  redis.call(write[kind], key, unpack(values))
  if left >= 0 then redis.call('PEXPIRE', key, left) end
end
"""

Entry: TypeAlias = tuple[str, str, int, list[str]]


class Frozen:
    """All that a database holds, in an order of its own. How long keys live is kept, and not compared."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = sorted(entries)
        self._values = {key: values for key, _, _, values in self.entries}

    def __getitem__(self, key: str) -> list[str]:
        return self._values.get(key, [])

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def hash(self, key: str) -> dict[str, str]:
        values = self[key]
        return dict(zip(values[::2], values[1::2], strict=True))

    def scores(self, key: str) -> dict[str, int]:
        """A sorted set: members and scores."""
        values = self[key]
        return {member: int(score) for score, member in zip(values[::2], values[1::2], strict=True)}

    def without_end(self) -> list[str]:
        """The keys that would stay for ever."""
        return [key for key, _, left, _ in self.entries if left < 0]


class WatchedLine(Line):
    """A connection that looks at the whole database after each call, in the same round trip."""

    def __init__(self, url: str) -> None:
        super().__init__(url, connect_timeout=10.0)
        self._first: list[Command] = []
        self._look: Command = ("EVAL", _FREEZE, 0)
        self.seen = Frozen([])
        """What the database held after the last call."""

    def batch(
        self, items: Sequence[Call | Command], timeout: float | None = None, within: float = math.inf
    ) -> list[Any]:
        first, self._first = self._first, []
        *replies, found = super().batch([*first, *items, self._look], timeout, within)
        self.seen = Frozen([(key, kind, left, _in_order(kind, values)) for key, kind, left, values in found])
        return replies[len(first) :]

    def before_the_next(self, *command: Argument) -> None:
        """Sends a command along with the next call."""
        self._first.append(command)

    def thaw(self, frozen: Frozen) -> None:
        """Makes the database what it was."""
        self.seen = frozen
        self._first = [("EVAL", _THAW, 0, json.dumps(frozen.entries))]


class VirtualLane(Lane):
    """A lane whose clock stands still."""

    def __init__(self, url: str, namespace: str, redis: Any) -> None:
        self.line = WatchedLine(url)
        super().__init__(Ledger(self.line, namespace, Policy()), redis)
        for path in files("askfirst.interest").joinpath("scripts").iterdir():
            if path.name.endswith(".lua"):
                # Known before its first call: what is looked at must not come before what is done.
                self.line.command("SCRIPT", "LOAD", script.script(path.name.removesuffix(".lua")).text)
        self.begin()

    def begin(self) -> None:
        """An empty ledger, at the same time as ever."""
        self.line.batch([("FLUSHDB",), ("SET", "clock", _EPOCH)])

    def now(self) -> int:
        return int(self.line.command("GET", "clock"))

    def _shift(self, milliseconds: int) -> None:
        self.line.command("EVAL", _PASS, 0, milliseconds)

    def hear(self, id: str) -> None:
        """Takes all messages of a work out of the queue, before the next call."""
        self.line.before_the_next("EVAL", _HEAR, len(self.keys.queues), *self.keys.queues, id)


def _in_order(kind: str, values: Any) -> list[str]:
    """As it is written again, and always in the same order."""
    if kind == "string":
        return [values]
    if kind == "set":
        return sorted(values)
    if kind == "list":
        return list(values)
    pairs = sorted(zip(values[::2], values[1::2], strict=True))
    if kind == "zset":
        pairs = [(score, member) for member, score in pairs]
    return [part for pair in pairs for part in pair]


@contextmanager
def virtual_clock() -> Iterator[None]:
    """All scripts loaded meanwhile read the time from the key `clock`."""
    as_ever = script._assemble

    def with_a_clock(name: str, package: str) -> str:
        text = as_ever(name, package)
        assert text.count(_TIME) == text.count("'TIME'"), "the ledger takes the time in another way now"
        return text.replace(_TIME, _CLOCK)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(script, "_assemble", with_a_clock)
        script.script.cache_clear()
        try:
            yield
        finally:
            script.script.cache_clear()
