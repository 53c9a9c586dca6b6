"""Clocks that jump: a small library (clock.c), loaded before all others, shows a process another time of day.

libfaketime does more than that and does it wrong: told to leave the monotonic clock alone, its version 0.9.10 refuses
`clock_nanosleep` with EINVAL, and timed waits come late by up to a second.
"""

import os
import shutil
import struct
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_name("clock.c")


def missing() -> str:
    """Why clocks cannot jump here; empty if they can."""
    return "" if shutil.which("cc") else "there is no C compiler (Debian: apt-get install gcc libc6-dev)"


def build(folder: Path) -> None:
    """Makes the library in this folder, where there is a compiler. Raises CalledProcessError."""
    if not missing():
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", folder / "clock.so", _SOURCE], check=True)


def variables(folder: Path, file: Path, ahead: int = 0) -> dict[str, str]:
    """The environment of a process whose clock goes by this file; none where clocks cannot jump."""
    library = folder / "clock.so"
    if not library.exists():
        return {}
    jump(file, ahead)
    preloaded = os.environ.get("LD_PRELOAD")
    return {"LD_PRELOAD": f"{preloaded}:{library}" if preloaded else str(library), "FAULTS_CLOCK": str(file)}


def jump(file: Path, ahead: int) -> None:
    """Sets the clock so many seconds ahead of the host's, or behind it."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.pwrite(descriptor, struct.pack("=q", ahead), 0)  # in place: the process looks at these very bytes
    finally:
        os.close(descriptor)
