"""The two sides: the same function, as a plain Celery task and as a work, and how a client uses each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

NAME = "overhead.add"
SIDES = ("celery", "askfirst")
UNSERVED = "unserved"  # a queue that no worker serves: what is published there stays there
TIMEOUT = 120.0  # seconds, far beyond any measured run


def add(a: int, b: int) -> int:
    """The work: as little as possible, so that what is measured is the rest."""
    return a + b


Publishers = dict[str, Callable[[int], Sequence[Any]]]


class Side(Protocol):
    """What a client does, with the side's own public functions and defaults."""

    publishers: Publishers
    """By name: each hands over so many to the queue that nobody serves, and returns what it got for them."""

    def submit(self, a: int, b: int) -> Any:
        """Hands over one; what it returns goes to `answer`."""

    def answer(self, handle: Any) -> int:
        """Waits for the result."""


def celery_app(url: str) -> Any:
    """A Celery app as its own documentation begins, with results in Redis; JSON is its default already."""
    from celery import Celery

    app = Celery("overhead", broker=url, backend=url)
    app.conf.update(task_serializer="json", result_serializer="json", accept_content=["json"])
    app.task(name=NAME)(add)
    return app


def askfirst_app(url: str) -> Any:
    """An askfirst app with its defaults."""
    import askfirst

    askfirst.work(name=NAME, timeout=TIMEOUT)(add)
    return askfirst.create_app(askfirst_settings(url))


def askfirst_settings(url: str) -> Any:
    """The defaults: nothing but the Redis is set."""
    from askfirst.config import Settings

    return Settings(redis_url=url)


class CelerySide:
    """`apply_async` and `AsyncResult.get`."""

    def __init__(self, url: str) -> None:
        self._task = celery_app(url).tasks[NAME]
        self.publishers: Publishers = {"apply_async": self._publish}

    def submit(self, a: int, b: int) -> Any:
        return self._task.apply_async((a, b))

    def answer(self, handle: Any) -> int:
        value: int = handle.get(timeout=TIMEOUT)
        return value

    def _publish(self, count: int) -> Sequence[Any]:
        return [self._task.apply_async((n, 1), queue=UNSERVED) for n in range(count)]


class AskfirstSide:
    """`submit_work`, `submit_many` and `WorkWaiter.result`."""

    def __init__(self, url: str) -> None:
        import askfirst
        from askfirst.waiters import configure

        configure(askfirst_settings(url))
        self._submit, self._submit_many = askfirst.submit_work, askfirst.submit_many
        self._work = askfirst.work(name=NAME, timeout=TIMEOUT)(add)

        def add_unserved(a: int, b: int) -> int:
            return a + b

        self._unserved = askfirst.work(name=f"{NAME}_unserved", timeout=TIMEOUT, lane=UNSERVED)(add_unserved)
        self.publishers: Publishers = {"submit_many": self._publish_many, "submit_work": self._publish}

    def submit(self, a: int, b: int) -> Any:
        return self._submit(self._work, a=a, b=b)

    def answer(self, handle: Any) -> int:
        value: int = handle.result()
        return value

    def _publish(self, count: int) -> Sequence[Any]:
        return [self._submit(self._unserved, a=n, b=1) for n in range(count)]

    def _publish_many(self, count: int) -> Sequence[Any]:
        return self._submit_many(self._unserved, [{"a": n, "b": 1} for n in range(count)])


def side(name: str, url: str) -> Side:
    """The client's side of that name."""
    return CelerySide(url) if name == "celery" else AskfirstSide(url)


def app(name: str, url: str) -> Any:
    """The worker's side of that name."""
    return celery_app(url) if name == "celery" else askfirst_app(url)
