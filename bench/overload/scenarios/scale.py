"""What a work costs Redis beside a thousand pending works, and beside a million."""

from __future__ import annotations

import json
from typing import Final

import redis

from ..bench import Bar, Bench, Section, Table
from ..costs import LANE, Order
from ..processes import run_module, running_place
from ..queues import ASKFIRST

_FEW: Final = 1_000
_MANY: Final = 1_000_000
_QUICK_MANY: Final = 100_000
_AT_ONCE: Final = 100_000  # works that one process submits: it keeps a waiter of each
_PATIENCE: Final = 120.0  # seconds for each such process


def scale(bench: Bench) -> Section:
    """Server time of submit, ask and finish, and bytes per work."""
    many = _QUICK_MANY if bench.quick else _MANY
    title = f"{many:,} pending works"
    steps = (many - _FEW) // _AT_ONCE + 1
    bench.begin(title, steps + 2)
    with running_place(ASKFIRST) as place, redis.Redis.from_url(place.url) as server:

        def submit(works: int, measure: bool = False) -> dict[str, float]:
            said = run_module("costs", Order(place.url, works, measure).text(), patience=_PATIENCE)
            bench.step()
            return dict(json.loads(said.splitlines()[-1])) if measure else {}

        few = submit(_FEW, measure=True)
        empty, pending = server.info("memory")["used_memory"], _pending(server)
        left = many - pending
        while left > 0:
            submit(min(left, _AT_ONCE))
            left -= _AT_ONCE
        held = (server.info("memory")["used_memory"] - empty) / (_pending(server) - pending)
        much = submit(0, measure=True)
        found = _pending(server)
    rows = [[name, f"{few[name]:.0f}", f"{much[name]:.0f}", f"{much[name] / few[name]:.2f}"] for name in few]
    head = ("µs of the server per call", f"{_FEW:,} pending", f"{found:,} pending", "ratio")
    tables = [Table("Cost", head, rows), Table("Memory", ("", "bytes"), [["per pending work", f"{held:,.0f}"]])]
    bars = [Bar(f"{name}: cost, {many:,} ÷ {_FEW:,} pending", much[name] / few[name], most=1.5) for name in few]
    return Section(title, tables, {"few": few, "many": much, "bytes": held, "pending": found}, bars)


def _pending(server: redis.Redis) -> int:
    """Works of the lane that wait."""
    return int(server.zcard(f"askfirst:{{askfirst.{LANE}}}:index:PENDING"))
