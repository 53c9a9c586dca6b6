"""Which limit holds, out of what work types declare and what operators set."""

from __future__ import annotations

from .ledger import Ledger
from .limits import Limit, LimitInUse


def in_force(row: LimitInUse) -> Limit:
    """The limit that holds: what an operator has set comes before what is declared."""
    return row.set or row.declared or Limit()


def own_limit(ledger: Ledger, lane: str, name: str, partition: str | None) -> Limit | None:
    """What an operator has set for just this type or partition of it, or None."""
    group = name if partition is None else f"{name} {partition}"
    text = ledger.line.command("HGET", ledger.keys(lane).limits, f"set {group}")
    return Limit.from_text(text) if text else None


def limit_in_force(ledger: Ledger, lane: str, name: str, partition: str | None) -> Limit:
    """The limit that holds for a type or a partition of it, as `limit_of` in scripts/includes/limits.lua finds it."""
    fields = [f"set {name}", f"declared {name}"]
    if partition is not None:
        fields.insert(0, f"set {name} {partition}")
    texts = ledger.line.command("HMGET", ledger.keys(lane).limits, *fields)
    return next((Limit.from_text(text) for text in texts if text), Limit())
