"""Which limit holds, out of what work types declare and what operators set."""

from __future__ import annotations

from .limits import Limit, LimitInUse


def in_force(row: LimitInUse) -> Limit:
    """The limit that holds: what an operator has set comes before what is declared."""
    return row.set or row.declared or Limit()

