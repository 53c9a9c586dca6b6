"""The worker's door for messages: what is bad is set aside here, and nothing that comes in can end the worker.

Celery and kombu let many errors of a message through to the worker's main loop, which ends the worker; the next worker
takes the next such message. So each is inspected before kombu makes a message of it, and again before Celery makes a
request of it; what is raised nevertheless is the message's fault.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from queue import Empty
from typing import Any, Final

from kombu import compression
from kombu.exceptions import DecodeError
from kombu.message import Message
from kombu.transport.redis import Channel as RedisChannel

from ..config import DEFAULT_LANE
from ..interest.messages import BadMessage, Flaw
from ..interest.records import lane_of
from ..tasks.checking import Problem
from .aside import Aside
from .inspection import Inspector
from .runtime import Runtime

_log = logging.getLogger(__name__)
_SHOWN: Final = 4096  # characters of a message that are kept
_LONGEST_NAME: Final = 200  # characters of a queue's

Handler = Callable[[Message], Any]


class Gate:
    """Stands before one consumer, through all its connections."""

    def __init__(self, runtime: Runtime, consumer: Any, inspector: Inspector, aside: Aside) -> None:
        self._runtime = runtime
        self._consumer = consumer
        self._inspector = inspector
        self._aside = aside

    def guard(self) -> None:
        """Takes its place in the consumer. To be called before that connects."""
        consumer = self._consumer
        connect, create = consumer.connect, consumer.create_task_handler

        def guarded_connect() -> Any:
            connection = connect()
            self._guard_transport(connection)
            return connection

        consumer.connect = guarded_connect
        consumer.create_task_handler = lambda *given, **options: self._guarded(create(*given, **options))
        consumer.on_decode_error = self._on_decode_error
        for name in ("on_unknown_message", "on_unknown_task", "on_invalid_task"):
            setattr(consumer, name, self._noting(name, getattr(consumer, name)))

    # Before kombu

    def _guard_transport(self, connection: Any) -> None:
        """Transports of other kinds than kombu's virtual ones make their messages by themselves."""
        transport = connection.transport
        deliver = getattr(transport, "_deliver", None)
        if deliver is None:
            return

        def guarded_deliver(entry: Any, queue: str) -> None:
            try:
                problem = self._inspector.problem_of_entry(entry)
                if problem is None:
                    deliver(entry, queue)
            except (*connection.connection_errors, *connection.channel_errors):
                raise
            except Exception as error:
                problem = Problem(Flaw.NO_MESSAGE, f"{type(error).__name__}: {error!s:.200}")
            if problem is not None:
                self._put(queue, problem, lambda: shown(entry))

        transport._deliver = guarded_deliver
        channel = connection.default_channel
        if isinstance(channel, RedisChannel):
            self._guard_reading(channel, (Empty, *connection.connection_errors, *connection.channel_errors))

    def _guard_reading(self, channel: Any, passing: tuple[type[Exception], ...]) -> None:
        """kombu reads what BRPOP brings as JSON, and lets the error through if it is none."""
        read = channel.handlers["BRPOP"]
        last: list[tuple[str, bytes | str]] = []

        def note(reply: Any, **_: Any) -> Any:
            if not reply:
                return None
            queue, text = reply
            # The lists of the other importances are named after the queue, too.
            name = (queue.decode(errors="replace") if isinstance(queue, bytes) else queue).partition("\x06")[0]
            problem = self._inspector.problem_of_size(len(text))
            if problem is None:
                last[:] = [(name, text)]
                return queue, text
            self._put(name, problem, lambda: _beginning(text), len(text))
            return None  # as if it had brought nothing

        def guarded_read(**options: Any) -> Any:
            try:
                return read(**options)
            except passing:
                raise
            except Exception as error:
                queue, text = last.pop()
                problem = Problem(Flaw.NO_JSON, f"{type(error).__name__}: {error!s:.200}")
                self._put(queue, problem, lambda: _beginning(text), len(text))
                return None

        channel.client.set_response_callback("BRPOP", note)
        channel.handlers["BRPOP"] = guarded_read

    # Before Celery

    def _guarded(self, handle: Handler) -> Handler:
        def receive(message: Message) -> Any:
            try:
                problem = self._inspector.problem_of(message)
                return handle(message) if problem is None else self._refuse(message, problem)
            except (*self._consumer.connection_errors, *self._consumer.connection.channel_errors):
                raise
            except Exception as error:
                _log.exception("a message broke the consumer, which goes on")
                return self._refuse(message, Problem(Flaw.REFUSED, f"{type(error).__name__}: {error!s:.200}"))

        return receive

    def _on_decode_error(self, message: Message, error: Exception) -> None:
        packed = message.headers.get("compression")
        flaw = Flaw.COMPRESSED if packed else Flaw.BODY
        self._refuse(message, Problem(flaw, f"{type(error).__name__}: {error!s:.200}"))

    def _noting(self, name: str, celerys: Callable[..., Any]) -> Callable[..., Any]:
        """Celery's own answer to what it finds wrong, and a note of it."""
        flaw = Flaw.UNKNOWN_TYPE if name == "on_unknown_task" else Flaw.REFUSED

        def answer(body: Any, message: Message, *error: Exception) -> Any:
            detail = f"{type(error[0]).__name__}: {error[0]!s:.200}" if error else "no task's message"
            self._note(message, Problem(flaw, detail))
            return celerys(body, message, *error)

        return answer

    def _refuse(self, message: Message, problem: Problem) -> None:
        self._note(message, problem)
        if not message.acknowledged:
            message.reject_log_error(_log, self._consumer.connection_errors)

    def _note(self, message: Message, problem: Problem) -> None:
        queue, id, body = message.delivery_info.get("routing_key"), message.headers.get("id"), message.body

        def show() -> str:
            parts = {
                "headers": message.headers,
                "content-type": message.content_type,
                "content-encoding": message.content_encoding,
                "body": _beginning(body or ""),
            }
            return shown(parts)

        self._put(str(queue), problem, show, len(body or ""), id if isinstance(id, str) else "")

    def _put(self, queue: str, problem: Problem, show: Callable[[], str], size: int = 0, id: str = "") -> None:
        lane = queue.removeprefix(f"{self._runtime.settings.namespace}.")
        known = self._runtime.lanes or [DEFAULT_LANE]

        def describe() -> BadMessage:
            text = show()
            return BadMessage(
                flaw=problem.flaw,
                detail=_encodable(problem.detail),
                queue=_encodable(queue[:_LONGEST_NAME]),
                worker=self._runtime.worker,
                message=text[:_SHOWN],
                size=size or len(text),
                id=id if lane_of(id) is not None else "",
            )

        self._aside.put(lane if lane in known else known[0], problem, id, describe)


def refuse_compressed() -> None:
    """Has kombu unpack nothing in this process: a message of a megabyte could become one of a gigabyte."""

    def refuse(_: bytes) -> bytes:
        raise DecodeError("compressed messages are not accepted")

    for kind in compression.encoders():
        encoder, _ = compression.get_encoder(kind)
        compression.register(encoder, refuse, kind)


def shown(entry: Any) -> str:
    """An entry as text for people, whatever it is."""
    try:
        return json.dumps(entry, default=repr)
    except (RecursionError, ValueError, TypeError):
        return f"<{type(entry).__name__} that can't be shown>"


def _beginning(text: bytes | str) -> str:
    return text[:_SHOWN] if isinstance(text, str) else text[:_SHOWN].decode("utf-8", "backslashreplace")


def _encodable(text: str) -> str:
    """Lone surrogates can't be written to Redis."""
    return text.encode("utf-8", "backslashreplace").decode()
