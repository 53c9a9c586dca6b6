"""What a script costs Redis, counted instead of timed: the same on every machine and every day."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from askfirst.interest import script as scripts
from askfirst.interest.ledger import Ledger

_COUNTS = "counted"

#: Goes before each script: its `redis` is one that counts what passes it by.
_COUNTING = """
local redis = setmetatable({ call = function(command, ...)
  local reply = redis.call(command, ...)
  local steps, bytes = 1 + select('#', ...), 0
  for _, argument in ipairs({ ... }) do bytes = bytes + #tostring(argument) end
  if type(reply) == 'table' then steps = steps + #reply end
  -- Elements removed by a range pass by without being named.
  if string.find(command, '^ZREMRANGE') then steps = steps + reply end
  redis.call('HINCRBY', 'counted', 'steps', steps)
  redis.call('HINCRBY', 'counted', 'bytes', bytes)
  return reply
end }, { __index = redis })
"""


@dataclass
class Cost:
    """Of each call, in order."""

    scripts: list[int] = field(default_factory=list)
    """How many of them went in it."""
    steps: list[int] = field(default_factory=list)
    """Commands, their arguments, and the elements that they reply or remove."""
    bytes: list[int] = field(default_factory=list)
    """What the commands are given."""


@contextmanager
def counted(ledger: Ledger, redis: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cost]:
    """Counts what each call of the ledger costs, while it lasts."""
    cost = Cost()
    batch = ledger.line.batch

    def counting(calls: Any, *arguments: Any, **options: Any) -> Any:
        redis.delete(_COUNTS)
        replies = batch(calls, *arguments, **options)
        cost.scripts.append(len(calls))
        found = redis.hgetall(_COUNTS)
        cost.steps.append(int(found.get("steps", 0)))
        cost.bytes.append(int(found.get("bytes", 0)))
        return replies

    assemble = scripts._assemble
    with monkeypatch.context() as patched:
        patched.setattr(scripts, "_assemble", lambda *which: _COUNTING + assemble(*which))
        patched.setattr(ledger.line, "batch", counting)
        scripts.script.cache_clear()
        yield cost
    scripts.script.cache_clear()
    redis.delete(_COUNTS)
