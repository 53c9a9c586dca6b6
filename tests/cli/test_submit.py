"""`askfirst submit`, on a real worker."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from askfirst.cli.exits import Exit
from tests.cli.commands import Cli
from tests.support.eventually import eventually

Register = Callable[["subprocess.Popen[str]"], "subprocess.Popen[str]"]


def status(cli: Cli, id_or_key: str) -> Any:
    result = cli("status", id_or_key, "--json")
    return json.loads(result.stdout) if result.exit_code == Exit.OK else None


def test_it_prints_the_result(served: Cli) -> None:
    result = served("submit", "cli.greet", "who=you", "times=2", "day=2026-01-02")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "hello you hello you on 02 January\n", "")


@pytest.mark.parametrize(("closed", "printed"), [("2>&-", "hello you\n"), (">&-", "")])
def test_a_closed_stream_is_no_reason_to_fail(served: Cli, closed: str, printed: str) -> None:
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "askfirst", *served.options]
    command += ["submit", "cli.greet", "who=you"]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, printed)


def test_it_prints_the_result_as_json(served: Cli) -> None:
    result = served("submit", "cli.echo", "number=1.5", "flags=[true, false]", "--json")
    assert json.loads(result.stdout) == {"number": 1.5, "flags": [True, False]}


def test_the_payload_may_come_from_stdin(served: Cli) -> None:
    result = served("submit", "cli.greet", "who=top", "--json-payload", "-", input='{"who": "below", "times": 1}')
    assert result.stdout == "hello top\n"


def test_not_waiting_prints_the_id_and_leaves_the_work_alone(served: Cli) -> None:
    result = served("submit", "cli.linger", "done=1", "total=2", "--no-wait", "--key", "left-alone")
    assert status(served, "left-alone")["id"] == result.stdout.strip()
    told = served("submit", "cli.linger", "done=1", "total=2", "--no-wait", "--key", "left-alone", "--json")
    assert json.loads(told.stdout) == {"id": result.stdout.strip(), "key": "left-alone", "name": "cli.linger"}
    assert served("cancel", "left-alone").exit_code == Exit.OK


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["cli.fail", "text=boom"], Exit.FAILED, "the work failed: ValueError: boom"),
        (["cli.greet", "times=many", "more=1"], Exit.USAGE, "'who' is a required property"),
        (["cli.greet", "who=you", "--timeout", "0"], Exit.USAGE, "expected timeout to be more than 0"),
        (["cli.greet", "who=you", "timeout=5"], Exit.USAGE, "'timeout' is no field but an option: --timeout"),
        (["cli.greet", "who=you", "detached:=true"], Exit.USAGE, "'detached' is no field but an option: --detached"),
        (["cli.greet", "who=you", "wait_for_room:=true"], Exit.USAGE, "'wait_for_room' is no field but an option of "),
        (["\udcff"], Exit.UNKNOWN, "no work type is called '\\udcff'"),
        (["cli.great", "who=you"], Exit.UNKNOWN, "no work type is called 'cli.great': did you mean 'cli.greet'?"),
        (["cli.linger", "done=1", "total=2", "--timeout", "300ms"], Exit.TIMEOUT, "deadline"),
        (["cli.greet", "--import", "no_such_module"], Exit.USAGE, "cannot import 'no_such_module': ModuleNotFound"),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_code(served: Cli, arguments: list[str], code: Exit, said: str) -> None:
    result = served("submit", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_duplicate_is_refused(served: Cli) -> None:
    first = served("submit", "cli.linger", "done=1", "total=2", "--no-wait", "--key", "taken")
    options = ["--key", "taken", "--on-duplicate", "reject", "--no-wait"]
    second = served("submit", "cli.linger", "done=1", "total=2", *options)
    assert second.exit_code == Exit.REFUSED
    assert first.stdout.strip() in second.stderr
    assert served("cancel", "taken").exit_code == Exit.OK


def test_without_a_ledger_it_says_so() -> None:
    result = Cli("redis://user:hush@127.0.0.1:1/0", "any")("submit", "cli.greet", "who=you")
    assert result.exit_code == Exit.LEDGER
    assert "cannot reach Redis at redis://user:***@127.0.0.1:1/0" in result.stderr
    assert result.stderr.count("\n") == 1


def test_ctrl_c_withdraws_and_a_watcher_keeps_nothing_alive(served: Cli, ended: Register) -> None:
    terminal, stderr = pty.openpty()
    command = ["submit", "cli.linger", "done=1", "total=4", "--key", "unwanted"]
    submitting = ended(served.start(*command, stderr=stderr))
    os.close(stderr)
    eventually(lambda: (status(served, "unwanted") or {}).get("progress"), within=20, what="the work runs")
    watching = ended(served.start("watch", "unwanted", "--json"))
    assert watching.stdout
    first = json.loads(watching.stdout.readline())
    assert (first["state"], first["callers"]) == ("RUNNING", 1)
    shown = b""
    while b"1/4 (25%) lingering\\x1b[31m" not in shown:  # at the work's deadline the terminal closes
        shown += os.read(terminal, 4096)
    submitting.send_signal(signal.SIGINT)
    assert submitting.wait(10) == Exit.INTERRUPTED
    os.close(terminal)
    rest, _ = watching.communicate(timeout=10)
    assert watching.returncode == Exit.FAILED
    last = json.loads(rest.splitlines()[-1])
    assert (last["state"], last["reason"]) == ("CANCELLED", "withdrawn by its callers")


def test_ctrl_c_leaves_a_detached_work_alone(served: Cli, ended: Register) -> None:
    command = ["submit", "cli.linger", "done=1", "total=4", "--key", "detached", "--detached"]
    submitting = ended(served.start(*command))
    eventually(lambda: (status(served, "detached") or {}).get("progress"), within=20, what="the work runs")
    submitting.send_signal(signal.SIGINT)
    said, _ = submitting.communicate(timeout=10)
    assert submitting.returncode == Exit.INTERRUPTED
    found = status(served, "detached")
    assert f"{found['id']} goes on: see `askfirst watch {found['id']}`" in said
    assert found["state"] == "RUNNING"
    assert served("cancel", "detached").exit_code == Exit.OK
