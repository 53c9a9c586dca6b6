"""The callers, in a process of their own: `python -m bench.overload.generator JSON`.

An open loop: each caller comes at its time, whatever became of those before it. What each met with goes into a file.
"""

from __future__ import annotations

import gc
import heapq
import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .load import CAPACITY, DEADLINE, RUN_TIME, SLOTS, Call, Caller, Load, Stream
from .queues import Refused, system_named

_PATIENCE = 40.0  # seconds for a worker to come up
_WARM_UP = 4 * SLOTS  # works: connections, imports, run times learned
_LATE = 0.5  # seconds after the last deadline in which late answers are still noted
_AHEAD = 1.5  # works waiting at the start of saturation, by what the slots can do meanwhile
_SHORTEST = 0.01  # seconds until somebody who was refused comes back


@dataclass(frozen=True)
class Order:
    """What one process of callers is to do."""

    system: str
    url: str
    calls: str
    """The file to write."""
    load: Load | None
    saturate: float = 0.0
    """Without a load: keep every slot busy for so many seconds."""
    heavy: bool = False

    def text(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> Order:
        """The order from its text."""
        order = json.loads(text)
        if order["load"]:
            streams = tuple(Stream(**stream) for stream in order["load"]["streams"])
            order["load"] = Load(**order["load"] | {"streams": streams})
        return cls(**order)


class Callers:
    """One thread that asks, leaves and asks again; answers arrive on others."""

    def __init__(self, order: Order) -> None:
        system = system_named(order.system)
        self._answered: dict[int, float] = {}
        self._sender = system.module().sender(order.url, system, self._answered.__setitem__)
        self._tries = 1 if order.load is None else order.load.tries
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self.calls: list[Call] = []

    def warm_up(self) -> None:
        """Until the worker answers, then a few more works. Raises `TimeoutError`."""
        self._answer_to(-1, _PATIENCE)
        for number in range(2, _WARM_UP + 2):
            self._sender.send(-number, RUN_TIME, _PATIENCE, "normal")
        for number in range(2, _WARM_UP + 2):
            self._wait(-number, _PATIENCE)

    def come(self, load: Load) -> None:
        """All callers of the load."""
        start = time.monotonic() + 0.1
        for number, caller in enumerate(load.callers()):
            self._plan(start + caller.at, self._asking(number, caller, start + caller.at, 1))
        until = start + load.end + DEADLINE + _LATE
        while self._events and self._events[0][0] < until:
            at, _, act = heapq.heappop(self._events)
            time.sleep(max(at - time.monotonic(), 0))
            act()
        time.sleep(max(until - time.monotonic(), 0))

    def saturate(self, seconds: float, heavy: bool) -> None:
        """More works than the slots can do in that time, all at once, and nobody in a hurry."""
        rate = _AHEAD * CAPACITY
        callers = Load((Stream(rate / CAPACITY, 0, seconds),), heavy=heavy).callers()
        now = time.monotonic()
        for number, caller in enumerate(callers):
            self._send(Call(number, number, 1, now, caller.seconds, None, "normal"), float("inf"))
        time.sleep(max(now + seconds - time.monotonic(), 0))

    def end(self) -> list[Call]:
        """What became of them."""
        self._sender.close()
        for call in self.calls:
            call.answered = self._answered.get(call.number)
        return self.calls

    def _plan(self, at: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (at, next(self._order), act))

    def _asking(self, number: int, caller: Caller, due: float, attempt: int) -> Callable[[], None]:
        return lambda: self._ask(number, caller, due, attempt)

    def _ask(self, number: int, caller: Caller, due: float, attempt: int) -> None:
        leaves_at = due + caller.patience if caller.patience < DEADLINE else None
        call = Call(len(self.calls), number, attempt, due, caller.seconds, leaves_at, caller.importance)
        # The deadline is counted from when the caller meant to ask: what the call is late is not given back.
        handle = self._send(call, call.deadline - time.monotonic())
        if call.refused:
            back_at = call.returned + max(call.retry_after, _SHORTEST)
            if attempt < self._tries and leaves_at is None:
                self._plan(back_at, self._asking(number, caller, back_at, attempt + 1))
        elif leaves_at is not None:
            self._plan(leaves_at, lambda: self._leave(call, handle))
        elif attempt < self._tries:
            self._plan(call.deadline, lambda: self._ask_again(call, caller))

    def _send(self, call: Call, within: float) -> Any:
        self.calls.append(call)
        call.began = time.monotonic()
        handle = None
        try:
            handle = self._sender.send(call.number, call.seconds, within, call.importance)
        except Refused as refused:
            call.refused, call.retry_after = True, refused.retry_after
        except Exception as error:  # whatever the queue raises is what its caller meets with
            call.failed = type(error).__name__
        call.returned = time.monotonic()
        return handle

    def _leave(self, call: Call, handle: Any) -> None:
        if call.number not in self._answered and handle is not None:
            self._sender.leave(handle)

    def _ask_again(self, call: Call, caller: Caller) -> None:
        if call.number not in self._answered:
            self._ask(call.caller, caller, call.deadline, call.attempt + 1)

    def _answer_to(self, number: int, patience: float) -> None:
        self._sender.send(number, 0.0, patience, "critical")
        self._wait(number, patience)

    def _wait(self, number: int, patience: float) -> None:
        give_up_at = time.monotonic() + patience
        while number not in self._answered:
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"the worker did not answer within {patience:g} s")
            time.sleep(0.005)


def main() -> None:
    order = Order.read(sys.argv[1])
    callers = Callers(order)
    callers.warm_up()
    gc.freeze()
    gc.disable()  # a collection would be a pause in which nobody comes
    if order.load is None:
        callers.saturate(order.saturate, order.heavy)
    else:
        callers.come(order.load)
    with Path(order.calls).open("w") as file:
        for call in callers.end():
            file.write(json.dumps(asdict(call)) + "\n")
    # Works that are still wanted go with their Redis: withdrawing them, as a normal exit does, is no part of this.
    os._exit(0)


if __name__ == "__main__":
    main()
