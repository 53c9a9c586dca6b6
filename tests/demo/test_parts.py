"""The parts of the demo that need no fleet."""

import io
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from askfirst.demo import show
from askfirst.demo.errors import Interrupted
from askfirst.demo.flights import Flights
from askfirst.demo.importing import compare_totals
from askfirst.demo.instants import Outcome, outcome
from askfirst.demo.interrupts import Interrupts
from askfirst.demo.load import LATE, LEFT, ON_TIME, WORK, Load
from askfirst.demo.logs import append
from askfirst.demo.main import _on_stage
from askfirst.demo.report import introduce, report
from askfirst.demo.schedules import EVERY_SECOND
from askfirst.demo.schedules import report as report_outcomes
from askfirst.demo.tally import Tally, tally
from askfirst.demo.totals import totals_of_file


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """What an import of the small file makes."""
    path = tmp_path / "flights.sqlite"
    rows = [("UA", "IAH", 517, 11, 1400), ("UA", "IAH", None, None, 1416), ("AA", "MIA", 542, -33, 1089)]
    rows += [("B6", "BQN", 544, -18, 1576), ("UA", "ORD", None, None, 719)]
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE flights (carrier TEXT, dest TEXT, dep_time INT, arr_delay INT, distance INT)")
        connection.executemany("INSERT INTO flights VALUES (?, ?, ?, ?, ?)", rows)
        connection.commit()
    return path


def test_totals_of_the_file(flights: Flights) -> None:
    assert list(totals_of_file(flights.path).values()) == [5, 6200, 3, 2, -40, 4]


def test_the_same_totals_agree(flights: Flights, database: Path) -> None:
    console = Console(record=True, width=120)
    assert compare_totals(console, flights, database)
    assert "WRONG" not in console.export_text()


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM flights WHERE dest = 'MIA'",
        "UPDATE flights SET distance = distance + 1 WHERE dest = 'MIA'",
        "UPDATE flights SET dep_time = 0 WHERE dep_time IS NULL",
        "UPDATE flights SET arr_delay = NULL WHERE dest = 'MIA'",
    ],
)
def test_a_total_that_differs_is_told(flights: Flights, database: Path, change: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(change)
        connection.commit()
    console = Console(record=True, width=120)
    assert not compare_totals(console, flights, database)
    assert "WRONG" in console.export_text()


def test_rows_missing_from_the_file_itself_are_told(flights: Flights, database: Path) -> None:
    assert not compare_totals(Console(quiet=True), Flights(flights.path, rows=6), database)


def test_both_fleets_get_the_same_callers() -> None:
    assert Load().arrivals(2) == Load().arrivals(2)
    assert Load().arrivals(2) != Load().arrivals(3)


def test_callers_come_at_the_chosen_multiple_of_the_capacity() -> None:
    load = Load(duration=1000)
    callers = [arrival for crowd in range(load.crowds) for arrival in load.arrivals(crowd)]
    assert len(callers) / (load.slots / WORK * load.duration) == pytest.approx(load.overload, rel=0.02)
    leaving = [arrival for arrival in callers if arrival.patience == load.leave_after]
    assert len(leaving) / len(callers) == pytest.approx(load.leaving, rel=0.05)


def test_only_what_was_answered_on_time_is_not_wasted(tmp_path: Path) -> None:
    calls, probes, runs = tmp_path / "calls", tmp_path / "probes", tmp_path / "runs"
    for id, met in {"a": ON_TIME, "b": LATE, "c": LEFT, "killed": None}.items():
        append(calls, id=id, probe=False)
        if met:
            append(calls, id=id, met=met, at=1.0)
    for id, met, at in (("p", LATE, 9.0), ("q", ON_TIME, 10.5)):
        append(probes, id=id, probe=True)
        append(probes, id=id, met=met, at=at)
    for id in ("a", "b", "killed", "q"):
        append(runs, id=id, seconds=0.5)
    found = tally([calls, probes], runs, duration=8.0, dropped={}, stopped={})
    assert (found.callers, found.on_time, found.late, found.left, found.died) == (4, 1, 1, 1, 1)
    assert (found.runs, found.used, found.useful, found.wasted) == (4, 2.0, 1.0, 1.0)
    assert found.recovered_after == 2.5


def test_a_fleet_that_never_recovered_is_told_apart(tmp_path: Path) -> None:
    assert tally([tmp_path / "none"], tmp_path / "runs", 8.0, dropped={}, stopped={}).recovered_after is None


def test_a_signal_waits_until_what_is_made_is_noted() -> None:
    noted = []

    def make(interrupts: Interrupts) -> None:
        with interrupts.held():
            signal.raise_signal(signal.SIGTERM)
            noted.append("made")

    with Interrupts() as interrupts, pytest.raises(Interrupted) as caught:
        make(interrupts)
    assert noted == ["made"]
    assert caught.value.signal == signal.SIGTERM


def test_while_all_is_removed_signals_are_not_listened_to() -> None:
    with Interrupts() as interrupts:
        interrupts.hold()
        signal.raise_signal(signal.SIGINT)


def test_the_signals_are_as_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_where_only_ascii_can_be_shown_nothing_else_is() -> None:
    console = Console(file=io.TextIOWrapper(io.BytesIO(), "ascii"), width=100)
    plain = Tally(10, 1, 0, 6, 2, 1, 10, 1.0, 0.1, None, {}, {})
    asking = Tally(10, 5, 1, 1, 2, 1, 5, 0.5, 0.5, 1.0, {"deadline passed": 2}, {"caller gone": 1})
    introduce(console, Load())
    report(console, Load(), plain, asking)
    console.print(show.mark(console, good=True))
    console.file.flush()


BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
SECONDS = [BEGIN + timedelta(seconds=n) for n in range(3)]


def came_of(*runs: float, fired: int = 3) -> Outcome:
    """Three instants that were to run, and these runs, each half a second after its instant."""
    began = BEGIN.timestamp()
    found = [{"nominal": began + second, "at": began + second + 0.5} for second in runs]
    return outcome(3, SECONDS, found, Counter(fired=fired), outage=(began + 2, began + 9))


@pytest.mark.parametrize(
    ("runs", "fired", "figures"),
    [
        ((0, 1, 2), 3, (0, 0, 0)),
        ((0, 2), 3, (1, 0, 0)),
        ((0, 1, 1, 2), 3, (0, 1, 0)),
        ((0, 1, 2, 3), 3, (0, 0, 1)),
        ((0, 1, 2), 2, (0, 0, 0)),
    ],
)
def test_an_instant_lost_or_doubled_breaks_the_promise(
    runs: tuple[int, ...], fired: int, figures: tuple[int, int, int]
) -> None:
    found = came_of(*runs, fired=fired)
    assert (found.lost, found.doubled, found.uncalled) == figures
    console = Console(record=True, width=120)
    kept = report_outcomes(console, {EVERY_SECOND: found})
    assert kept == (runs == (0, 1, 2) and fired == 3)
    assert ("WRONG" in console.export_text()) != kept


def test_what_nobody_was_there_for_is_late_apart() -> None:
    found = came_of(0, 1, 2)
    assert (found.latest, found.latest_after_outage) == (0.5, 0.5)
    assert came_of(0, 1).latest_after_outage == 0


@pytest.mark.parametrize(("kept", "code"), [(True, 0), (False, 1)])
def test_a_broken_promise_is_an_error(kept: bool, code: int) -> None:
    assert _on_stage(Console(quiet=True), lambda stage: kept) == code
