"""`askfirst config` says what holds and where it comes from."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from askfirst.cli import main
from askfirst.cli.exits import Exit


def config(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments])


def test_each_setting_with_its_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "other.toml"
    file.write_text('namespace = "file"\nlease = 5\n[pools.io]\nlanes = ["a", "b"]\n')
    monkeypatch.setenv("ASKFIRST_LEASE", "7")
    told = config("--config", str(file), "--redis-url", "redis://user:hush@host/1", "config", "--json")
    settings = {each["name"]: each for each in json.loads(told.stdout)}
    assert (settings["namespace"]["value"], settings["namespace"]["source"]) == ("file", str(file))
    assert (settings["lease"]["value"], settings["lease"]["source"]) == (7, "environment ASKFIRST_LEASE")
    assert settings["redis_url"]["value"] == "redis://user:***@host/1"
    assert settings["redis_url"]["source"] == "argument"
    assert settings["grace"]["source"] == "default"
    assert all(each["doc"] for each in settings.values())


def test_people_get_a_table_without_passwords(tmp_path: Path) -> None:
    told = config("--redis-url", "redis://user:hush@host/1", "config")
    assert "redis://user:***@host/1" in told.stdout
    assert "hush" not in told.stdout
    assert "pools.default.lanes" in told.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--config", "no/such/file", "config"], "Invalid value for '--config': File 'no/such/file' does not exist"),
        (["--redis-url", "http://host", "config"], "expected redis_url to be a Redis URL"),
        (["--namespace", "a b", "list"], "expected namespace to be 1 to 64 letters"),
    ],
)
def test_wrong_settings_are_one_line(arguments: list[str], said: str) -> None:
    result = config(*arguments)
    assert result.exit_code == Exit.USAGE
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
