"""Whether a fleet comes back by itself: a long overload of callers that ask again and again, then less than it can."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from ..bench import Bar, Bench, Section, Table, median
from ..figures import Window, by_second, overloaded, share
from ..load import Load, Stream
from ..queues import ASKFIRST, SYSTEMS

_COMPARED = (ASKFIRST.name, "huey-tuned")  # the best of the others; the callers cannot hand Celery so much
_TRIES = 4  # the first and three more
_OVERLOAD, _QUICK_OVERLOAD = 60.0, 6.0  # seconds
_AFTER = 12.0  # seconds
_WELL = 0.95
_SETTLED = 5.0  # seconds after the overload, from which on all should be well


def recovery(bench: Bench) -> Section:
    """Seconds from the end of the overload until callers are served as if nothing had been."""
    length = _QUICK_OVERLOAD if bench.quick else _OVERLOAD
    systems = [system for system in SYSTEMS if system.name in _COMPARED and system.installed]
    if bench.quick:
        systems = [ASKFIRST]
    title = f"{length:g} s at 10x with callers that retry three times, then 0.8x"
    plan = [(system, n) for system in systems for n in range(bench.rounds if system is ASKFIRST else 1)]
    bench.begin(title, len(plan))
    found: dict[str, list[dict[str, Any]]] = {}
    for system, number in plan:
        streams = (Stream(10.0, 0, length), Stream(0.8, length, length + _AFTER))
        driven = bench.phase(system, Load(streams, tries=_TRIES, seed=number + 1))
        seconds = by_second(driven, length, length + _AFTER)
        later = [call for call in driven.calls if call.attempt == 1 and call.due >= driven.start + length + _SETTLED]
        found.setdefault(system.name, []).append(
            {
                "seconds": seconds,
                "back_after": _back_after(seconds),
                "settled": share(call.on_time for call in later),
                "overload": overloaded(driven, Window(2.0, length)),
            }
        )
    rows = [[system.title, *_row(found[system.name])] for system in systems]
    head = ("", "overload: tries/s", "overload: on time/s", "overload: lag p99, ms", f"from then ≥ {_WELL:g}, s",
            f"on time from {_SETTLED:g} s on", "in each second after")  # fmt: skip
    ours = statistics.median(figures["settled"] for figures in found[ASKFIRST.name])
    bars = [Bar(f"on time ÷ offered from {_SETTLED:g} s after the overload", ours, least=_WELL)]
    return Section(title, [Table("Back to 0.8x", head, rows)], {"rounds": found}, bars)


def _back_after(seconds: Sequence[float]) -> float:
    """From which second on every one is well; infinite if the last is not."""
    bad = [n for n, served in enumerate(seconds) if served < _WELL]
    if not bad:
        return 0.0
    return float(bad[-1] + 1) if bad[-1] + 1 < len(seconds) else float("inf")


def _row(rounds: Sequence[dict[str, Any]]) -> list[str]:
    by_seconds = zip(*(figures["seconds"] for figures in rounds), strict=True)

    def overload(name: str) -> float:
        return median([figures["overload"] for figures in rounds], name)

    return [
        f"{overload('tries'):,.0f}",
        f"{overload('goodput'):.1f}",
        f"{overload('lag_p99'):,.1f}",
        ", ".join(f"{figures['back_after']:g}" for figures in rounds),
        f"{statistics.median(figures['settled'] for figures in rounds):.3f}",
        " ".join(f"{statistics.median(values):.2f}" for values in by_seconds),
    ]
