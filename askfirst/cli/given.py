"""What the user gives before the command: which settings hold for it, and for the processes it starts."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from .exits import CommandError, Exit

if TYPE_CHECKING:
    from askfirst.config import Settings

_CONFIG_VARIABLE = "ASKFIRST_CONFIG"


@dataclass(frozen=True, slots=True)
class Given:
    """The global options; None where not given."""

    redis_url: str | None = None
    namespace: str | None = None
    config: str | None = None
    data_dir: str | None = None

    @classmethod
    def of(cls, context: click.Context) -> Given:
        """The global options of a command line, also of one that is only being completed."""
        params = context.find_root().params
        return cls(*(params.get(name) for name in ("redis_url", "namespace", "config", "data_dir")))

    @property
    def arguments(self) -> dict[str, str]:
        """What `load_settings` is given as arguments."""
        chosen = {"redis_url": self.redis_url, "namespace": self.namespace, "data_dir": self.data_dir}
        return {name: value for name, value in chosen.items() if value is not None}

    @property
    def environment(self) -> dict[str, str]:
        """The same for a process to be started, and the file."""
        variables = {f"ASKFIRST_{name.upper()}": value for name, value in self.arguments.items()}
        return variables | ({_CONFIG_VARIABLE: self.config} if self.config is not None else {})

    def load(self, **arguments: Any) -> Settings:
        """The settings, with these arguments on top. Raises `SettingsError`."""
        from askfirst.config import load_settings

        self.choose_file()
        return load_settings(**self.arguments, **arguments)

    def configure(self) -> Settings:
        """The settings, which this process's `submit_work` and all the others use from now on."""
        from askfirst.waiters import configure

        settings = self.load()
        configure(settings)
        return settings

    def choose_file(self) -> None:
        """Makes the settings be read from the file given."""
        if self.config is not None:
            os.environ[_CONFIG_VARIABLE] = self.config


def import_modules(names: Iterable[str]) -> None:
    """Imports modules that declare works, from the current directory too. Raises a usage error naming the module."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    for name in dict.fromkeys(names):
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:  # a module may raise whatever it likes
            cause = f"{type(error).__name__}: {error}"
            raise CommandError(f"cannot import {name!r}: {cause}", Exit.USAGE) from error


imports_option = click.option(
    "--import", "imports", multiple=True, metavar="MODULE", help="Module that declares works; may be repeated."
)
json_option = click.option("--json", "as_json_", is_flag=True, help="Print JSON.")
pass_given = click.make_pass_decorator(Given)
