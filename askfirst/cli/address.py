"""Where a command listens."""

from __future__ import annotations

import re
from typing import Final

import click

LOCAL: Final = "127.0.0.1"
_HIGHEST_PORT: Final = 65535
_ADDRESS: Final = re.compile(r"(?:(?P<host>[^:\[\]]+|\[[0-9A-Fa-f:.]+\]):)?(?P<port>\d{1,5})")


def address(listen: str) -> tuple[str, int]:
    """Host and port of PORT, HOST:PORT or [IPv6]:PORT. Raises a usage error."""
    match = _ADDRESS.fullmatch(listen)
    if match is None or int(match["port"]) > _HIGHEST_PORT:
        raise click.BadParameter(f"expected PORT, HOST:PORT or [IPv6]:PORT, got {listen!r}", param_hint="--listen")
    return (match["host"] or LOCAL).strip("[]"), int(match["port"])
