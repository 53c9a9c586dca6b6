"""`schedule`: definitions from files, and the operator's hand on them."""

import csv
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from askfirst.cli import schedule
from askfirst.cli.exits import Exit
from askfirst.interest.errors import LedgerUnavailable
from askfirst.schedules import Status
from askfirst.schedules.applying import Plan
from askfirst.schedules.definition import Overlap
from tests.cli.commands import Cli, lines_until
from tests.cli.test_completion import completed
from tests.support.eventually import eventually

FILE = """
tag = "greetings"

[calendars.weekdays]
kind = "weekdays"

[schedules.hello]
work = "cli.greet"
payload = {who = "you"}
triggers = [{kind = "cron", expression = "0 5 * * *"}]
timezone = "Europe/Berlin"
calendars = ["weekdays"]

[schedules.often]
work = "cli.greet"
payload = {who = "me"}
triggers = [{kind = "every", period = "1s"}]
"""

#: A calendar that ends too early.
OVER = '[calendars.over]\nkind = "dates"\nfirst = 2020-01-01\nlast = 2020-12-31\ndays = []'


@pytest.fixture
def scheduled(served: Cli, tmp_path: Path) -> Iterator[Cli]:
    """The served namespace, without schedules when the test is over."""
    (tmp_path / "greetings.toml").write_text(FILE)
    yield served
    for each in json.loads(served("schedule", "list", "--json").stdout):
        served("schedule", "delete", each["id"], "--yes")


def apply(cli: Cli, *options: str) -> Any:
    return cli("schedule", "apply", "greetings.toml", *options)


def change(tmp_path: Path, before: str, after: str) -> None:
    file = tmp_path / "greetings.toml"
    assert before in file.read_text()
    file.write_text(file.read_text().replace(before, after))


def shown(cli: Cli, id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cli("schedule", "show", id, "--json").stdout)
    return found


def test_the_doctor_notices_that_no_scheduler_runs(scheduled: Cli, tmp_path: Path) -> None:
    change(tmp_path, FILE[: FILE.index("[schedules.often]")], "")

    def said() -> str:
        return next(line for line in scheduled("doctor").stdout.splitlines() if "schedules" in line)

    apply(scheduled, "--yes")
    assert "none is overdue" in said()
    eventually(lambda: "often should have fired" in said(), within=20, what="an instant is overdue")


def test_a_file_is_applied_after_its_difference_is_shown(scheduled: Cli, tmp_path: Path) -> None:
    said = scheduled("schedule", "apply", "greetings.toml", input="n\n")
    assert said.exit_code == Exit.INTERRUPTED
    assert "nothing was changed; --yes" in said.stderr
    assert "nothing was changed; --yes" in scheduled("schedule", "apply", "greetings.toml", input="").stderr
    assert [line[:9] for line in said.stdout.splitlines()][:3] == ["+ calenda", "+ hello: ", "+ often: "]
    assert json.loads(scheduled("schedule", "list", "--json").stdout) == []
    assert scheduled("schedule", "apply", "greetings.toml", input="y\n").exit_code == Exit.OK
    assert apply(scheduled, "--yes").stderr == "nothing to change\n"
    change(tmp_path, '"you"', '"all"')
    change(tmp_path, FILE[FILE.index("[schedules.often]") :], "")
    said = apply(scheduled, "--json")
    assert [(each["id"], each["after"] is None) for each in json.loads(said.stdout)["differences"]] == [
        ("hello", False),
        ("often", True),
    ]
    assert json.loads(said.stdout)["applied"] is False
    said = apply(scheduled, "--yes")
    assert said.stdout == "~ hello: payload: {'who': 'you'} → {'who': 'all'}\n- often\n"
    assert [each["id"] for each in json.loads(scheduled("schedule", "list", "--json").stdout)] == ["hello"]
    assert shown(scheduled, "hello")["schedule"]["tags"] == ["greetings"]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"0 5 * * *"', '"0 25 * * *"', "greetings.toml: schedule 'hello': triggers.0.cron: expression: "),
        ("Europe/Berlin", "Europe/Bonn", "schedule 'hello': timezone: expected an IANA time zone such as "),
        ("cli.greet", "cli.gret", "schedule 'hello': work: no work type is called 'cli.gret': did you mean "),
        ('who = "you"', "who = 7", "schedule 'hello': payload: cli.greet: who: 7 is not of type 'string'"),
        ('["weekdays"]', '["holidays"]', "schedule 'hello': calendars.0: there is no calendar 'holidays'"),
        ('kind = "weekdays"', 'kind = "union"\nof = ["weekdays"]', "calendar 'weekdays': of.0: is made of itself"),
        ('period = "1s"', 'period = "1s", colour = 1', "schedule 'often': triggers.0.every: colour: is no field"),
        ("[schedules.often]", "[schedule.often]", "expected tag, [calendars.NAME] and [schedules.ID], got schedule"),
        ('tag = "greetings"', "tag = 1", "tag: expected a text, got 1"),
        ("[schedules.often]", "[schedules.often", "greetings.toml: "),
        ('kind = "weekdays"', 'kind = "dates"\nfirst=2026-01-01\nlast=2026-12-31\ndays_from="no.csv"', "days_from: "),
        ('payload = {who = "me"}', 'payload = {who = "me"}\nmisfire = "skip"\nmax_catch_up = 2', "max_catch_up: "),
        ('period = "1s"}]', f'period = "1s"}}]\nexclude = ["over"]\n{OVER}', "calendar 'over' knows 2020-01-01 to "),
        ('kind = "weekdays"', 'kind = "holidays"\ncountry = "Nowhere"', "calendar 'weekdays': country: "),
    ],
)
def test_a_broken_file_applies_nothing(scheduled: Cli, tmp_path: Path, before: str, after: str, said: str) -> None:
    change(tmp_path, before, after)
    result = apply(scheduled, "--yes")
    assert result.exit_code in (Exit.USAGE, Exit.UNKNOWN)
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert "; " not in result.stderr
    assert json.loads(scheduled("schedule", "list", "--json").stdout) == []


def test_what_there_is_and_what_comes(scheduled: Cli) -> None:
    apply(scheduled, "--yes")
    rows = [line.split() for line in scheduled("schedule", "list").stdout.splitlines()]
    assert rows[0] == ["id", "work", "type", "next", "state", "open", "tags"]
    assert [row[:2] for row in rows[1:]] == [["hello", "cli.greet"], ["often", "cli.greet"]]
    assert "0 5 * * *" in scheduled("schedule", "show", "hello").stdout
    comes = scheduled("schedule", "next", "hello", "--count", "3").stdout.splitlines()
    assert len(comes) == 3
    assert all(line.endswith("Z  hello") for line in comes)
    assert scheduled("schedule", "next").stdout.splitlines()[0].endswith("often")
    assert json.loads(scheduled("schedule", "next", "often", "--count", "1", "--json").stdout)[0]["schedule"] == "often"
    found = json.loads(scheduled("schedule", "list", "--prefix", "of", "--json").stdout)
    assert [each["id"] for each in found] == ["often"]


def test_a_scheduler_runs_what_is_due_and_its_history_is_shown(
    scheduled: Cli, ended: Callable[["subprocess.Popen[str]"], "subprocess.Popen[str]"]
) -> None:
    runs = ended(scheduled.start("schedule", "run"))
    lines_until(runs, "ready")
    apply(scheduled, "--yes")

    def completed_runs() -> list[dict[str, Any]]:
        found = json.loads(scheduled("schedule", "history", "often", "--status", "fired", "--json").stdout)
        return [each for each in found if each["state"] == "COMPLETED"]

    eventually(lambda: len(completed_runs()) >= 2, what="it has fired twice", every=0.2)
    assert scheduled("schedule", "pause", "often", "--reason", "enough", "--actor", "ann").stdout == "often  paused\n"
    assert scheduled("schedule", "pause", "often").stdout == "often  was paused already\n"
    assert "enough  (by ann, " in scheduled("schedule", "show", "often").stdout
    assert "paused: enough" in scheduled("schedule", "list").stdout
    fired = scheduled("schedule", "trigger", "often").stdout
    assert "triggered" in fired
    told = scheduled("schedule", "history", "often").stdout
    assert "COMPLETED" in told
    rows = list(csv.DictReader(scheduled("schedule", "history", "often", "--csv").stdout.splitlines()))
    assert {row["schedule"] for row in rows} == {"often"}
    assert scheduled("schedule", "resume", "often", "--json").stdout == '[{"id": "often", "changed": true}]\n'
    backfilled = ("backfill", "hello", "--after", "2026-01-01", "--until", "2026-01-08T12:00")
    assert json.loads(scheduled("schedule", *backfilled, "--json").stdout) != []
    runs.terminate()
    assert runs.wait(10) == Exit.OK


@pytest.mark.parametrize("command", ["show", "next", "pause", "resume", "trigger", "history", "delete"])
def test_there_must_be_such_a_schedule(scheduled: Cli, command: str) -> None:
    result = scheduled("schedule", command, "nothing", *(["--yes"] if command == "delete" else []))
    assert result.exit_code == Exit.UNKNOWN
    assert "no schedule is called" in result.stderr


def test_what_could_not_be_applied_is_not_said_to_be(scheduled: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> None:
        raise LedgerUnavailable("gone")

    monkeypatch.setattr(Plan, "apply", fails)
    result = apply(scheduled, "--json", "--yes")
    assert result.exit_code == Exit.LEDGER
    assert result.stdout == ""


def test_where_one_of_several_is_unknown_none_is_paused(scheduled: Cli) -> None:
    apply(scheduled, "--yes")
    result = scheduled("schedule", "pause", "hello", "nothing")
    assert result.exit_code == Exit.UNKNOWN
    assert shown(scheduled, "hello")["paused"] is None


def test_the_extra_that_it_needs_is_named(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = cli("schedule", "list")
    assert result.exit_code == Exit.USAGE
    assert "cronsim and tzdata not installed: pip install 'askfirst[schedules]'" in result.stderr


def test_where_there_are_none(cli: Cli) -> None:
    assert cli("schedule", "list").stderr == "no schedules\n"
    assert cli("schedule", "next").stderr == "no instants\n"


def test_a_ledger_that_is_away() -> None:
    for arguments in (("list",), ("pause", "x"), ("run",)):
        result = Cli("redis://127.0.0.1:1/0", "any")("schedule", *arguments)
        assert result.exit_code == Exit.LEDGER
        assert "cannot reach Redis" in result.stderr


def test_schedules_are_completed(scheduled: Cli) -> None:
    apply(scheduled, "--yes")
    for command in ("show", "next", "pause", "resume", "trigger", "backfill", "history", "delete"):
        assert completed(scheduled, "schedule", command, "of") == ["often"]
    assert completed(Cli("redis://127.0.0.1:1/0", "any"), "schedule", "show", "") == []


def test_choices_are_those_of_the_room() -> None:
    assert get_args(Overlap) == schedule.OVERLAPS
    assert tuple(Status) == schedule.STATUSES
