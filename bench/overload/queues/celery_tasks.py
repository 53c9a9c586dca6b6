"""Celery as its documentation begins, on Redis; no result backend, since the answers come another way."""

from __future__ import annotations

from typing import Any

from celery import Celery, signals

from ..runs import hold_slot_and_answer, note_ready
from . import Answered, Answers, Sender, System

_NAME = "overload.work"


def _app(url: str) -> Any:
    app = Celery("overload", broker=url)
    app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)
    app.task(name=_NAME)(hold_slot_and_answer)
    return app


class _CelerySender:
    def __init__(self, url: str, system: System, answered: Answered) -> None:
        app = _app(url)
        self._system = system
        self._task = app.tasks[_NAME]
        self._producer = app.amqp.Producer(app.connection_for_write())  # kept: what a client may do to be quick
        self._answers = Answers(url, answered)

    def send(self, number: int, seconds: float, within: float, importance: str) -> Any:
        return self._task.apply_async((number, seconds), expires=self._system.expires(within), producer=self._producer)

    def leave(self, handle: Any) -> None:
        """Celery has no word for it."""

    def close(self) -> None:
        self._answers.close()


def sender(url: str, system: System, answered: Answered) -> Sender:
    """`apply_async`."""
    return _CelerySender(url, system, answered)


def work(url: str, system: System, slots: int) -> None:
    """A prefork worker."""
    app = _app(url)
    signals.worker_ready.connect(lambda **_: note_ready(), weak=False)
    app.worker_main(["worker", "-P", "prefork", "-c", str(slots), "-l", "WARNING", "--without-mingle"])
