"""What docker-compose.yml promises, as far as it can be read from it: no engine needed."""

import re
import tomllib
from typing import Any

import pytest
import yaml

from askfirst.config import Settings
from askfirst.config.units import seconds

from .engine import ROOT, base_images, default_of

TEXT = (ROOT / "docker-compose.yml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
LASTING = ("redis", "worker", "flower")
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::([?-])([^}]*))?\}")


def command_of(service: str) -> str:
    return default_of(" ".join(SERVICES[service]["command"]))


def test_every_image_has_a_tag_and_none_is_latest() -> None:
    images = [*base_images(), *(default_of(service["image"]) for service in SERVICES.values())]
    assert [image for image in images if not re.fullmatch(r"[a-z/]+:[0-9][a-z0-9.-]*", image)] == []


@pytest.mark.parametrize("service", LASTING)
def test_every_service_that_lasts_is_checked_and_started_again(service: str) -> None:
    assert SERVICES[service]["healthcheck"].keys() >= {"test", "interval", "timeout", "retries", "start_period"}
    assert SERVICES[service]["restart"] == "unless-stopped"


@pytest.mark.parametrize("service", LASTING)
def test_checks_are_texts(service: str) -> None:
    # podman-compose 1.0 spoils a list that several containers share, and quotes the words of any other wrongly.
    assert isinstance(SERVICES[service]["healthcheck"]["test"], str)


def test_nothing_starts_before_what_it_needs_is_healthy() -> None:
    needs = {name: service["depends_on"] for name, service in SERVICES.items() if "depends_on" in service}
    healthy = {"condition": "service_healthy"}
    assert needs == {"worker": {"redis": healthy}, "flower": {"redis": healthy}, "client": {"worker": healthy}}


def test_redis_writes_a_log_and_evicts_nothing() -> None:
    command = command_of("redis")
    for option in ("--appendonly yes", "--appendfsync everysec", "--maxmemory-policy noeviction", "--dir /data"):
        assert option in command
    assert SERVICES["redis"]["volumes"] == ["redis:/data"]


def test_secrets_are_demanded_and_have_no_defaults() -> None:
    modes = {name: mode for name, mode, _ in VARIABLE.findall(TEXT) if "PASSWORD" in name or "AUTH" in name}
    assert modes == {"REDIS_PASSWORD": "?", "FLOWER_BASIC_AUTH": "?"}
    assert '--requirepass "$${REDIS_PASSWORD:?is empty}"' in command_of("redis")
    assert "$${FLOWER_BASIC_AUTH:?is empty}" in command_of("flower")
    assert "FLOWER_BASIC_AUTH" in SERVICES["flower"]["environment"]


def test_only_flower_can_be_reached_and_only_from_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"flower": ["127.0.0.1:${FLOWER_PORT:-5555}:5555"]}


def test_nothing_runs_as_root_or_writes_into_its_image() -> None:
    for service in SERVICES.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
    assert SERVICES["redis"]["user"] == "redis"
    assert re.findall(r"^USER (.+)$", (ROOT / "deploy/Dockerfile").read_text(), re.MULTILINE) == ["10001"]


def test_a_worker_has_time_to_drain_and_to_put_back() -> None:
    worker = SERVICES["worker"]
    drain, grace = (seconds(default_of(worker["environment"][f"ASKFIRST_{name}"])) for name in ("DRAIN", "GRACE"))
    assert (drain, grace) == (Settings().drain, Settings().grace)
    assert seconds(default_of(worker["stop_grace_period"])) >= drain + grace + 5


def test_the_containers_get_settings_that_exist() -> None:
    for service in SERVICES.values():
        for name in service.get("environment", {}):
            if name.startswith("ASKFIRST_"):
                assert name.removeprefix("ASKFIRST_").split("__")[0].lower() in Settings.model_fields


def test_variables_of_the_compose_file_alone_are_no_unknown_settings() -> None:
    # Exported in a shell, for example by `set -a; . .env`, they must not stop the command line there.
    for name, _, _ in VARIABLE.findall(TEXT):
        if name.startswith("ASKFIRST_"):
            assert name.removeprefix("ASKFIRST_").lower() in Settings.model_fields


def test_the_example_env_names_every_variable_with_its_default() -> None:
    example = (ROOT / ".env.example").read_text()
    listed = dict(re.findall(r"^#? ?([A-Z_]+)=(.*)$", example, re.MULTILINE))
    used = {name: default if mode == "-" else "" for name, mode, default in VARIABLE.findall(TEXT)}
    assert listed == used


def test_the_image_is_made_of_every_room() -> None:
    rooms = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"].values()
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {room.split("/")[0] for room in rooms} | {"askfirst", "deploy"} <= sent


@pytest.mark.parametrize("service", ["worker", "flower", "client"])
def test_who_runs_askfirst_gets_the_signing_key(service: str) -> None:
    assert SERVICES[service]["environment"]["ASKFIRST_SIGNING_KEY"] == "${ASKFIRST_SIGNING_KEY:-}"


def test_an_image_on_top_of_ours_follows_the_tag() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text().partition("## Your own works")[2].partition("## Scale")[0]
    assert re.findall(r"^FROM (.*)$", page, re.MULTILINE) == ["askfirst:${IMAGE_TAG}"]
    assert 'args: {IMAGE_TAG: "${IMAGE_TAG:-0.1.0}"}' in page
