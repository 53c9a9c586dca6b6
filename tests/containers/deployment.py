"""The deployment of docker-compose.yml, run from a copy of what is in the repository."""

import json
import os
import secrets
import shutil
import time
from pathlib import Path
from typing import Any

from tests.support.servers import free_port

from .engine import ROOT, Engine, execute

SERVICES = ("redis", "worker", "flower")
DRAIN = 3
"""Seconds; no test can wait for the default."""


class Deployment:
    """A compose project of its own, with secrets of its own."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder / "askfirst"
        self.project = f"askfirst-test-{secrets.token_hex(4)}"
        self.redis_password = secrets.token_hex(16)
        self.flower_login = f"operator:{secrets.token_hex(16)}"
        self.flower_port = free_port()
        _copy_sources(self.folder)
        (self.folder / ".env").write_text(
            f"REDIS_PASSWORD={self.redis_password}\n"
            f"FLOWER_BASIC_AUTH={self.flower_login}\n"
            f"FLOWER_PORT={self.flower_port}\n"
            f"ASKFIRST_DRAIN={DRAIN}\n"
            "IMAGE_TAG=test\n"
        )

    def compose(self, *arguments: str, timeout: float = 60.0) -> str:
        """Runs a command of compose; what it printed."""
        # podman-compose names containers by the folder unless told, docker compose takes either.
        command = (*self.engine.compose, "-p", self.project, *arguments)
        return execute(command, timeout=timeout, folder=self.folder, environment=_clean_environment()).stdout

    def start(self) -> None:
        """Builds, starts and waits until everything is healthy."""
        # Once: `up --build` would have podman-compose build the same image for every service.
        self.compose("build", "worker", timeout=600.0)
        self.compose("up", "-d", "redis")
        self._pin_bridge()
        self.compose("up", "-d", *SERVICES)
        self.wait_until_healthy()

    def wait_until_healthy(self) -> None:
        """Fails after a minute, saying which containers are not, and what they logged."""
        give_up_at = time.monotonic() + 60
        while sick := [name for service in SERVICES for name in self.containers(service) if not self._healthy(name)]:
            if time.monotonic() > give_up_at:
                logs = [self.engine.run("logs", "--tail", "50", name) for name in sick]
                raise AssertionError("not healthy within 60 s:\n" + "\n".join(log.stdout + log.stderr for log in logs))
            time.sleep(0.5)

    def stop(self) -> None:
        """Takes everything down, and the data with it."""
        self.compose("down", "-v")
        # podman-compose leaves the network behind.
        self.engine.run("network", "rm", f"{self.project}_default", check=False)

    def containers(self, service: str) -> list[str]:
        """The ids of the service's containers, stopped ones too."""
        return self._ids("ps", "--all", "--quiet", *self._labelled(service))

    def volumes(self) -> list[str]:
        """The names of the project's volumes."""
        return self._ids("volume", "ls", "--quiet", *self._labelled())

    def inspect(self, container: str) -> Any:
        """What the engine knows about a container."""
        return json.loads(self.engine.run("inspect", container).stdout)[0]

    def run_in(self, service: str, *command: str, timeout: float = 60.0) -> str:
        """Runs a command in the first container of the service; what it printed."""
        return self.engine.run("exec", self.containers(service)[0], *command, timeout=timeout).stdout

    def python(self, code: str, timeout: float = 60.0) -> str:
        """Runs Python in a worker's container, as an application there would; what it printed."""
        return self.run_in("worker", "python", "-c", code, timeout=timeout).strip()

    def _pin_bridge(self) -> None:
        """Keeps podman's bridge at its address.

        Where no udev does so, the bridge takes another one whenever a container comes or goes, and the others send
        their packets to the old one, unanswered, for up to a minute. Not allowed to? Then the tests only take longer.
        """
        if self.engine.name == "podman" and shutil.which("ip"):
            network = self.engine.run("network", "inspect", f"{self.project}_default").stdout
            bridge = json.loads(network)[0]["network_interface"]
            address = Path(f"/sys/class/net/{bridge}/address")
            if address.exists():
                pin = ("ip", "link", "set", "dev", bridge, "address", address.read_text().strip())
                execute(pin, timeout=10, check=False)

    def _healthy(self, container: str) -> bool:
        if self.engine.name == "podman":
            # Its checks are run by systemd timers, which not every machine has.
            return self.engine.run("healthcheck", "run", container, check=False).returncode == 0
        return bool(self.inspect(container)["State"]["Health"]["Status"] == "healthy")

    def _ids(self, *command: str) -> list[str]:
        return self.engine.run(*command).stdout.split()

    def _labelled(self, service: str = "") -> list[str]:
        labels = [f"com.docker.compose.project={self.project}"]
        labels += [f"com.docker.compose.service={service}"] if service else []
        return [part for label in labels for part in ("--filter", f"label={label}")]


def _copy_sources(folder: Path) -> None:
    """What a fresh clone has and the image is made of: no .env, nothing that lies about."""
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    folder.mkdir()
    for name in ["docker-compose.yml", ".dockerignore", *(line[1:] for line in ignore if line.startswith("!"))]:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)


def _clean_environment() -> dict[str, str]:
    """This environment without the variables of the compose file: they would win over the file's."""
    variables = ("REDIS_", "FLOWER_", "IMAGE_", "WORKER_", "ASKFIRST_", "COMPOSE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(variables)}
