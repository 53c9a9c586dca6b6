"""Every error ends in one line and a code that means something."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import askfirst
from askfirst.cli import main
from askfirst.cli.exits import MEANINGS, CommandError, CommandLine, Exit, describe, exit_code

ERRORS = {
    askfirst.WorkFailed("ValueError", "boom"): Exit.FAILED,
    askfirst.WorkLost("WorkerLost", "died"): Exit.FAILED,
    askfirst.WorkCancelled("cancelled"): Exit.FAILED,
    askfirst.InvalidPayload("wrong"): Exit.USAGE,
    askfirst.InvalidWork("wrong"): Exit.USAGE,
    askfirst.SettingsError("wrong"): Exit.USAGE,
    askfirst.LedgerUnavailable("away"): Exit.LEDGER,
    askfirst.UnknownWork("unknown"): Exit.UNKNOWN,
    askfirst.WorkTimeout("late"): Exit.TIMEOUT,
    askfirst.WorkRejected("full"): Exit.REFUSED,
    askfirst.DuplicateWork("taken"): Exit.REFUSED,
    click.UsageError("wrong"): Exit.USAGE,
    CommandError("no", Exit.FAILED): Exit.FAILED,
    KeyError("a bug"): Exit.BUG,
}


def failing(error: BaseException) -> CommandLine:
    @click.group("askfirst", cls=CommandLine)
    @click.option("--debug", is_flag=True)
    def group(debug: bool) -> None:
        pass

    @group.command()
    def fail() -> None:
        raise error

    return group


@pytest.mark.parametrize(("error", "code"), ERRORS.items(), ids=lambda value: type(value).__name__)
def test_each_error_has_its_code_and_one_line(error: Exception, code: Exit) -> None:
    result = CliRunner().invoke(failing(error), ["fail"])
    assert result.exit_code == exit_code(error) == code
    assert result.stdout == ""
    assert result.stderr.startswith("askfirst: error: ")
    assert result.stderr.count("\n") == 1


def test_every_error_of_the_contract_has_a_code() -> None:
    root = askfirst.WorkError
    named = [getattr(askfirst, name) for name in askfirst.__all__]
    errors = [each for each in named if isinstance(each, type) and issubclass(each, root) and each is not root]
    assert {type(error) for error in ERRORS} >= set(errors)


def test_only_debug_shows_where_it_happened() -> None:
    error = askfirst.WorkFailed("ValueError", "boom", "the traceback in the worker")
    assert "Traceback" not in CliRunner().invoke(failing(error), ["fail"]).stderr
    debugged = CliRunner().invoke(failing(error), ["--debug", "fail"]).stderr
    assert "Traceback" in debugged
    assert "the traceback in the worker" in debugged
    assert debugged.endswith("askfirst: error: the work failed: ValueError: boom\n")


def test_ctrl_c_is_130_without_a_word() -> None:
    result = CliRunner().invoke(failing(KeyboardInterrupt()), ["fail"])
    assert (result.exit_code, result.output.strip()) == (Exit.INTERRUPTED, "")


def test_several_lines_become_one_that_a_terminal_takes_for_text() -> None:
    assert describe(askfirst.SettingsError("one\ntwo\x1b[31m")) == "one; two\\x1b[31m"


def test_the_help_tells_every_code() -> None:
    text = CliRunner().invoke(main, ["--help"]).stdout
    assert set(MEANINGS) == set(Exit)
    for code, meaning in MEANINGS.items():
        assert f"{code.value:>3}  {meaning}" in text


def test_wrong_usage_says_where_to_look() -> None:
    result = CliRunner().invoke(main, ["list", "--nonsense"])
    assert result.exit_code == Exit.USAGE
    assert result.stderr == "askfirst: error: No such option '--nonsense' (see askfirst list --help)\n"


INTERRUPTED = """
import click
from askfirst.cli.exits import CommandLine

@click.command()
def stop():
    exec("raise KeyboardInterrupt")

CommandLine("askfirst", {"stop": stop}).main()
"""


def test_ctrl_c_has_its_code_wherever_it_comes(tmp_path: Path) -> None:
    """Also in a text that is executed, after which CPython itself would have the process die by SIGINT."""
    (tmp_path / "interrupted.py").write_text(INTERRUPTED)
    ended = subprocess.run([sys.executable, "-m", "interrupted", "stop"], cwd=tmp_path, check=False)
    assert ended.returncode == Exit.INTERRUPTED
