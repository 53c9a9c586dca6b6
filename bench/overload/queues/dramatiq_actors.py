"""dramatiq on Redis, with its default middleware, which drops messages beyond their age."""

from __future__ import annotations

import logging
import os
import time
from typing import Any

from ..load import DEADLINE
from ..runs import hold_slot_and_answer
from . import Answered, Answers, Sender, System

_PREFETCH = "1000"  # as tuned: dead messages are then dropped without a round trip for each few of them


def _actor(url: str) -> tuple[Any, Any]:
    import dramatiq
    from dramatiq.brokers.redis import RedisBroker

    broker = RedisBroker(url=url)  # type: ignore[no-untyped-call]  # its parameters have no types
    return broker, dramatiq.actor(actor_name="work", broker=broker, max_retries=0)(hold_slot_and_answer)


class _DramatiqSender:
    def __init__(self, url: str, system: System, answered: Answered) -> None:
        self._system = system
        _, self._actor = _actor(url)
        self._answers = Answers(url, answered)

    def send(self, number: int, seconds: float, within: float, importance: str) -> Any:
        expires = self._system.expires(within)
        options = {} if expires is None else {"max_age": max(round(1000 * expires), 1)}
        return self._actor.send_with_options(args=(number, seconds), **options)

    def leave(self, handle: Any) -> None:
        """dramatiq has no word for it."""

    def close(self) -> None:
        self._answers.close()


def sender(url: str, system: System, answered: Answered) -> Sender:
    """`send_with_options(max_age=)`."""
    return _DramatiqSender(url, system, answered)


def work(url: str, system: System, slots: int) -> None:
    """A worker with a thread for each slot."""
    if system.expiry == "tuned":
        os.environ["dramatiq_queue_prefetch"] = _PREFETCH  # noqa: SIM112  # so it is called; read at import
    from dramatiq import Worker

    logging.getLogger("dramatiq").setLevel(logging.ERROR)  # it warns of every message it drops
    broker, _ = _actor(url)
    worker = Worker(broker, worker_threads=slots)
    worker.start()
    while True:
        time.sleep(DEADLINE)
