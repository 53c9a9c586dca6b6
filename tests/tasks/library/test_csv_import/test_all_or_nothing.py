"""However an import ends, the target table holds all of the file or is exactly as it was."""

import os
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from askfirst.tasks import InterestLost, Token, WorkContext
from askfirst.tasks.library.csv_import import CsvImportError, ImportReport, SourceError, TargetError

MODES = ["fail", "replace", "append"]
SOURCE = "a,b\n" + "".join(f"{i},x{i}\n" for i in range(50))


class Told:
    """A context that keeps what it was told, and can do something at a chosen moment."""

    def __init__(self, at: int = 0, act=None) -> None:
        self.token = Token()
        self.progress = []
        self.context = WorkContext(timeout=60, token=self.token, report=self._take)
        self._at, self._act = at, act or (lambda: self.token.trip("nobody waits"))

    def _take(self, progress) -> None:
        self.progress.append(progress)
        if len(self.progress) == self._at:
            self._act()


@pytest.fixture(params=MODES)
def mode(request, database) -> str:
    """How to import, with a table to replace or append to in place, an index and another table beside it."""
    database.execute("CREATE TABLE other (x)")
    if request.param != "fail":
        database.execute("CREATE TABLE t (a BIGINT, b TEXT)")
        database.execute("CREATE INDEX i ON t (a)")
        database.execute("INSERT INTO t VALUES (-1, 'was here')")
    return request.param


def test_progress_runs_once_from_start_to_end_over_both_passes(import_csv, csv_file):
    source, told = csv_file("a\n" + "".join(f"{i}\n" for i in range(20_000))), Told()
    import_csv(source, ctx=told.context, batch_rows=1_000)
    done = [progress.done for progress in told.progress]
    assert done == sorted(done)
    assert {progress.total for progress in told.progress} == {2 * source.stat().st_size}
    assert done[0] < 0.1 * done[-1]
    assert done[-1] == told.progress[-1].total
    assert max(later - earlier for earlier, later in pairwise(done)) < 0.1 * done[-1]
    assert told.progress[-1].note == "20,000 rows imported"


def test_interest_lost_at_any_batch_leaves_the_target_as_it_was(import_csv, database, mode):
    before = database.dump()
    trial = Told()
    import_csv(SOURCE, table="trial", ctx=trial.context, batch_rows=10)
    database.execute("DROP TABLE trial")
    for batch in range(1, len(trial.progress)):
        told = Told(at=batch)
        with pytest.raises(InterestLost):
            import_csv(SOURCE, ctx=told.context, if_exists=mode, batch_rows=10)
        assert len(told.progress) == batch
        assert database.dump() == before


def test_a_row_that_the_database_refuses_leaves_the_target_as_it_was(import_csv, database):
    database.execute("CREATE TABLE t (a INT UNIQUE, b TEXT)")
    database.execute("INSERT INTO t VALUES (49, 'was here')")
    before = database.dump()
    with pytest.raises(TargetError, match="UNIQUE constraint failed"):
        import_csv(SOURCE, if_exists="append", batch_rows=10)
    assert database.dump() == before


@pytest.mark.parametrize("change", ["2,y\nx,y\n", "2,y\n3,y\n", "1,x\nx,y\n"])
def test_a_file_that_changes_between_the_passes_leaves_the_target_as_it_was(
    import_csv, database, csv_file, mode, change
):
    source = csv_file("a,b\n1,x\n2,y\n")
    stamp = source.stat().st_mtime_ns

    def rewrite() -> None:
        source.write_text("a,b\n" + change)
        os.utime(source, ns=(stamp + 1, stamp + 1))

    before = database.dump()
    with pytest.raises(SourceError, match="changed while it was imported"):
        import_csv(source, ctx=Told(at=2, act=rewrite).context, if_exists=mode, batch_rows=1)
    assert database.dump() == before


KILLED = """
import sys
from itertools import pairwise
from pathlib import Path
from askfirst.tasks import WorkContext
from askfirst.tasks.library.csv_import import csv_import

def report(progress):
    if progress.note.startswith("19,000 of"):
        print("writing", flush=True)
        sys.stdin.read()

source, url, mode = sys.argv[1:]
csv_import(WorkContext(timeout=60, report=report), Path(source), "t", url, if_exists=mode, batch_rows=1000)
"""


def test_kill_9_in_the_middle_leaves_the_target_as_it_was(database, csv_file, import_csv, mode):
    before = database.dump()
    # More than SQLite's cache holds, so that pages of the unfinished import are on the disk.
    source = csv_file("a,b\n" + "".join(f"{i},{'x' * 200}\n" for i in range(20_000)))
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, source, database.url, mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout.readline() == b"writing\n"
        assert database.path.stat().st_size > 2**20
        child.kill()
    assert database.dump() == before
    assert import_csv(source, if_exists=mode).rows == 20_000


def test_an_import_waits_for_another_one_into_the_same_table(import_csv, csv_file, database):
    first, second = csv_file(SOURCE, "first.csv"), csv_file(SOURCE, "second.csv")
    with ThreadPoolExecutor() as pool:
        others: list[Future[ImportReport]] = []

        def meanwhile() -> None:
            file_read = threading.Event()
            ctx = Told(at=1, act=file_read.set).context
            others.append(pool.submit(import_csv, second, ctx=ctx, if_exists="append"))
            assert file_read.wait(10)

        import_csv(first, ctx=Told(at=9, act=meanwhile).context, batch_rows=10)
        assert others[0].result(timeout=30).rows == 50
    assert database.execute("SELECT count(*) FROM t") == [(100,)]


def test_an_import_that_waits_for_a_lock_stops_when_nobody_wants_it(import_csv, database):
    database.execute("CREATE TABLE other (x)")
    with closing(sqlite3.connect(database.path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        told = Told()
        timer = threading.Timer(0.2, told.token.trip, ["nobody waits"])
        timer.start()
        with pytest.raises(InterestLost):
            import_csv(SOURCE, ctx=told.context)
        timer.join()
        with pytest.raises((InterestLost, TargetError)):
            import_csv(SOURCE, ctx=WorkContext(timeout=0.2))
    assert import_csv(SOURCE).rows == 50


def test_a_reader_does_not_make_the_commit_fail(import_csv, database):
    """Without a write-ahead log a reader holds the commit up."""
    database.execute("CREATE TABLE other (x)")
    database.execute("INSERT INTO other VALUES (1), (2)")
    with closing(sqlite3.connect(database.path, check_same_thread=False)) as reader:
        cursor = reader.execute("SELECT * FROM other")
        cursor.fetchone()
        timer = threading.Timer(0.8, cursor.close)
        timer.start()
        assert import_csv(SOURCE).rows == 50
        timer.join()


def test_every_error_of_an_import_is_a_csv_import_error():
    assert {error.__name__ for error in CsvImportError.__subclasses__()} == {
        "SourceError",
        "MalformedRows",
        "TargetError",
    }


def test_nothing_is_left_beside_the_table(import_csv, database, tmp_path: Path):
    import_csv(SOURCE)
    import_csv(SOURCE, if_exists="replace")
    assert database.execute("SELECT name FROM sqlite_master") == [("t",)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["target.db", "text.csv"]
