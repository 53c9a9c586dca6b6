"""Logs that many processes write to, one JSON object a line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def append(log: Path | str, **entry: object) -> None:
    """Adds an entry. Those of several threads and processes never mix, and it survives whoever wrote it."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, (json.dumps(entry) + "\n").encode())
    finally:
        os.close(descriptor)


def entries(log: Path) -> list[dict[str, Any]]:
    """All entries; none if nobody has written any."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
