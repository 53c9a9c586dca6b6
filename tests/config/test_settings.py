"""Where settings come from, which source wins, and what is said about wrong ones."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from askfirst.config import PoolSettings, Settings, SettingsError, explain_settings, load_settings


@pytest.fixture(autouse=True)
def _nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.upper().startswith("ASKFIRST_")]:
        monkeypatch.delenv(name)


def write_toml(text: str, path: str = "askfirst.toml") -> None:
    Path(path).write_text(text, encoding="utf-8")


def set_environment(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, text in variables.items():
        monkeypatch.setenv(name, text)


def test_everything_has_a_default() -> None:
    settings = load_settings()
    assert settings == Settings()
    assert settings.redis_url is None
    assert settings.broker_url is None
    assert settings.namespace == "askfirst"
    assert settings.imports == ()
    assert settings.max_payload == 256 * 1024
    assert set(settings.pools) == {"default"}
    assert settings.pools["default"].lanes == ("default",)
    assert settings.pools["default"].type == "prefork"
    assert settings.pools["default"].concurrency >= 1


def test_every_setting_is_documented() -> None:
    assert all(setting.doc for setting in explain_settings())


@pytest.mark.parametrize(
    ("xdg", "expected"),
    [
        ("/data", "/data/askfirst"),
        ("", "/home/me/.local/share/askfirst"),
        ("relative", "/home/me/.local/share/askfirst"),
    ],
)
def test_the_data_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch, xdg: str, expected: str) -> None:
    set_environment(monkeypatch, {"HOME": "/home/me", "XDG_DATA_HOME": xdg})
    assert load_settings().data_dir == Path(expected)


def test_a_stronger_source_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    write_toml('namespace = "file"\ngrace = "1s"\nlease = "20s"\n')
    set_environment(monkeypatch, {"ASKFIRST_NAMESPACE": "environment", "ASKFIRST_GRACE": "2s"})
    settings = load_settings(namespace="argument", retention=None)
    assert (settings.namespace, settings.grace, settings.lease, settings.retention) == ("argument", 2.0, 20.0, 3600.0)


def test_each_value_is_explained_with_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    write_toml('grace = "1s"\n[pools.io]\nlanes = ["a"]\ntype = "threads"\n')
    set_environment(
        monkeypatch,
        {
            "ASKFIRST_POOLS": '{"io": {"lanes": ["b", "c"]}}',
            "ASKFIRST_POOLS__IO__CONCURRENCY": "7",
            "ASKFIRST_LEASE": "9s",
        },
    )
    explained = {each.name: each for each in explain_settings(namespace="mine")}
    found = {name: (each.value, each.source) for name, each in explained.items() if each.source != "default"}
    assert found == {
        "namespace": ("mine", "argument"),
        "grace": (1.0, "askfirst.toml"),
        "lease": (9.0, "environment ASKFIRST_LEASE"),
        "pools.io.lanes": (["b", "c"], "environment ASKFIRST_POOLS"),
        "pools.io.concurrency": (7, "environment ASKFIRST_POOLS__IO__CONCURRENCY"),
        "pools.io.type": ("threads", "askfirst.toml"),
    }
    assert json.dumps([each.value for each in explained.values()])


def test_the_file_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_toml('namespace = "unread"')
    named = str(tmp_path / "other.toml")
    write_toml('namespace = "other"', named)
    monkeypatch.setenv("ASKFIRST_CONFIG", named)
    assert load_settings().namespace == "other"
    assert {each.source for each in explain_settings() if each.name == "namespace"} == {named}


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, {"ASKFIRST_REDIS_URL": "", "ASKFIRST_LEASE": "", "ASKFIRST_CONFIG": ""})
    assert load_settings() == Settings()


@pytest.mark.parametrize("text", ["one,two.three", " one , two.three,", '["one", "two.three"]'])
def test_imports_are_separated_by_commas_or_are_json(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("ASKFIRST_IMPORTS", text)
    assert load_settings().imports == ("one", "two.three")


def test_pools_of_several_sources_are_merged_field_by_field(monkeypatch: pytest.MonkeyPatch) -> None:
    write_toml('[pools.io]\nlanes = ["io", "slow"]\n')
    set_environment(monkeypatch, {"ASKFIRST_POOLS__IO__TYPE": "threads", "ASKFIRST_POOLS__CPU__LANES": "cpu"})
    pools = load_settings(pools={"io": PoolSettings(concurrency=20), "cpu": {"concurrency": 2}}).pools
    assert pools == {
        "io": PoolSettings(lanes=("io", "slow"), concurrency=20, type="threads"),
        "cpu": PoolSettings(lanes=("cpu",), concurrency=2),
    }


def test_limits_are_given_by_work_type_also_with_dots(monkeypatch: pytest.MonkeyPatch) -> None:
    write_toml('[limits."market.pull"]\nmax_concurrent = 3\n[lanes.io]\nmax_pending = 100\n')
    monkeypatch.setenv("ASKFIRST_LIMITS", '{"market.pull": {"rate": "10/s"}}')
    settings = load_settings()
    assert settings.limits["market.pull"].max_concurrent == 3
    assert str(settings.limits["market.pull"].rate) == "10/s"
    assert settings.lanes["io"].max_pending == 100


def test_parts_of_tables_are_given_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKFIRST_LANES__IO__MAX_PENDING", "7")
    monkeypatch.setenv("ASKFIRST_LIMITS__pull__RATE", "10/s")
    settings = load_settings()
    assert settings.lanes["io"].max_pending == 7
    assert str(settings.limits["pull"].rate) == "10/s"


def test_broken_json_is_told_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKFIRST_LIMITS", "{'a': 1}")
    with pytest.raises(SettingsError, match="expected ASKFIRST_LIMITS to be a JSON object, got broken JSON"):
        load_settings()


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().namespace = "other"  # type: ignore[misc]  # the point of the test


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"lease": 0.1}, "expected lease to be greater than or equal to 1, got 0.1"),
        (
            {"lease": True},
            "expected lease to be a duration in seconds or such as '500ms', '30s', '5m', '1h', '2d', got True",
        ),
        (
            {"max_payload": "1.5MB"},
            "expected max_payload to be a size in bytes or such as '256KiB', '1MiB', '10MB', got '1.5MB'",
        ),
        ({"max_deliveries": "often"}, "expected max_deliveries to be a valid integer, got 'often'"),
        ({"max_deliveries": True}, "expected max_deliveries to be a whole number, got True"),
        ({"flower_port": True}, "expected flower_port to be a whole number, got True"),
        ({"pulse_timeout": 11}, "expected pulse_timeout to be less than or equal to 10, got 11.0"),
        ({"pools": {}}, "expected pools to be at least one pool, got none"),
        ({"pools": {"io": {"type": "green"}}}, "expected pools.io.type to be 'prefork' or 'threads', got 'green'"),
        ({"pools": {"io": {"lanes": "a,a"}}}, "expected pools.io.lanes to be one or more different lanes, got a, a"),
        ({"namespace": "a b"}, "expected namespace to be 1 to 64 letters, digits, '_' or '-', got 'a b'"),
        ({"imports": "a-b"}, "expected imports.0 to be a module's dotted name, got 'a-b'"),
        ({"prefetch": -1}, "expected prefetch to be greater than or equal to 0, got -1"),
        (
            {"limits": {"t": {"rate": "often"}}},
            "expected limits.t.rate to be a rate such as '10/s', '100/m' or '5/10s', got 'often'",
        ),
        (
            {"limits": {"t": {"max_concurrent": 0}}},
            "expected limits.t.max_concurrent to be greater than or equal to 1, got 0",
        ),
        (
            {"lanes": {"io": {"max_pending": 0}}},
            "expected lanes.io.max_pending to be greater than or equal to 1, got 0",
        ),
        (
            {"data_dir": "~no_such_user/x"},
            "expected data_dir to be a folder in a home that is known, got '~no_such_user/x'",
        ),
        ({"imports": "[1"}, "expected imports to be names separated by commas or a JSON list of them, got '[1'"),
    ],
)
def test_a_wrong_argument_is_named_with_what_was_expected(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(**arguments)
    assert str(caught.value) == f"{said} (argument)"


def test_an_unknown_argument_is_told_its_nearest_name() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(redis_ulr="x", pools={"io": {"lane": "x"}})
    assert sorted(str(caught.value).splitlines()) == [
        "unknown setting 'pools.io.lane' (argument): did you mean pools.io.lanes?",
        "unknown setting 'redis_ulr' (argument): did you mean redis_url?",
    ]


def test_every_wrong_setting_has_its_line() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(pulse_interval=4, grace=-1)
    assert str(caught.value).splitlines() == [
        "expected pulse_timeout to be more than twice pulse_interval (4 s), got 6 (default)",
        "expected grace to be greater than or equal to 0, got -1.0 (argument)",
    ]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("ASKFIRST_REDIS_ULR", "x", "unknown setting 'redis_ulr' (…): did you mean ASKFIRST_REDIS_URL?"),
        ("ASKFIRST_LEASE__X", "1", "unknown setting 'lease__x' (…): did you mean ASKFIRST_LEASE?"),
        (
            "ASKFIRST_POOLS__IO__LANE",
            "a",
            "unknown setting 'pools.io.lane' (…): did you mean ASKFIRST_POOLS__IO__LANES?",
        ),
        ("ASKFIRST_LEASE", "-3", "expected lease to be greater than or equal to 1, got -3.0 (…)"),
        ("ASKFIRST_POOLS", "[1]", "expected pools to be a valid dictionary, got [1] (…)"),
        ("ASKFIRST_POOLS", "{1", "expected ASKFIRST_POOLS to be a JSON object, got broken JSON: "),
        (
            "ASKFIRST_CONFIG",
            "nowhere.toml",
            "expected ASKFIRST_CONFIG to be the path of a file, got 'nowhere.toml': no such file",
        ),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, text: str, said: str) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith(said.replace("(…)", f"(environment {name})"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("leese = 3", "unknown setting 'leese' (…): did you mean lease?"),
        ("[lanes.io]\nmax_pendin = 3", "unknown setting 'lanes.io.max_pendin' (…): did you mean lanes.io.max_pending?"),
        ("unheard_of = 3", "unknown setting 'unheard_of' (…): askfirst config shows all there are"),
        ("[pools.io]\nconcurrency = 0", "expected pools.io.concurrency to be greater than or equal to 1, got 0 (…)"),
        ("lease =", "expected askfirst.toml to be a readable TOML file, got: "),
        pytest.param(f"lease = {10**400}", "expected lease to be a duration in seconds", id="400 digits"),
        pytest.param(f"lease = {'9' * 5000}", "expected askfirst.toml to be a readable", id="5000 digits"),
    ],
)
def test_a_wrong_file_is_named(text: str, said: str) -> None:
    write_toml(text)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith(said.replace("(…)", "(askfirst.toml)"))


def test_no_password_is_shown_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKFIRST_BROKER_URL", "amqp://user:hush@host//")
    settings = load_settings(redis_url="redis://user:hush@host/0")
    assert settings.redis_url == "redis://user:hush@host/0"
    shown = [
        repr(settings),
        str(settings),
        repr(settings.redis_url),
        repr(explain_settings(redis_url=settings.redis_url)),
    ]
    with pytest.raises(SettingsError) as refused:
        load_settings(redis_url="http://user:hush@host/0")
    with pytest.raises(ValueError, match="redis_url") as refused_by_pydantic:
        Settings(redis_url="http://user:hush@host/0")
    shown += [str(refused.value), repr(refused.value), str(refused_by_pydantic.value), repr(refused_by_pydantic.value)]
    assert not [text for text in shown if "hush" in text]
    assert "user:***@host" in shown[0]
