"""`status`, `list`, `watch`, `cancel` and `cleanup`."""

import json
import re

import pytest

import askfirst
from askfirst.cli import watch
from askfirst.cli.exits import Exit
from tests.cli.commands import Cli

DETACHED = ("submit", "cli.linger", "done=3", "total=4", "--no-wait")


def test_a_running_work_is_told_to_people_and_programs(served: Cli) -> None:
    id = served(*DETACHED, "--key", "seen").stdout.strip()
    for asked in (id, "seen"):
        found = json.loads(served("status", asked, "--json").stdout)
        assert (found["id"], found["key"], found["name"], found["lane"]) == (id, "seen", "cli.linger", "default")
    told = served("status", "seen").stdout
    for part in (id, "seen", "cli.linger", "submitted"):
        assert part in told
    assert re.search(r"deadline +in (59 s|1 min) ", told)
    rows = served("list", "--name", "cli.linger").stdout.splitlines()
    assert rows[0].split()[:2] == ["id", "work"]
    assert rows[1].startswith(id)  # newest first
    assert served("cancel", "seen").exit_code == Exit.OK


def test_a_failed_work_shows_where_it_failed(served: Cli) -> None:
    served("submit", "cli.fail", "text=boom\x1b[31m", "--key", "failed")
    told = served("status", "failed").stdout
    assert "ValueError: boom\\x1b[31m" in told
    assert "Traceback (most recent call last)" in told
    assert "\x1b" not in told


def test_list_is_filtered_and_bounded(served: Cli) -> None:
    for who in ("one", "two"):
        served("submit", "cli.greet", f"who={who}", "--key", who)
    listed = json.loads(served("list", "--state", "completed", "--name", "cli.greet", "--json").stdout)
    assert [each["key"] for each in listed[:2]] == ["two", "one"]
    assert {each["state"] for each in listed} == {"COMPLETED"}
    limited = json.loads(served("list", "--limit", "1", "--lane", "default", "--json").stdout)
    assert [each["key"] for each in limited] == ["two"]
    assert json.loads(served("list", "--lane", "no-such-lane", "--json").stdout) == []


def test_an_empty_list_is_no_error(cli: Cli) -> None:
    result = cli("list")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no works\n")


def test_unknown_works_have_their_code(cli: Cli) -> None:
    for command in ("status", "watch", "cancel"):
        result = cli(command, "nobody")
        assert (result.exit_code, result.stdout) == (Exit.UNKNOWN, "")
        assert result.stderr == "askfirst: error: no work of the id or key 'nobody' is known\n"


def test_cancel_tells_what_was(served: Cli) -> None:
    served(*DETACHED, "--key", "to-cancel")
    told = served("cancel", "to-cancel", "nobody", "--json")
    assert told.exit_code == Exit.UNKNOWN
    known, unknown = json.loads(told.stdout)
    assert known["cancelled"] is True
    assert unknown == {"asked": "nobody", "id": None, "was": None, "cancelled": False}
    assert served("watch", "to-cancel").stdout.splitlines()[-1].startswith("CANCELLED (cancelled by an operator)")
    again = served("cancel", "to-cancel")
    assert again.exit_code == Exit.OK
    assert again.stdout.endswith("was CANCELLED: had ended already\n")


def test_watch_ends_as_the_work_did(served: Cli) -> None:
    served("submit", "cli.greet", "who=you", "--key", "watched")
    result = served("watch", "watched")
    assert result.exit_code == Exit.OK
    assert result.stdout.startswith("COMPLETED after ")
    served("submit", "cli.fail", "text=boom", "--key", "watched-too")
    result = served("watch", "watched-too")
    assert result.exit_code == Exit.FAILED
    assert result.stdout.endswith(": ValueError: boom\n")
    served(*DETACHED, "--key", "watched-late", "--timeout", "300ms")
    assert served("watch", "watched-late").exit_code == Exit.TIMEOUT


def test_watch_does_not_wait_for_ever_where_no_worker_is(unserved: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKFIRST_GRACE", "0")
    monkeypatch.setenv("ASKFIRST_LEASE", "1")
    unserved("submit", "cli.greet", "who=you", "--no-wait", "--key", "waits", "--timeout", "100ms")
    result = unserved("watch", "waits")
    assert (result.exit_code, result.stdout) == (Exit.TIMEOUT, "PENDING\n")
    assert "past its deadline: no worker looks after its lane" in result.stderr


def test_watch_sits_out_a_short_outage(served: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    served(*DETACHED, "--key", "watched-on", "--timeout", "1s")
    real_status, looks = askfirst.status, iter(range(9))

    def status(id_or_key: str) -> askfirst.WorkStatus | None:
        if next(looks) in (1, 2):
            raise askfirst.LedgerUnavailable("away")
        return real_status(id_or_key)

    monkeypatch.setattr(askfirst, "status", status)
    assert served("watch", "watched-on").exit_code == Exit.TIMEOUT
    assert served("status", "watched-on").exit_code == Exit.OK
    monkeypatch.setattr(watch, "_OUTAGE", 0.0)
    served(*DETACHED, "--key", "watched-off", "--timeout", "1s")
    looks = iter(range(9))
    assert served("watch", "watched-off").exit_code == Exit.LEDGER


def test_cleanup_removes_what_is_old_enough(served: Cli) -> None:
    served("submit", "cli.greet", "who=you", "--key", "old")
    assert json.loads(served("cleanup", "--older-than", "1h", "--json").stdout) == {"removed": 0}
    assert served("status", "old").exit_code == Exit.OK
    assert served("cleanup").stdout.endswith(" removed\n")
    assert served("status", "old").exit_code == Exit.UNKNOWN
    assert served("cleanup", "--older-than", "ages").exit_code == Exit.USAGE
    assert served("cleanup", "--older-than", "-1").exit_code == Exit.USAGE
