"""Secrets are set like any other setting, and shown nowhere."""

import json
from pathlib import Path

import pytest

from askfirst.config import Settings, SettingsError, explain_settings, load_settings

SECRET = "a-secret-of-28-characters-or"
OTHER = "another,with a comma, of more"


@pytest.fixture(autouse=True)
def nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def secrets(settings: Settings) -> list[str]:
    return [key.get_secret_value() for key in settings.signing_key]


def test_a_key_is_one_text_or_a_list(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert secrets(load_settings()) == []
    assert secrets(load_settings(signing_key=OTHER)) == [OTHER]
    assert secrets(load_settings(signing_key=[SECRET, OTHER])) == [SECRET, OTHER]
    monkeypatch.setenv("ASKFIRST_SIGNING_KEY", OTHER)
    assert secrets(load_settings()) == [OTHER]
    monkeypatch.setenv("ASKFIRST_SIGNING_KEY", json.dumps([SECRET, OTHER]))
    assert secrets(load_settings()) == [SECRET, OTHER]
    monkeypatch.delenv("ASKFIRST_SIGNING_KEY")
    (tmp_path / "askfirst.toml").write_text(f'signing_key = ["{SECRET}"]\n')
    assert secrets(load_settings()) == [SECRET]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("short-secret", "to be at least 16 characters, got fewer (environment ASKFIRST_SIGNING_KEY)"),
        ('["short-secret"', "expected signing_key to be a text or a JSON list of texts, got broken JSON"),
        ('["short-secret"]', "expected signing_key to be at least 16 characters, got fewer"),
        ('[{"x": "short-secret"}]', "expected signing_key to be a text or a list of texts, got list"),
    ],
)
def test_a_wrong_key_is_told_and_not_shown(monkeypatch: pytest.MonkeyPatch, given: str, said: str) -> None:
    monkeypatch.setenv("ASKFIRST_SIGNING_KEY", given)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert said in str(caught.value)
    assert "short-secret" not in str(caught.value) + repr(caught.value)
    assert caught.value.__cause__ is None


def test_no_text_of_the_settings_shows_a_secret() -> None:
    settings = load_settings(
        signing_key=[SECRET], redis_url="redis://u:hushhush@h/0", broker_url="amqp://u:hushhush@h//"
    )
    shown = [repr(settings), str(settings), f"{settings!r:>1}", settings.model_dump_json(include={"signing_key"})]
    shown += [repr(each) for each in explain_settings(signing_key=[SECRET], redis_url="redis://u:hushhush@h/0")]
    assert not [text for text in shown if SECRET in text or "hushhush" in text]
    assert any("'***'" in text for text in shown), "that there is one is said"


def test_other_wrong_settings_beside_a_secret_do_not_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASKFIRST_SIGNING_KEYS", SECRET)
    monkeypatch.setenv("ASKFIRST_LEASE", "never")
    with pytest.raises(SettingsError, match="did you mean ASKFIRST_SIGNING_KEY") as caught:
        load_settings(redis_url="redis://:hushhush@h:port/0")
    assert SECRET not in str(caught.value)
    assert "hushhush" not in str(caught.value)


def test_tokens_of_the_gateway_are_read_one_by_one_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "askfirst.toml").write_text(f'[gateway_tokens]\nalice = "{SECRET}"\n')
    monkeypatch.setenv("ASKFIRST_GATEWAY_TOKENS__BOB", OTHER)
    tokens = load_settings().gateway_tokens
    assert {owner: token.get_secret_value() for owner, token in tokens.items()} == {"alice": SECRET, "bob": OTHER}
    explained = [each for each in explain_settings() if each.name.startswith("gateway_tokens")]
    assert [each.value for each in explained] == ["***", "***"]
    with pytest.raises(SettingsError) as caught:
        load_settings(gateway_tokens={"carol": "hushhush"})
    assert "expected gateway_tokens.carol to be at least 16 characters, got fewer" in str(caught.value)
    assert "hushhush" not in str(caught.value)
