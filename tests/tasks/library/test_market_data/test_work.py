"""The pull as a work of a real fleet, started by schedules, from a source that misbehaves."""

from collections.abc import Callable, Iterator

import pytest

from askfirst import State, WorkStatus, cancel
from askfirst.config import Settings
from askfirst.schedules import Every, HistoryEntry, Schedule
from askfirst.tasks.library.market_data import market_data
from tests.support.eventually import eventually
from tests.support.scheduled import Desk
from tests.tasks.library.test_market_data.source import ROWS, Source, cut, give, give_rows, hang_up

CLOSES = {row["symbol"]: row["close"] for row in ROWS}
IMPORTS = ["askfirst.tasks.library.market_data"]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A killed worker is known to be dead after a second or two."""
    return settings.model_copy(update={"lease": 1.5})


@pytest.fixture
def desk(client, redis, lane) -> Iterator[Desk]:
    desk = Desk(client, redis, lane)
    yield desk
    desk.close()


@pytest.fixture
def put(desk, source, target) -> Callable[[str], str]:
    """Makes a schedule of an exchange; its id."""

    def make(exchange: str) -> str:
        payload = {"exchange": exchange, "source": source.url, "database": target.url}
        schedule = Schedule(
            id=f"eod-{exchange}", work=market_data, payload=payload, triggers=Every("1d"), overlap="allow_all"
        )
        desk.manager.put(schedule)
        return schedule.id

    return make


@pytest.fixture
def ended(desk) -> Callable[[HistoryEntry], WorkStatus]:
    """Waits for the end of a run; how it ended."""

    def wait(entry: HistoryEntry) -> WorkStatus:
        eventually(lambda: desk.work_of(entry).state.ended, within=30, what="the pull has ended")
        return desk.work_of(entry)

    return wait


def test_a_source_that_misbehaves_is_asked_again_until_it_gives_the_day(desk, put, ended, source, target, start_worker):
    start_worker("w1", imports=IMPORTS, pool="threads", concurrency=6)
    source.answers_of = {
        "XNYS": [give(status=500), give_rows()],
        "XLON": [give(status=429, Retry_After="3"), give_rows()],
        "XTKS": [cut(), give_rows()],
        "XETR": [hang_up, give(status=503), give_rows()],
        "XPAR": [give(b"<html>we are back soon</html>", media="text/html")],
        "XASX": [give_rows()],
    }
    entries = {exchange: desk.manager.trigger(put(exchange)) for exchange in source.answers_of}
    found = {exchange: ended(entry) for exchange, entry in entries.items()}
    days = {exchange: entry.nominal_time.date().isoformat() for exchange, entry in entries.items()}
    refused = found.pop("XPAR")
    assert (refused.state, refused.attempt) == (State.FAILED, 1)
    assert refused.error.type == "askfirst.tasks.library.market_data.errors.WrongContent"
    assert target.closes("XPAR", days["XPAR"]) == {}
    assert {exchange: (status.state, status.attempt) for exchange, status in found.items()} == {
        exchange: (State.COMPLETED, {"XASX": 1, "XETR": 3}.get(exchange, 2)) for exchange in found
    }
    for exchange in found:
        assert target.closes(exchange, days[exchange]) == CLOSES
        assert {path for path in source.paths if exchange in path} == {f"/{exchange}/{days[exchange]}.csv"}
    asked_again = found["XLON"].started_at - found["XLON"].submitted_at
    assert asked_again.total_seconds() >= 3, "its Retry-After is kept"


def test_a_day_that_is_pulled_again_is_there_once_and_each_exchange_has_its_rate(
    desk, put, ended, source, target, start_worker
):
    start_worker("w1", imports=IMPORTS)
    source.answers = [give_rows(), give_rows([{"symbol": "Z", "close": 9.0}])]
    schedule = put("XNYS")
    first, second = (ended(desk.manager.trigger(schedule)) for _ in range(2))
    assert (second.started_at - first.started_at).total_seconds() >= 1
    assert target.execute("SELECT symbol FROM market_data") == [("Z",)]


def test_an_unwanted_pull_leaves_nothing_and_that_of_a_killed_worker_is_made_by_another(
    desk, put, source: Source, target, start_worker
):
    first = start_worker("w1", imports=IMPORTS)
    source.answers = [source.drip, source.drip, give_rows()]
    entry = desk.manager.trigger(put("XNYS"))
    eventually(lambda: len(source.paths) == 1, what="the source is asked")
    cancel(entry.work)
    eventually(lambda: desk.work_of(entry).state == "CANCELLED", what="it is cancelled")
    assert not target.path.exists()

    entry = desk.manager.trigger(put("XLON"))
    eventually(lambda: len(source.paths) == 2, what="the source is asked")
    first.kill()
    start_worker("w2", imports=IMPORTS, heard=False)
    eventually(lambda: desk.work_of(entry).state == "COMPLETED", within=30, what="another worker has made it")
    assert desk.work_of(entry).attempt == 2
    assert target.closes("XLON", entry.nominal_time.date().isoformat()) == CLOSES
