"""Tab completion knows the fleet, and is silent without it."""

from pathlib import Path

import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from askfirst.cli import main
from tests.cli.commands import Cli


def completed(cli: Cli | None, *words: str) -> list[str]:
    options = cli.options if cli else []
    completer = BashComplete(main, {}, "askfirst", "_ASKFIRST_COMPLETE")
    return [item.value for item in completer.get_completions([*options, *words[:-1]], words[-1])]


def test_commands() -> None:
    assert completed(None, "sta") == ["status"]
    assert completed(None, "list", "--state", "pen") == ["pending"]


def test_published_work_types(served: Cli) -> None:
    assert completed(served, "submit", "cli.") == ["cli.echo", "cli.fail", "cli.greet", "cli.linger", "cli.pull"]


def test_recent_ids_and_keys(served: Cli) -> None:
    served("submit", "cli.greet", "who=you", "--key", "greeting")
    for command in ("status", "watch", "cancel"):
        assert completed(served, command, "greet") == ["greeting"]
    assert served("status", completed(served, "status", "default.")[0]).exit_code == 0


def test_nothing_is_offered_that_a_shell_would_act_upon(unserved: Cli) -> None:
    for key in ("odd-one", "odd$(touch owned)", "odd`two`", "odd three"):
        unserved("submit", "cli.greet", "who=you", "--no-wait", "--key", key)
    assert completed(unserved, "status", "odd") == ["odd-one"]


def test_pools_and_lanes(served: Cli, tmp_path: Path) -> None:
    (tmp_path / "askfirst.toml").write_text('[pools.io]\nlanes = ["slow", "slower"]\n[pools.cpu]\n')
    assert sorted(completed(served, "worker", "--pool", "")) == ["cpu", "io"]
    assert completed(served, "worker", "--lanes", "default,slow") == ["default,slow", "default,slower"]


@pytest.mark.parametrize("words", [("submit", ""), ("status", ""), ("list", "--lane", "x")])
def test_silence_without_a_ledger(words: tuple[str, ...], tmp_path: Path) -> None:
    assert completed(Cli("redis://127.0.0.1:1/0", "any"), *words) == []
    assert completed(Cli("http://nonsense", "any"), *words) == []


def test_no_server_is_started_for_it(tmp_path: Path) -> None:
    assert completed(None, "--data-dir", str(tmp_path / "data"), "submit", "") == []
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert f"_ASKFIRST_COMPLETE={shell}_complete" in result.stdout
