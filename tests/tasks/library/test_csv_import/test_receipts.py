"""What a work has committed no attempt of it does again, however the first one ended; on SQLite and on PostgreSQL."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import pytest
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from askfirst.tasks import InterestLost, Token, WorkContext
from askfirst.tasks.library.csv_import import ImportReport, TargetError, receipts, target
from askfirst.tasks.library.database import transaction
from tests.support.leaks import lasting_children
from tests.support.postgres import Postgres, find_postgres

WORK = "imports.00112233445566778899aabbccddeeff"
OTHER = "imports.ffeeddccbbaa99887766554433221100"
SOURCE = "a,ö\n" + "".join(f"{i},x{i}\n" for i in range(50))


class Place:
    """A database of either kind, looked at and changed."""

    def __init__(self, url: str) -> None:
        self.url = url

    def execute(self, sql: str) -> list[tuple[object, ...]]:
        with create_engine(self.url, poolclass=NullPool).begin() as connection:
            found = connection.execute(text(sql))
            return [tuple(row) for row in found] if found.returns_rows else []

    def count(self) -> int:
        ((count,),) = self.execute("SELECT count(*) FROM t")
        return count

    def works(self) -> set[str]:
        """Whose receipts there are."""
        return {work for (work,) in self.execute("SELECT work FROM csv_import_receipts")}


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if find_postgres() is None:
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    server = Postgres()
    lasting_children.add(server.pid)
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, database) -> Place:
    if request.param == "sqlite":
        return Place(database.url)
    place = Place(request.getfixturevalue("postgres").url)
    place.execute("DROP TABLE IF EXISTS t, csv_import_receipts")
    return place


@pytest.fixture
def attempt(import_csv, csv_file, place):
    """One attempt of a work to import the source."""
    source = csv_file(SOURCE)

    def run(if_exists: str = "append", work: str = WORK, **context: object) -> ImportReport:
        ctx = WorkContext(**{"timeout": 60, "id": work, **context})
        return import_csv(source, ctx=ctx, database=place.url, if_exists=if_exists, batch_rows=10)

    return run


@pytest.mark.parametrize("mode", ["fail", "replace", "append"])
def test_what_was_committed_is_told_again_and_not_done_again(attempt, place, tmp_path, mode):
    first = attempt(mode)
    (tmp_path / "source.csv").unlink()
    again = attempt(mode, attempt=2)
    assert again.model_copy(update={"seconds": first.seconds}) == first
    assert 0 < again.seconds <= first.seconds
    assert place.count() == 50


KILLED = """
import sys
from pathlib import Path
from askfirst.tasks import WorkContext
from askfirst.tasks.library.csv_import import csv_import

def report(progress):
    if progress.note == "50 rows imported":
        print("committed", flush=True)
        sys.stdin.read()

work, source, url = sys.argv[1:]
csv_import(WorkContext(id=work, timeout=60, report=report), Path(source), "t", url, if_exists="append")
"""


def test_kill_9_after_the_commit(attempt, place, tmp_path):
    place.execute("CREATE TABLE t (a BIGINT, ö TEXT)")
    command = [sys.executable, "-c", KILLED, WORK, tmp_path / "source.csv", place.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"committed\n"
        child.kill()
    assert place.count() == 50
    assert attempt().rows == 50
    assert place.count() == 50


def test_another_work_imports_the_same_file_again(attempt, place):
    attempt()
    attempt(work=OTHER)
    assert place.count() == 100
    assert place.works() == {WORK, OTHER}


@pytest.mark.parametrize("exists", [True, False])
def test_of_two_attempts_at_once_one_is_committed(attempt, place, exists):
    """The first was paused and taken for dead, and goes on beside the second."""
    if exists:
        place.execute("CREATE TABLE t (a BIGINT, ö TEXT)")
    others: list[Future[ImportReport]] = []
    with ThreadPoolExecutor() as pool:

        def report(progress) -> None:
            if progress.note == "30 of 50 rows written":
                read = Event()
                others.append(pool.submit(attempt, attempt=2, report=lambda _: read.set()))
                assert read.wait(10)

        first = attempt(report=report)
        assert others[0].result(timeout=30).rows == first.rows == 50
    assert place.count() == 50


def test_an_attempt_that_fails_leaves_no_receipt(attempt, place):
    token = Token()
    with pytest.raises(InterestLost):
        attempt(token=token, report=lambda progress: progress.note == "30 of 50 rows written" and token.trip("enough"))
    assert place.works() == set()
    assert attempt(attempt=2).rows == 50
    assert place.count() == 50


def test_a_connection_that_breaks_in_the_commit_is_asked_about(attempt, place, monkeypatch):
    @contextmanager
    def breaking(engine, ctx):
        with transaction(engine, ctx) as connection:
            yield connection
        raise OperationalError("COMMIT", {}, Exception("server closed the connection unexpectedly"))

    monkeypatch.setattr(target, "transaction", breaking)
    assert attempt().rows == 50
    assert place.count() == 50


def test_a_table_that_somebody_else_has_made_is_in_the_way_as_ever(attempt, place):
    attempt()
    with pytest.raises(TargetError, match="table 't' exists"):
        attempt("fail", work=OTHER)
    assert place.works() == {WORK}


def test_receipts_that_nobody_asks_for_any_more_are_swept(attempt, place):
    attempt()
    place.execute("INSERT INTO csv_import_receipts VALUES ('old', 1, '{}')")
    attempt(work=OTHER)
    assert place.works() == {WORK, OTHER}


def test_another_import_that_makes_the_table_too_is_not_in_the_way(attempt, place, monkeypatch):
    make, tries = receipts.Receipts._make_and_sweep, []

    def clash(ours):
        tries.append(1)
        make(ours)
        if len(tries) == 1:
            raise DBAPIError("CREATE TABLE", {}, Exception("already exists"))

    monkeypatch.setattr(receipts.Receipts, "_make_and_sweep", clash)
    assert attempt().rows == 50
    assert len(tries) == 2
