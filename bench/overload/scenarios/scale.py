"""What a work costs Redis beside a thousand pending works, and beside a million."""

from __future__ import annotations

import json
from typing import Final

import redis

from ..bench import Bar, Bench, Section, Table, median, spread
from ..costs import LANE, Order
from ..figures import Figures
from ..processes import Place, run_module, running_place
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
    bench.begin(title, many // _AT_ONCE + bench.rounds)
    rounds: list[Figures] = []
    # Each has a Redis of its own, so that they can take turns: what else goes on changes from minute to minute.
    with running_place(ASKFIRST) as small, running_place(ASKFIRST) as large:
        _costs(small, _FEW, measure=False)
        empty = _memory(large)
        for _ in range(0, many, _AT_ONCE):
            _costs(large, min(_AT_ONCE, many), measure=False)
            bench.step()
        held = (_memory(large) - empty) / _pending(large)
        for _ in range(bench.rounds):
            few, much = _costs(small, 0, measure=True), _costs(large, 0, measure=True)
            rounds.append(
                {f"few_{name}": took for name, took in few.items()}
                | {f"many_{name}": took for name, took in much.items()}
                | {f"ratio_{name}": much[name] / few[name] for name in few}
            )
            bench.step()
        pending = _pending(small), _pending(large)
    names = ("submit", "ask", "finish")
    rows = [
        [name, spread(rounds, f"few_{name}", 0), spread(rounds, f"many_{name}", 0), spread(rounds, f"ratio_{name}")]
        for name in names
    ]
    head = ("µs of the server per call", f"{pending[0]:,} pending", f"{pending[1]:,} pending", "ratio")
    tables = [Table("Cost", head, rows), Table("Memory", ("", "bytes"), [["per pending work", f"{held:,.0f}"]])]
    bars = [
        Bar(f"{name}: cost, {many:,} ÷ {_FEW:,} pending", median(rounds, f"ratio_{name}"), most=1.5) for name in names
    ]
    return Section(title, tables, {"rounds": rounds, "bytes": held, "pending": pending}, bars)


def _costs(place: Place, works: int, measure: bool) -> Figures:
    """Submits so many, then measures if so wished."""
    said = run_module("costs", Order(place.url, works, measure).text(), patience=_PATIENCE)
    return dict(json.loads(said.splitlines()[-1])) if measure else {}


def _pending(place: Place) -> int:
    """Works of the lane that wait."""
    with redis.Redis.from_url(place.url) as server:
        return int(server.zcard(f"askfirst:{{askfirst.{LANE}}}:index:PENDING"))


def _memory(place: Place) -> float:
    with redis.Redis.from_url(place.url) as server:
        return float(server.info("memory")["used_memory"])
