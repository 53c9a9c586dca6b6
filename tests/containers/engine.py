"""Which container engine there is, or why there is none."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent.parent

PULL = os.environ.get("CONTAINERS") == "pull"
"""Whether images may be fetched: `make containers` says so, plain tests use only what is there."""


class NoEngine(Exception):
    """The deployment can't be run here; says why."""


@dataclass(frozen=True)
class Engine:
    """The command of a container engine, and the one of its compose."""

    name: str
    compose: tuple[str, ...]

    def run(self, *arguments: str, timeout: float = 60.0, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs one of its commands, as `execute` does."""
        return execute((self.name, *arguments), timeout=timeout, check=check)


ENGINES = (Engine("docker", ("docker", "compose")), Engine("podman", ("podman-compose",)))


def execute(
    command: Sequence[str],
    *,
    timeout: float,
    check: bool = True,
    folder: Path = ROOT,
    environment: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end. Raises `AssertionError` with what it said if that fails."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if check and done.returncode:
        said = f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}".strip()
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{said}")
    return done


def base_images() -> list[str]:
    """The images that the deployment is made of, as the compose file and the Dockerfile name them."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    named = [service["image"] for service in compose["services"].values() if "build" not in service]
    dockerfile = (ROOT / "deploy/Dockerfile").read_text()
    return [*(default_of(each) for each in named), *re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", dockerfile, re.MULTILINE)]


def default_of(text: str) -> str:
    """A text of the compose file as it is where no variable is set."""
    return re.sub(r"(?<!\$)\$\{\w+:-([^}]*)\}", r"\1", text)


def find_engine() -> Engine:
    """An engine that can run the deployment now. Raises `NoEngine`."""
    reasons = []
    for engine in ENGINES:
        try:
            _check(engine)
        except NoEngine as reason:
            reasons.append(f"{engine.name}: {reason}")
        else:
            return engine
    raise NoEngine("no container engine can be had: " + "; ".join(reasons))


def _check(engine: Engine) -> None:
    for program in (engine.name, engine.compose[0]):
        if shutil.which(program) is None:
            raise NoEngine(f"{program} is not installed")
    _try(*engine.compose, "version")
    _try(engine.name, "info")
    images = base_images()
    for image in images:
        if engine.run("image", "inspect", image, check=False).returncode:
            if not PULL:
                raise NoEngine(f"the image {image} is not on this machine; `make containers` fetches it")
            _try(engine.name, "pull", image, timeout=600.0)
    # An engine may answer and yet be unable to start anything, for want of rights or of a network.
    _try(engine.name, "run", "--rm", images[0], "true")


def _try(*command: str, timeout: float = 60.0) -> None:
    try:
        done = execute(command, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        raise NoEngine(f"`{' '.join(command)}` took over {timeout:g} s") from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise NoEngine(f"`{' '.join(command)}` fails: {said[-300:]}")
