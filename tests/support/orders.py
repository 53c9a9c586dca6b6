"""All orders of what several actors do, each in its own order: walked as states, of which each is entered but once.

Every script is atomic, so an interleaving is an order of calls. Two orders that leave ledger, model and actors alike
have the same future, so some thousands of states stand for many more orders.
"""

import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from askfirst.interest.records import Submission
from tests.support.model import Violation
from tests.support.paired import Pair
from tests.support.virtual import Frozen

_COUNTED = ("totals", "spent")
_PACE = ("took", "due", "claimed_at")


@dataclass
class Known:
    """What the actors know: who runs what, as far as they were told."""

    works: dict[int, Submission] = field(default_factory=dict)
    """As they were submitted, by their number; the id is the one in the ledger, empty if it was refused."""
    fences: dict[tuple[str, int], str] = field(default_factory=dict)
    """The newest claim of each worker on each work."""


@dataclass(frozen=True)
class Step:
    """One call by one actor; `possible` once what it needs is there."""

    name: str
    act: Callable[[Pair, Known, str], None]
    possible: Callable[[Known], bool] = lambda known: True


Programs = Mapping[str, Sequence[Step]]


@dataclass
class Node:
    """Where some orders have led, and how many of them."""

    done: tuple[int, ...]
    ledger: Frozen
    rest: bytes
    orders: int
    path: tuple[str, ...]
    """One of the orders."""

    @cached_property
    def key(self) -> tuple[object, ...]:
        return self.done, _future(self.ledger), self.rest


def _future(ledger: Frozen) -> str:
    """What makes a difference from now on: not what is counted for operators, nor the pace of slots nobody told."""
    parts = []
    for key, kind, _, values in ledger.entries:
        what = key.rpartition(":")[2]
        if what == "load":
            values = sorted(pair for pair in ledger.hash(key).items() if pair[0] not in _PACE)
        if what not in _COUNTED:
            parts.append((key, kind, values))
    return str(parts)


@dataclass
class Walked:
    states: int = 0
    steps: int = 0
    orders: int = 0
    ends: list[Node] = field(default_factory=list)


class Walk:
    """Through all orders of some actors' programs, from an empty ledger."""

    def __init__(self, pair: Pair, programs: Programs, known: Known) -> None:
        self._pair = pair
        self._programs = programs
        self._known = known

    def everywhere(self) -> Walked:
        walked = Walked()
        start = self._node((0,) * len(self._programs), 1, ())
        layer = {start.key: start}
        while layer:
            following: dict[tuple[object, ...], Node] = {}
            for node in layer.values():
                walked.states += 1
                steps = self._steps_from(node)
                if not steps:
                    walked.orders += node.orders
                    walked.ends.append(node)
                for actor, name, step in steps:
                    walked.steps += 1
                    then = self._take(node, actor, name, step)
                    found = following.setdefault(then.key, then)
                    if found is not then:
                        found.orders += then.orders
            layer = following
        return walked

    def go_to(self, node: Node) -> None:
        """Makes ledger, model and actors what they are there."""
        self._pair.lane.line.thaw(node.ledger)
        self._pair.model, self._known = pickle.loads(node.rest)

    def _steps_from(self, node: Node) -> list[tuple[int, str, Step]]:
        self._pair.model, self._known = pickle.loads(node.rest)
        programs = enumerate(self._programs.items())
        found = [(n, name, program[node.done[n]]) for n, (name, program) in programs if node.done[n] < len(program)]
        return [each for each in found if each[2].possible(self._known)]

    def _take(self, node: Node, actor: int, name: str, step: Step) -> Node:
        self.go_to(node)
        path = (*node.path, f"{name}: {step.name}")
        try:
            step.act(self._pair, self._known, name)
            done = tuple(count + (n == actor) for n, count in enumerate(node.done))
            return self._node(done, node.orders, path)
        except Violation as violation:
            raise Violation(f"{violation}\nafter " + "\n      ".join(path)) from None

    def _node(self, done: tuple[int, ...], orders: int, path: tuple[str, ...]) -> Node:
        frozen = self._pair.check()
        return Node(done, frozen, pickle.dumps((self._pair.model, self._known)), orders, path)
