"""Flower hears of tasks in bulk: of none too little, and not at the price of a message for each step."""

from collections.abc import Callable

from celery import Celery

from askfirst import submit_many, submit_work
from askfirst.config import Settings
from askfirst.waiters.client import Client
from askfirst.workers import create_app
from tests.support import works
from tests.support.events import Events
from tests.support.fleet import Fleet, Worker

WORKS = 40


def test_the_steps_of_many_short_works_go_in_few_messages(fleet: Fleet, app: Celery) -> None:
    with Events(app) as events:
        before = _published(fleet)
        waiters = submit_many(works.add, [{"a": 1, "b": n} for n in range(WORKS)])
        for waiter in waiters:
            waiter.result(10)
            events.of(waiter.id, "task-succeeded")
        published = _published(fleet) - before
    assert all(events.kinds(waiter.id) == ["task-received", "task-started", "task-succeeded"] for waiter in waiters)
    assert published < WORKS  # three steps each


def test_what_a_worker_did_last_is_told_before_it_ends(
    client: Client, settings: Settings, start_worker: Callable[..., Worker]
) -> None:
    worker = start_worker()
    with create_app(settings) as app, Events(app) as events:
        waiter = submit_work(works.add, a=1, b=1)
        waiter.result(10)
        worker.process.terminate()
        events.of(waiter.id, "task-succeeded")


def _published(fleet: Fleet) -> int:
    return int(fleet.redis.info("commandstats")["cmdstat_publish"]["calls"])
