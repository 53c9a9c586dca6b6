"""Schedulers, and whoever looks after schedules, have a user of their own, and so has who only looks at them."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis as redis_py
from click.testing import CliRunner

from askfirst import schedules
from askfirst.cli import main
from askfirst.interest.errors import LedgerUnavailable
from askfirst.interest.states import State
from askfirst.schedules import Every, Schedule
from askfirst.schedules.calendars.definition import Weekdays
from askfirst.schedules.mirror import Mirror
from askfirst.tasks.connecting import open_ledger
from askfirst.waiters.client import configure, default_client
from tests.secure.conftest import SecureRedis, settings_for
from tests.support.eventually import eventually
from tests.support.fleet import Worker
from tests.support.scheduled import note
from tests.support.schedulers import SchedulerProcess


@pytest.fixture(scope="module")
def worker(secure_redis: SecureRedis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    worker = Worker(settings_for(secure_redis, "worker"), tmp_path_factory.mktemp("worker"), lanes=("default",))
    ledger = open_ledger(settings_for(secure_redis, "reader"))
    with contextlib.closing(ledger.line):
        worker.wait_until_heard(ledger)
    yield worker
    worker.close()


@pytest.fixture
def user(secure_redis: SecureRedis) -> Iterator[None]:
    """This process as a scheduler's user."""
    settings = settings_for(secure_redis, "scheduler")
    configure(settings)
    yield
    configure(settings)  # a command may have been somebody else
    for each in schedules.list():
        schedules.delete(each.id)
    for calendar in schedules.list_calendars():
        schedules.delete_calendar(calendar.name)
    configure(settings)


@pytest.fixture
def scheduler(secure_redis: SecureRedis, tmp_path: Path) -> Iterator[SchedulerProcess]:
    process = SchedulerProcess(settings_for(secure_redis, "scheduler"), tmp_path, "scheduler")
    yield process.wait_until_ready()
    process.close()


@pytest.mark.usefixtures("worker", "user", "scheduler")
def test_a_scheduler_does_all_that_schedules_need(secure_redis: SecureRedis, tmp_path: Path) -> None:
    secure_redis.denied()
    mirror = Mirror(default_client(), f"sqlite:///{tmp_path}/history.db")
    mirror.round()
    schedules.put_calendar(Weekdays(name="all", days=["mon", "tue", "wed", "thu", "fri", "sat", "sun"]))
    payload = {"a": 1}
    work = "tests.support.works.add"
    schedules.put(Schedule(id="s", work=work, payload=payload, triggers=Every("1s"), calendars="all", tags="t"))
    schedules.put(Schedule(id="d", work=work, payload=payload, triggers=Every("1d"), overlap="cancel_other"))

    def completed() -> bool:
        return sum(entry.state == State.COMPLETED for entry in schedules.history("s", status="fired")) >= 2

    eventually(completed, what="it has fired twice")
    assert schedules.pause("s", "enough")
    assert schedules.resume("s")
    assert schedules.trigger("d").cause == "triggered"
    now = datetime.now(UTC)
    assert schedules.backfill("d", now - timedelta(days=3), now) != []
    assert [each.id for each in schedules.list(tag="t")] == ["s"]
    assert schedules.next("d", 2) != []
    assert schedules.upcoming() != []
    while mirror.round():
        pass
    schedules.delete("s")
    assert secure_redis.denied() == []


@pytest.mark.usefixtures("user", "worker")
def test_a_reader_looks_at_schedules_and_nobody_else_does_anything_with_them(secure_redis: SecureRedis) -> None:
    schedules.put(Schedule(id="s", work="tests.support.works.add", payload={"a": 1}, triggers=Every("1d"), tags="t"))
    schedules.trigger("s")
    secure_redis.denied()
    options = ["--redis-url", secure_redis.url("reader"), "--namespace", "fleet", "schedule"]
    for command in (("list",), ("list", "--tag", "t"), ("show", "s"), ("next",), ("next", "s"), ("history", "s")):
        told = CliRunner().invoke(main, [*options, *command])
        assert told.exit_code == 0, told.output
    assert secure_redis.denied() == []
    assert CliRunner().invoke(main, [*options, "pause", "s"]).exit_code != 0
    configure(settings_for(secure_redis, "scheduler"))
    key = "askfirst:{fleet:schedules}:schedule:s"
    for who in ("producer", "worker", "reader"):
        with contextlib.closing(secure_redis.client(who)) as client, pytest.raises(redis_py.ResponseError):
            client.hset(key, "paused", "why")
    assert schedules.get("s").paused is None  # type: ignore[union-attr]  # there is one


@pytest.mark.usefixtures("user")
def test_a_work_type_that_no_worker_has_published_is_refused_and_nothing_changed() -> None:
    with pytest.raises(LedgerUnavailable, match="does not let this user do that"):
        schedules.put(Schedule(id="s", work=note, payload={"log": "/dev/null"}, triggers=Every("1d")))
    assert schedules.get("s") is None
