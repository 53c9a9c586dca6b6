"""Critical work beside sheddable work that is offered at ten times the capacity."""

from __future__ import annotations

from ..bench import WARM_UP, Bar, Bench, Section, Table, median, spread
from ..figures import Figures, Window, by_importance, overloaded
from ..load import Load, Stream
from ..queues import ASKFIRST

_CRITICAL = 0.5
_SHEDDABLE = 10.0


def importance(bench: Bench) -> Section:
    """How much of either class is answered in time."""
    title = f"Critical work at {_CRITICAL:g}x beside sheddable work at {_SHEDDABLE:g}x"
    bench.begin(title, bench.rounds)
    window = Window(WARM_UP, WARM_UP + (5 if bench.quick else 10))
    rounds: dict[str, list[Figures]] = {"critical": [], "sheddable": [], "all": []}
    for number in range(bench.rounds):
        streams = (
            Stream(_SHEDDABLE, 0, window.end, "sheddable"),
            Stream(_CRITICAL, 0, window.end, "critical"),
        )
        driven = bench.phase(ASKFIRST, Load(streams, seed=number + 1))
        rounds["critical"].append(by_importance(driven, window, "critical"))
        rounds["sheddable"].append(by_importance(driven, window, "sheddable"))
        rounds["all"].append(overloaded(driven, window))
    rows = [
        [name, *(spread(rounds[name], figure, 3) for figure in ("offered", "served", "rejects", "admitted", "goodput"))]
        for name in ("critical", "sheddable")
    ]
    head = ("", "offered/s", "on time ÷ offered", "refused/s", "admitted on time", "on time/s")
    rows.append(["both", spread(rounds["all"], "offered", 3), "", spread(rounds["all"], "rejects", 3), "",
                 spread(rounds["all"], "goodput", 3)])  # fmt: skip
    bars = [Bar("critical work on time ÷ offered", median(rounds["critical"], "served"), least=0.99)]
    return Section(title, [Table("By importance", head, rows)], {"rounds": rounds}, bars)
