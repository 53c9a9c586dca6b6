"""What people read."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from askfirst.cli import printing
from askfirst.cli.printing import ago, as_json, duration, print_lines, printable, table
from askfirst.cli.progress import progress_text
from askfirst.interest.records import Progress


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0123, "12 ms"),
        (0.9996, "1.0 s"),
        (1.26, "1.3 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (3725, "1 h 2 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_list_has_room_for_one() -> None:
    assert duration(3725, units=1) == "1 h"


def test_a_moment_is_told_from_now() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert ago(now - timedelta(seconds=30), now) == "30 s ago"
    assert ago(now + timedelta(seconds=30), now) == "in 30 s"


def test_nothing_that_others_wrote_reaches_the_terminal_as_a_command() -> None:
    assert printable("a\x1b[31m\r\x07\u202eb\nc\tä") == "a\\x1b[31m\\r\\x07\\u202eb\nc\tä"


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (Progress(done=1234567), "1,234,567"),
        (Progress(done=1, total=3), "1/3 (33%)"),
        (Progress(done=0.5, total=2, note="reading\nlines"), "0.5/2 (25%) reading lines"),
        (Progress(done=4, total=3), "4/3 (100%)"),
        (Progress(done=0, total=0), "0/0"),
    ],
)
def test_progress_in_words(progress: Progress, text: str) -> None:
    assert progress_text(progress) == text


def test_bytes_are_printed_as_results_carry_them() -> None:
    assert as_json({"image": b"\xff\x00", "text": b"hi"}) == '{"image": "_wA=", "text": "aGk="}'


def test_a_row_stays_a_line_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Console(width=30, record=True, force_terminal=True, file=io.StringIO())
    monkeypatch.setattr(printing, "console", lambda: terminal)
    rows = table("id", "work type", "remark")
    rows.add_row("default.5c35fa7d", "reports.build", "ValueError: bad 3")
    print_lines(rows)
    assert terminal.export_text().splitlines()[1:] == ["default.5c35fa7d  reports.buil"]
