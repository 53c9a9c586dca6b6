"""Celery's events as they come, for Flower or for a test."""

import threading
from types import TracebackType
from typing import Any, Self

from celery import Celery

from .eventually import eventually


class Events:
    """Listens in a thread while the block lasts. `sender` is an app that may send, if this one may not."""

    def __init__(self, app: Celery, sender: Celery | None = None) -> None:
        self._app = app
        self._sender = sender or app
        self._seen: list[dict[str, Any]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def of(self, id: str, kind: str, within: float = 5.0) -> dict[str, Any]:
        """The event of that kind for a task, as soon as it comes."""

        def found() -> list[dict[str, Any]]:
            return [event for event in list(self._seen) if event.get("uuid") == id and event["type"] == kind]

        return eventually(found, within=within, what=f"event {kind}; seen: {self.kinds(id)}")[0]

    def kinds(self, id: str) -> list[str]:
        """What has come for a task so far."""
        return [event["type"] for event in list(self._seen) if event.get("uuid") == id]

    def __enter__(self) -> Self:
        self._thread.start()
        with self._sender.events.default_dispatcher() as dispatcher:

            def heard() -> bool:  # kombu subscribes with the first look for messages, and says nothing of it
                dispatcher.send("event-listening")
                return any(event["type"] == "event-listening" for event in list(self._seen))

            eventually(heard, what="events arrive")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(10)

    def _listen(self) -> None:
        with self._app.connection() as connection:
            receiver = self._app.events.Receiver(connection, handlers={"*": self._seen.append})
            with receiver.consumer_context() as (its_connection, _, _):
                while not self._over.is_set():
                    try:
                        its_connection.drain_events(timeout=0.2)
                    except TimeoutError:
                        continue
