"""A worker's consumer without its main loop: messages are put into its hands as kombu's Redis transport would."""

import contextlib
from collections.abc import Iterator
from queue import Empty
from typing import Any

from celery import Celery, current_app
from celery.concurrency.base import BasePool, apply_target
from celery.worker import WorkController
from kombu.common import QoS

from askfirst.config import Settings
from askfirst.interest.keys import LaneKeys
from askfirst.workers.app import MonitorStep, create_app
from askfirst.workers.aside import Aside


class InPlace(BasePool):  # type: ignore[misc]  # celery is untyped
    """Runs on the spot; unlike Celery's solo pool without what else a pool process has."""

    task_join_will_block = False  # or Celery would forbid the tests to wait for results

    def on_apply(self, *given: Any, **options: Any) -> None:
        apply_target(*given, **options)


class Door:
    """From the broker's reply to the run all is the real thing: kombu, Celery's consumer, and a pool of this thread."""

    def __init__(self, app: Celery, worker: Any, queue: str, aside: Aside) -> None:
        self.app = app
        self._aside = aside
        self._queue = queue
        self._consumer = consumer = worker.consumer
        consumer.connection = self._connection = consumer.connect()
        consumer.update_strategies()
        consumer.task_consumer = app.amqp.TaskConsumer(self._connection, on_decode_error=consumer.on_decode_error)
        consumer.task_consumer.on_message = consumer.create_task_handler()
        consumer.task_consumer.consume()
        consumer.qos = QoS(lambda _: None, 0)
        channel = self._connection.default_channel
        self._read, client = channel.handlers["BRPOP"], channel.client
        client.parse_response = lambda _, name, **options: client.response_callbacks[name](self._reply, **options)

    def bring(self, text: bytes) -> None:
        """Lets kombu read this as what BRPOP brings."""
        self._reply = (self._queue.encode(), text)
        with contextlib.suppress(Empty):
            self._read()
        self._consumer.perform_pending_operations()

    @property
    def unanswered(self) -> int:
        """Messages that are neither acknowledged nor rejected: they would take up the worker's places for ever."""
        qos = self._connection.default_channel.qos
        qos._flush()
        return len(qos._delivered)

    def settle(self) -> None:
        """Tells the ledger what there is to be told."""
        self._aside.flush(self.app.askfirst.ledger)

    def close(self) -> None:
        self._consumer.task_consumer.close()
        self._connection.close()


@contextlib.contextmanager
def open_door(settings: Settings) -> Iterator[Door]:
    """The door of a worker for the lane "default", whose monitor runs."""
    app = create_app(settings)
    before = current_app._get_current_object()
    app.set_current()  # as a worker process does: the pool's function looks there for the task
    queue = LaneKeys(settings.namespace, "default").queue
    worker = WorkController(app=app, hostname="door@here", pool_cls=InPlace, queues=[queue], use_eventloop=False)
    step = MonitorStep(worker)
    step.start(worker)
    assert step._monitor is not None
    door = Door(app, worker, queue, step._monitor._aside)
    try:
        yield door
    finally:
        step._on_shutdown()
        step._monitor._ladder.tripline._socket.close()
        door.close()
        app.askfirst.ledger.line.close()
        app.close()
        before.set_current()
