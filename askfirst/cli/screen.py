"""What `askfirst top` shows: lanes, work types and workers as tables, as many rows as there is room for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .figures import Figures, LaneRates
from .limits import limit_json, limit_text, row_json
from .printing import duration, printable, table

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table
    from rich.text import Text

    from askfirst.interest.activity import TypeActivity, WorkerActivity
    from askfirst.interest.limits import LimitInUse
    from askfirst.interest.load import LaneLoad

SILENT: Final = 5.0  # seconds after which a worker, which beats every second, has something wrong with it
_BLANK: Final = "–"
_FRAME: Final = 6  # lines of a screen that are no rows: its title, two gaps and the heads of three tables
_LEAST: Final = 3  # rows that each table gets on the smallest screen
_NARROWEST: Final = 100  # columns; a narrower terminal cuts off the right rather than figures

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Screen:
    """One look at the fleet, with the rates since the look before."""

    title: str
    figures: Figures
    rates: Mapping[str, LaneRates]
    rows: int | None = None
    """Rows of each table at most; None for as many as the terminal has room for."""
    page: int = 0
    """Which page of longer tables is shown; after the last comes the first again."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Fits the tables into the height there is."""
        from rich.text import Text

        lanes = sorted(self.figures.lanes, key=lambda load: (_idle(load), load.lane))
        types = busiest_types(self.figures)
        workers = sorted(self.figures.workers, key=lambda each: (each.silence < SILENT, each.lane, each.name))
        rooms = [self.rows] * 3 if self.rows is not None else _rooms(options, lanes, types, workers)
        wide = options.update(width=max(options.max_width, _NARROWEST))
        yield Text(printable(self.title), style="bold", overflow="ellipsis", no_wrap=True)
        yield from console.render(self._part("lanes", lanes, rooms[0], self._lanes), wide)
        yield Text()
        yield from console.render(self._part("work types", types, rooms[1], _types), wide)
        yield Text()
        yield from console.render(self._part("workers", workers, rooms[2], _workers), wide)

    def _part(
        self, what: str, rows: Sequence[Row], room: int, render: Callable[[Sequence[Row]], Table]
    ) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        if not rows:
            return Text(f"no {what}", style="dim")
        shown, start = page_of(rows, room, self.page)
        rendered = render(shown)
        if len(shown) == len(rows):
            return rendered
        last = start + len(shown)
        return Group(rendered, Text(f"{what} {start + 1:,} to {last:,} of {len(rows):,}", style="dim"))

    def _lanes(self, lanes: Sequence[LaneLoad]) -> Table:
        rows = _numbers(
            "lane", "critical", "normal", "sheddable", "held", "dead", "aside", "busy", "wait",
            "goodput", "of all", "waste", "rejected",
        )  # fmt: skip
        for load in lanes:
            rates = self.rates.get(load.lane)
            wait = load.waiting["normal"].foreseen_wait
            rows.add_row(
                _name(load.lane),
                *(f"{each.works:,}" for each in load.waiting.values()),
                f"{held_in(self.figures, load.lane):,}",
                _BLANK if load.dead is None else f"{load.dead:,}",
                f"{sum(load.aside.values()):,}",
                f"{load.running:,}/{load.slots:,}",
                "no worker" if wait is None else duration(wait, units=1),
                _per_second(rates.goodput if rates else None),
                _share(rates.useful_share if rates else None),
                _share(rates.wasted_share if rates else None),
                _per_second(rates.rejected if rates else None),
            )
        return rows


def busiest_types(figures: Figures) -> list[tuple[TypeActivity, LimitInUse | None]]:
    """All work types with their limits, the busiest first."""
    limits = {(row.lane, row.name): row for row in figures.limits if row.partition is None}
    joined = [(each, limits.get((each.lane, each.name))) for each in figures.types]
    return sorted(joined, key=lambda pair: (-pair[0].running, -(pair[1].held if pair[1] else 0), pair[0].name))


def held_in(figures: Figures, lane: str) -> int:
    """How many works of the lane wait for a limit."""
    in_lane = [row for row in figures.limits if row.lane == lane]
    typed = {row.name for row in in_lane if row.partition is None}
    # The row of a type is the sum of its partitions'.
    return sum(row.held for row in in_lane if row.partition is None or row.name not in typed)


def page_of(rows: Sequence[Row], room: int, page: int) -> tuple[Sequence[Row], int]:
    """The rows of a page, round and round, and where it starts. What is not all leaves a line to say so."""
    if len(rows) <= room:
        return rows, 0
    room = max(room - 1, 1)
    start = page % -(-len(rows) // room) * room
    return rows[start : start + room], start


def share_rows(height: int, sizes: Sequence[int]) -> list[int]:
    """Rows for each table: what it needs, or an equal share of what the smaller ones leave over."""
    given = [0] * len(sizes)
    left = height
    for done, at in enumerate(sorted(range(len(sizes)), key=lambda each: sizes[each])):
        given[at] = max(min(sizes[at], left // (len(sizes) - done)), _LEAST)
        left -= min(given[at], max(sizes[at], 1))
    return given


def screen_json(figures: Figures, rates: Mapping[str, LaneRates], seconds: float) -> dict[str, Any]:
    """The same for programs, all of it. Durations in seconds, rates per second."""
    return {
        "seconds": round(seconds, 3),
        "lanes": [_lane_json(figures, load, rates.get(load.lane)) for load in figures.lanes],
        "types": [
            {"lane": each.lane, "name": each.name, "running": each.running, "expected": each.expected}
            | {"held": row.held if row else 0, "limit": limit_json(_in_force(row)) if row else None}
            for each, row in busiest_types(figures)
        ],
        "limits": [row_json(row) for row in figures.limits],
        "workers": [
            {"lane": each.lane, "name": each.name, "slots": each.slots, "runs": each.runs}
            | {"silence": round(each.silence, 3)}
            for each in figures.workers
        ],
    }


def _lane_json(figures: Figures, load: LaneLoad, rates: LaneRates | None) -> dict[str, Any]:
    import dataclasses

    return {
        "lane": load.lane,
        "slots": load.slots,
        "running": load.running,
        "pending": load.pending,
        "waiting": {name: dataclasses.asdict(each) for name, each in load.waiting.items()},
        "held": held_in(figures, load.lane),
        "dead": load.dead,
        "aside": dict(load.aside),
        "overstayed": load.overstayed,
        "rates": dataclasses.asdict(rates) if rates else None,
    }


def _types(types: Sequence[tuple[TypeActivity, LimitInUse | None]]) -> Table:
    rows = _numbers("work type", "lane", "running", "held", "expected", "limit", left=("lane", "limit"))
    for each, limit in types:
        rows.add_row(
            _name(each.name),
            each.lane,
            f"{each.running:,}",
            f"{limit.held:,}" if limit else "0",
            _BLANK if each.expected is None else duration(each.expected, units=1),
            limit_text(_in_force(limit)) if limit else "",
        )
    return rows


def _workers(workers: Sequence[WorkerActivity]) -> Table:
    from rich.text import Text

    rows = _numbers("worker", "lane", "slots", "runs", "last heard", left=("lane",))
    for each in workers:
        heard = Text(f"{duration(each.silence, units=1)} ago", style="red" if each.silence >= SILENT else "")
        rows.add_row(_name(each.name), each.lane, f"{each.slots:,}", f"{each.runs:,}", heard)
    return rows


def _numbers(*columns: str, left: Sequence[str] = ()) -> Table:
    """A table whose columns are numbers, but for the first and those named. Only the first gives way."""
    made = table(*columns)
    for column, name in list(zip(made.columns, columns, strict=True))[1:]:
        column.no_wrap = True
        column.justify = "left" if name in left else "right"
    return made


def _name(text: str) -> Text:
    from rich.text import Text

    return Text(printable(text), no_wrap=True, overflow="ellipsis")


def _rooms(options: ConsoleOptions, *tables: Sequence[Any]) -> list[int]:
    height = options.height or options.size.height
    return share_rows(height - _FRAME, [len(rows) for rows in tables])


def _in_force(row: LimitInUse) -> Any:
    from askfirst.interest.standing import in_force

    return in_force(row)


def _idle(load: LaneLoad) -> bool:
    return not (load.slots or load.running or load.pending)


def _per_second(rate: float | None) -> str:
    if rate is None:
        return _BLANK
    return f"{rate:,.0f}/s" if rate >= 99.5 or rate == 0 else f"{rate:.1f}/s"


def _share(share: float | None) -> str:
    return _BLANK if share is None else f"{share:.0%}"
