"""huey on Redis with worker processes."""

from __future__ import annotations

import logging
from typing import Any

from ..runs import hold_slot_and_answer
from . import Answered, Answers, Sender, System


def _task(url: str) -> tuple[Any, Any]:
    from huey import RedisHuey  # type: ignore[import-untyped]  # it ships no types

    huey = RedisHuey("overload", url=url, results=False)
    return huey, huey.task()(hold_slot_and_answer)


class _HueySender:
    def __init__(self, url: str, system: System, answered: Answered) -> None:
        self._system = system
        _, self._task = _task(url)
        self._answers = Answers(url, answered)

    def send(self, number: int, seconds: float, within: float, importance: str) -> Any:
        expires = self._system.expires(within)
        return self._task(number, seconds, **({} if expires is None else {"expires": expires}))

    def leave(self, handle: Any) -> None:
        """huey can revoke a task, but it costs a key for each, which nobody removes."""

    def close(self) -> None:
        self._answers.close()


def sender(url: str, system: System, answered: Answered) -> Sender:
    """A call of the task, with `expires`."""
    return _HueySender(url, system, answered)


def work(url: str, system: System, slots: int) -> None:
    """A consumer with a process for each slot."""
    logging.getLogger("huey").setLevel(logging.ERROR)  # it notes every task it drops
    huey, _ = _task(url)
    huey.create_consumer(workers=slots, worker_type="process", periodic=False).run()
