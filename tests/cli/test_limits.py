"""`limits`: what is declared, set and in force, and setting it while the fleet runs."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from askfirst.cli.exits import Exit
from tests.cli.commands import Cli
from tests.cli.test_completion import completed
from tests.support.eventually import eventually

PULL = "cli.pull"


@pytest.fixture
def pulled(served: Cli) -> Iterator[Cli]:
    """The served namespace, without limits set and without works of the limited type when the test is over."""
    yield served
    for options in ((), ("--partition", "a"), ("--partition", "b")):
        assert served("limits", "clear", PULL, *options).exit_code == Exit.OK
    for each in json.loads(served("list", "--name", PULL, "--json").stdout):
        served("cancel", each["id"])
    eventually(lambda: not running(served), what="the works are over")


def submit(cli: Cli, source: str, count: int = 1) -> None:
    for _ in range(count):
        assert cli("submit", PULL, f"source={source}", "--no-wait").exit_code == Exit.OK


def running(cli: Cli) -> int:
    listed = json.loads(cli("list", "--name", PULL, "--state", "running", "--json").stdout)
    return len(listed)


def rows(cli: Cli) -> dict[str | None, dict[str, Any]]:
    return {row["partition"]: row for row in json.loads(cli("limits", PULL, "--json").stdout)}


def test_a_limit_is_shown_as_declared_and_in_use(pulled: Cli) -> None:
    submit(pulled, "a", 2)
    eventually(lambda: rows(pulled).get("a", {}).get("held") == 1, what="one is held")
    one = {"max_concurrent": 1, "rate": None}
    found = rows(pulled)
    assert found.keys() == {None, "a"}
    assert found["a"] == {
        "lane": "default",
        "name": PULL,
        "partition": "a",
        "declared": one,
        "set": None,
        "in_force": one,
        "running": 1,
        "held": 1,
    }
    assert (found[None]["running"], found[None]["held"]) == (1, 1)
    told = [line.split() for line in pulled("limits").stdout.splitlines()]
    assert told[0] == ["lane", "work", "type", "partition", "declared", "set", "in", "force", "running", "held"]
    assert ["default", PULL, "a", "1", "at", "once", "1", "at", "once", "1", "1"] in told


def test_what_is_set_holds_at_once_and_until_it_is_cleared(pulled: Cli) -> None:
    submit(pulled, "a", 3)
    eventually(lambda: rows(pulled).get("a", {}).get("held") == 2, what="two are held")
    said = pulled("limits", "set", PULL, "--max-concurrent", "2")
    set_at = time.monotonic()
    assert (said.exit_code, said.stdout) == (Exit.OK, "cli.pull  set: 2 at once in force, was 1 at once\n")
    eventually(lambda: running(pulled) == 2, what="another one runs")
    # The ledger releases it within a second; the rest is the worker's start of it and our look.
    assert time.monotonic() - set_at < 3
    assert (rows(pulled)["a"]["running"], rows(pulled)["a"]["held"]) == (2, 1)
    said = pulled("limits", "set", PULL, "--partition", "a", "--max-concurrent", "3")
    assert said.stdout == "cli.pull a  set: 3 at once in force, was 2 at once\n"
    eventually(lambda: running(pulled) == 3, what="all run")
    said = pulled("limits", "clear", PULL, "--partition", "a", "--json")
    assert json.loads(said.stdout) == {
        "lane": "default",
        "name": PULL,
        "partition": "a",
        "before": {"max_concurrent": 3, "rate": None},
        "in_force": {"max_concurrent": 2, "rate": None},
    }
    assert pulled("limits", "clear", PULL).stdout == "cli.pull  cleared: 1 at once in force, was 2 at once\n"
    again = "cli.pull  nothing was set: 1 at once in force, was 1 at once\n"
    assert pulled("limits", "clear", PULL).stdout == again


def test_of_the_two_the_one_not_given_stays(pulled: Cli) -> None:
    pulled("limits", "set", PULL, "--rate", "10/s")
    assert rows(pulled)[None]["in_force"] == {"max_concurrent": 1, "rate": "10/s"}
    pulled("limits", "set", PULL, "--partition", "b", "--max-concurrent", "none")
    assert rows(pulled)["b"]["in_force"] == {"max_concurrent": None, "rate": "10/s"}
    said = pulled("limits", "set", PULL, "--partition", "b", "--rate", "none")
    assert said.stdout == "cli.pull b  set: none in force, was 10/s\n"
    assert rows(pulled)[None]["in_force"] == {"max_concurrent": 1, "rate": "10/s"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("cli.pul",), Exit.UNKNOWN, "no work type is called 'cli.pul': did you mean 'cli.pull'?"),
        (("set", "zzz", "--rate", "1/s"), Exit.UNKNOWN, "no work type is called 'zzz': no worker has published it"),
        (("clear", "cli.pul"), Exit.UNKNOWN, "did you mean 'cli.pull'?"),
        (("set", PULL), Exit.USAGE, "nothing to set: give --max-concurrent, --rate or both"),
        (("set", PULL, "--max-concurrent", "0"), Exit.USAGE, "expected 1 or more, or none, got '0'"),
        (("set", PULL, "--max-concurrent", "-1"), Exit.USAGE, "expected 1 or more, or none, got '-1'"),
        (("set", PULL, "--max-concurrent", "many"), Exit.USAGE, "expected 1 or more, or none, got 'many'"),
        (("set", PULL, "--rate", "fast"), Exit.USAGE, "expected a rate such as '10/s', '100/m' or '5/10s', got 'fast'"),
        (("set", "cli.greet", "--partition", "x", "--rate", "1/s"), Exit.USAGE, "cli.greet has no partitions"),
        (("set", PULL, "--partition", "", "--rate", "1/s"), Exit.USAGE, "expected 1 to 200 printable characters"),
    ],
)
def test_what_cannot_be_is_said(served: Cli, arguments: tuple[str, ...], code: Exit, said: str) -> None:
    result = served("limits", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith("askfirst: error: ")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_where_there_are_none(cli: Cli, served: Cli) -> None:
    result = cli("limits")
    assert (result.exit_code, result.stdout, result.stderr) == (Exit.OK, "", "no limits\n")
    assert json.loads(cli("limits", "--json").stdout) == []
    assert served("limits", "cli.greet").stderr == "no limits\n"


def test_a_ledger_that_is_away() -> None:
    for arguments in (("limits",), ("limits", "set", PULL, "--rate", "1/s"), ("limits", "clear", PULL)):
        result = Cli("redis://127.0.0.1:1/0", "any")(*arguments)
        assert (result.exit_code, result.stdout) == (Exit.LEDGER, "")
        assert "cannot reach Redis" in result.stderr


def test_names_partitions_and_commands_are_completed(pulled: Cli) -> None:
    assert completed(pulled, "limits", "") == ["clear", "set", "show", *completed(pulled, "submit", "")]
    assert completed(pulled, "limits", "cli.p") == [PULL]
    assert completed(pulled, "limits", "show", "cli.p") == [PULL]
    assert completed(pulled, "limits", "set", "cli.p") == [PULL]
    pulled("limits", "set", PULL, "--partition", "a", "--rate", "1/s")
    assert completed(pulled, "limits", "clear", PULL, "--partition", "") == ["a"]
    assert completed(pulled, "limits", PULL, "--js") == ["--json"]
