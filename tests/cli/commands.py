"""The command line as a user has it: the command in this process, or in one of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from askfirst.cli import main

HERE = Path(__file__).parent


class Cli:
    """The command line for one Redis and namespace."""

    def __init__(self, redis_url: str, namespace: str) -> None:
        self.namespace = namespace
        self.options = ["--redis-url", redis_url, "--namespace", namespace]

    def __call__(self, *arguments: str, input: str | None = None) -> Result:
        """Runs it in this process."""
        return CliRunner().invoke(main, [*self.options, *arguments], input=input)

    def start(self, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        """Starts it in a process of its own."""
        return start(*self.options, *arguments, **options)


def start(*arguments: str, **options: Any) -> "subprocess.Popen[str]":
    """Starts `askfirst` with these arguments, in the folder of the test works."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
    command = [sys.executable, "-m", "askfirst", *arguments]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(command, **(pipes | {"cwd": HERE, "text": True, "env": environment} | options))


def lines_until(process: "subprocess.Popen[str]", text: str) -> str:
    """What the process says up to the line with this text; the test's own timeout is the deadline."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"it ended without saying {text!r}: {said}")
