"""Loads the Lua scripts and binds their arguments by the names that each script gives them."""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Final, TypeAlias

_INCLUDE: Final = re.compile(r"^-- @include (\w+)$", re.MULTILINE)
_ARGUMENTS: Final = re.compile(r"^local ([\w, ]+) = unpack\(ARGV(?:, 1, \d+)?\)$", re.MULTILINE)

Argument: TypeAlias = str | int | float


class Script:
    """One transition: the text of its file with its includes, and the order of its arguments."""

    def __init__(self, name: str, package: str = __package__) -> None:
        self.name = name
        self.text = _assemble(name, package)
        self.sha = sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        found = _ARGUMENTS.findall(self.text)
        self.arguments: tuple[str, ...] = tuple(found[0].split(", ")) if found else ()

    def bind(self, keys: tuple[str, ...], rest: tuple[Argument, ...] = (), /, **arguments: Argument) -> Call:
        """The script with all it needs; `rest` follows the named arguments. TypeError if a name doesn't match."""
        try:
            values = [arguments.pop(name) for name in self.arguments]
        except KeyError as missing:
            raise TypeError(f"{self.name}.lua expects {missing}") from None
        if arguments:
            raise TypeError(f"{self.name}.lua has no argument {', '.join(arguments)}")
        return Call(self, (len(keys), *keys, *values, *rest))


class Call:
    """A script with its arguments, ready to be sent."""

    __slots__ = ("parameters", "script")

    def __init__(self, script: Script, parameters: tuple[Argument, ...]) -> None:
        self.script = script
        self.parameters = parameters

    @property
    def command(self) -> tuple[Argument, ...]:
        """As sent while the server knows the script."""
        return ("EVALSHA", self.script.sha, *self.parameters)

    @property
    def command_with_text(self) -> tuple[Argument, ...]:
        """As sent to a server that doesn't know it (yet, or after a restart)."""
        return ("EVAL", self.script.text, *self.parameters)


@cache
def script(name: str, package: str = __package__) -> Script:
    """The script in `scripts/<name>.lua` of the package."""
    return Script(name, package)


def _assemble(name: str, package: str) -> str:
    """The script's text behind its includes, each once and before whoever needs it.

    What a package's own `includes/` does not have is the ledger's.
    """
    folders = [files(each).joinpath("scripts") for each in (package, __package__)]
    parts: dict[str, str] = {}

    def take(path: str) -> None:
        found = next((file for folder in folders if (file := folder.joinpath(path)).is_file()), folders[0] / path)
        text = found.read_text(encoding="utf-8")
        for include in _INCLUDE.findall(text):
            if f"includes/{include}.lua" not in parts:
                take(f"includes/{include}.lua")
        parts[path] = text

    take(f"{name}.lua")
    return "\n".join(parts.values())
