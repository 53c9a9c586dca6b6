"""A source that misbehaves, a database, and short ways to ask for a pull."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from askfirst.tasks import WorkContext
from askfirst.tasks.library.market_data import PullReport, market_data
from askfirst.workers.stopping import run_async
from tests.tasks.library.test_market_data.source import Source

#: Half past the close of New York on Monday, 2 March 2026, and of Sydney, where it is Tuesday.
NOMINAL = datetime(2026, 3, 2, 21, 30, tzinfo=UTC)
DAY = "2026-03-02"


class Target:
    """An SQLite database, read without SQLAlchemy."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"

    def execute(self, sql: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.path)) as connection:
            rows = connection.execute(sql).fetchall()
            connection.commit()
            return rows

    def closes(self, exchange: str = "XNYS", day: str = DAY) -> dict[object, object]:
        """The closing prices of a day, by symbol."""
        found = self.execute(f"SELECT symbol, close FROM market_data WHERE exchange='{exchange}' AND day='{day}'")
        assert len(dict(found)) == len(found)
        return dict(found)

    def dump(self) -> list[str]:
        with closing(sqlite3.connect(self.path)) as connection:
            return list(connection.iterdump())


@pytest.fixture
def source() -> Iterator[Source]:
    with Source() as source:
        yield source


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(tmp_path / "eod.db")


@pytest.fixture
def pull(source: Source, target: Target) -> Callable[..., PullReport]:
    """One pull for a schedule's instant, as a worker runs it, but without a fleet."""

    def run(ctx: WorkContext | None = None, **options: object) -> PullReport:
        given = {"exchange": "XNYS", "source": source.url, "database": target.url, **options}
        ctx = ctx or WorkContext(timeout=30, nominal_time=NOMINAL)
        report: PullReport = run_async(ctx, lambda: market_data(ctx, **given))
        return report

    return run
