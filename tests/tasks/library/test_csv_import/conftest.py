"""A database to import into and short ways to ask for an import."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from askfirst.tasks import WorkContext
from askfirst.tasks.library.csv_import import ImportReport, csv_import

Rows = list[tuple[object, ...]]


class Database:
    """An SQLite database, read without SQLAlchemy."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"

    def execute(self, sql: str) -> Rows:
        with closing(sqlite3.connect(self.path)) as connection:
            rows = connection.execute(sql).fetchall()
            connection.commit()
            return rows

    def rows(self, table: str = "t") -> Rows:
        quoted = table.replace('"', '""')
        return self.execute(f'SELECT * FROM "{quoted}"')

    def dump(self) -> list[str]:
        """All there is: every table with its columns, indexes and rows."""
        with closing(sqlite3.connect(self.path)) as connection:
            return list(connection.iterdump())


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "target.db")


@pytest.fixture
def csv_file(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str, name: str = "source.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return write


@pytest.fixture
def import_csv(database: Database, tmp_path: Path) -> Callable[..., ImportReport]:
    """Import a text or a file into table `t` of the database."""

    def run(source: str | Path, table: str = "t", ctx: WorkContext | None = None, **options: object) -> ImportReport:
        if isinstance(source, str):
            (tmp_path / "text.csv").write_bytes(source.encode())
            source = tmp_path / "text.csv"
        return csv_import(ctx or WorkContext(timeout=60), source, table, **{"database": database.url, **options})

    return run
