"""The Celery app: a new one, or an existing one that learns to ask."""

from __future__ import annotations

import threading
from typing import Any, Final
from urllib.parse import urlsplit

from celery import Celery, bootsteps, signals
from celery.concurrency.prefork import TaskPool
from kombu import Queue

from ..config import DEFAULT_LANE, Settings, SettingsError
from ..interest.keys import LaneKeys
from ..tasks import registry
from ..tasks.connecting import broker_url
from ..tasks.definition import WorkType
from . import control, unknown
from .aside import Aside
from .gate import Gate, refuse_compressed
from .inspection import Inspector
from .monitor import Monitor
from .prefetch import Prefetch
from .prefork import teach_pool
from .runtime import Runtime, runtime_of
from .task import WorkTask
from .telling import TellInBulk
from .tripline import listen_in_child

#: What Celery does unless told otherwise.
_CELERYS_RETRIES = 100
_CELERYS_CONSUMER = "celery.worker.consumer:Consumer"

_REDIS_SCHEMES = ("redis://", "rediss://", "redis+socket://")
_REDIS_OPTIONS: Final = {
    # Messages are doorbells: kombu's copy of those a worker holds, two round trips each, protects nothing that the
    # ledger doesn't. One that is lost with its worker is rung again.
    "ack_emulation": False,
    # A connection can die without a word. Whoever waits for an answer on it gives up after so many seconds, and a
    # consumer that hears of no messages, nor that there are none, connects anew within about twice as many.
    "socket_timeout": 5.0,
    "health_check_interval": 5,
}
#: Where kombu looks for messages in Redis unless told otherwise; the ledger's scripts know nothing else.
_KOMBUS_PLACES: Final = {"global_keyprefix": "", "sep": "\x06\x16"}
_PRIORITIES: Final = frozenset({0, 3, 6})
_JSON: Final = frozenset({"json", "application/json"})

__all__ = ["create_app", "install", "queues_of"]


def create_app(settings: Settings) -> Celery:
    """A Celery app for these settings, with every work type declared so far and later. Raises `SettingsError`."""
    url = broker_url(settings)
    app = Celery("askfirst", broker=url, set_as_current=False)
    app.conf.update(
        # Celery lets CELERY_BROKER_URL in the environment win over the app, but not over these two.
        broker_read_url=url,
        broker_write_url=url,
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_transport_options=_REDIS_OPTIONS if url.startswith(_REDIS_SCHEMES) else {},
        # No message waits in a worker: one that asked must start, one that waits must be anybody's to take.
        worker_prefetch_multiplier=1,
        worker_send_task_events=True,
        task_default_queue=LaneKeys(settings.namespace, DEFAULT_LANE).queue,
        task_queues=[Queue(name, routing_key=name) for name in queues_of(settings)],
    )
    if (app.conf.broker_read_url, app.conf.broker_write_url) != (url, url):
        raise SettingsError(
            "expected CELERY_BROKER_READ_URL and CELERY_BROKER_WRITE_URL to be unset: the ledger rings elsewhere"
        )
    _prepare(app, settings, None, own=True)
    return app


def install(app: Celery, settings: Settings) -> Settings:
    """Teaches an existing app to ask. Call it once, when the app is configured; returns the settings in effect.

    Without a configured broker or Redis, the app's own broker serves, also as the ledger if it is a Redis. Raises
    `SettingsError` if the app would not find or read the ledger's messages.
    """
    _check_conf(app)
    broker = str(app.conf.broker_url or "") or None
    if settings.redis_url is None and broker and urlsplit(broker).scheme in ("redis", "rediss", "redis+socket"):
        settings = settings.model_copy(update={"redis_url": broker})
    if settings.broker_url is None and broker:
        settings = settings.model_copy(update={"broker_url": broker})
    # A message that waits in a worker of threads has been asked about already, and starts whatever happens meanwhile.
    app.conf.worker_prefetch_multiplier = 1
    _prepare(app, settings, broker, own=False)
    signals.celeryd_init.connect(_note_queues, weak=False)
    signals.celeryd_after_setup.connect(_consume_lanes, weak=False)
    return settings


def _check_conf(app: Celery) -> None:
    """The ledger puts its messages where consumers look that are not told otherwise, and writes them as JSON."""
    options = app.conf.broker_transport_options if str(app.conf.broker_url).startswith(_REDIS_SCHEMES) else {}
    moved = [name for name, usual in _KOMBUS_PLACES.items() if options.get(name, usual) != usual]
    if not _PRIORITIES.issubset(options.get("priority_steps", _PRIORITIES)):
        moved.append("priority_steps")
    if moved:
        raise SettingsError(
            f"expected broker_transport_options without {', '.join(moved)}: the ledger's messages would not be found"
        )
    if _JSON.isdisjoint(app.conf.accept_content):
        raise SettingsError(f"expected accept_content to have 'json', as works are sent, got {app.conf.accept_content}")


def queues_of(settings: Settings) -> list[str]:
    """The queues of all lanes that the settings or a declared work type name."""
    lanes = {lane for pool in settings.pools.values() for lane in pool.lanes}
    lanes |= {definition.lane for definition in registry.all_types()}
    return [LaneKeys(settings.namespace, lane).queue for lane in sorted(lanes)]


def _prepare(app: Celery, settings: Settings, broker: str | None, *, own: bool) -> None:
    app.askfirst = Runtime(settings, broker, own=own)
    if str(app.conf.broker_url).startswith(_REDIS_SCHEMES):
        # A Redis that refuses, being a replica, full or busy, is as good as away: without this Celery's worker ends.
        app.conf.broker_channel_error_retry = True
    if app.conf.broker_connection_max_retries == _CELERYS_RETRIES:
        app.conf.broker_connection_max_retries = None
    if app.conf.worker_consumer == _CELERYS_CONSUMER:
        app.conf.worker_consumer = "askfirst.workers.consuming:Consumer"
    app.steps["worker"].add(MonitorStep)
    app.steps["consumer"].add(TellInBulk)
    added: set[str] = set()
    registry.listen(lambda definition: _add_task(app, definition, added))
    control.replace_revoke()
    unknown.connect()
    listen_in_child()


def _add_task(app: Celery, definition: WorkType, added: set[str]) -> None:
    """Once per name: a module that is imported anew declares its works again, and the task finds the newest."""
    if definition.name not in added:
        added.add(definition.name)
        options = {"declared": definition, "typing": False, "shared": False}  # other apps of the process have their own
        app.task(name=definition.name, base=WorkTask, **options)(definition.function)


class MonitorStep(bootsteps.StartStopStep):  # type: ignore[misc]  # celery is untyped
    """Keeps the worker's monitor running as long as its pool."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._monitor: Monitor | None = None

    def start(self, worker: Any) -> None:
        """Publishes the work types and starts beating."""
        runtime = runtime_of(worker.app)
        runtime.pool = worker.pool
        runtime.killable = isinstance(worker.pool, TaskPool)
        # A pool of threads starts whatever the worker has taken: the ask and the start would drift apart.
        runtime.prefetch = Prefetch(runtime.settings.prefetch if runtime.killable else 0)
        if runtime.killable:
            teach_pool(runtime, worker.pool, worker.semaphore)
        runtime.start(worker.hostname, list(worker.app.amqp.queues.consume_from))
        inspector = Inspector(runtime, worker.app)
        aside = Aside(inspector.is_good)
        if runtime.own:
            refuse_compressed()
        Gate(runtime, worker.consumer, inspector, aside).guard()
        self._monitor = Monitor(runtime, worker, aside)
        self._monitor.start()

        # Sent by signal handlers: one that comes amid another would wait for ever for a lock that its own thread holds.
        signals.worker_shutting_down.lock = threading.RLock()
        signals.worker_shutting_down.connect(self._on_shutting_down)
        signals.worker_shutdown.connect(self._on_shutdown)
        self._runtime = runtime

    def stop(self, worker: Any) -> None:
        """It beats until the pool has ended, and sees to it that the pool does end."""
        if not self._runtime.shutting_down:
            self._runtime.shut_down()  # by Flower's button: only signals are told of before

    def _on_shutting_down(self, **_: Any) -> None:
        self._runtime.shut_down()

    def _on_shutdown(self, **_: Any) -> None:
        if self._monitor is not None:
            self._monitor.stop()


def _note_queues(instance: Any, options: dict[str, Any], **_: Any) -> None:
    instance.askfirst_queues_chosen = bool(options.get("queues"))


def _consume_lanes(instance: Any, **_: Any) -> None:
    """Without -Q a worker serves the lanes too; with it, what the operator chose."""
    runtime = getattr(instance.app, "askfirst", None)
    if runtime is None:
        return
    queues, lanes = instance.app.amqp.queues, queues_of(runtime.settings)
    if not getattr(instance, "askfirst_queues_chosen", False):
        for name in lanes:
            queues.select_add(Queue(name, routing_key=name))
    for name in queues.consume_from.keys() & lanes:
        # Whoever rings declares them, too, and knows nothing of the app's `task_queue_max_priority` and the like:
        # RabbitMQ refuses a queue that is declared in two ways.
        queues.consume_from[name].queue_arguments = None
