"""Which faults, in which order, when: all of it follows from the seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from .kinds import Kind

_BEFORE: Final = 5.0  # seconds of peace at the start
_GAP: Final = (1.5, 3.0)  # seconds from the end of one fault to the next


@dataclass(frozen=True)
class Planned:
    """One fault: `chance` makes its own choices, so that those of others do not depend on them."""

    number: int
    kind: Kind
    hold: float
    gap: float
    chance: Random


def plan(seed: int, kinds: Sequence[Kind]) -> Iterator[Planned]:
    """Faults without end: all kinds, in an order of their own, before any of them comes again."""
    order = Random(seed)
    number = 0
    while True:
        deck = order.sample(kinds, len(kinds))
        for kind in deck:
            number += 1
            gap = _BEFORE if number == 1 else order.uniform(*_GAP)
            yield Planned(number, kind, order.uniform(*kind.hold), gap, Random(f"{seed} {number}"))
