"""Processes of the tests' own: what they are told, what they say, and how they end."""

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path

from askfirst.config import Settings

ROOT = Path(__file__).parent.parent.parent


def environment(settings: Settings) -> dict[str, str]:
    """The environment of a process that goes by these settings and finds the tests' works."""
    given = settings.model_dump(exclude_defaults=True, mode="json", exclude={"pools", "imports", "data_dir"})
    texts = {name: json.dumps(value) if isinstance(value, dict) else str(value) for name, value in given.items()}
    if settings.signing_key:
        texts["signing_key"] = json.dumps([key.get_secret_value() for key in settings.signing_key])
    ours = {f"ASKFIRST_{name.upper()}": text for name, text in texts.items()}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ASKFIRST_")}
    paths = [path for path in (inherited.get("PYTHONPATH"), str(ROOT)) if path]
    return inherited | ours | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


def end(process: "subprocess.Popen[str]", within: float = 10.0) -> None:
    """Asks a process to end, and kills it with all its group if it does not."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(within)
    # Its children too, whatever it made of them: the group is its own.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
