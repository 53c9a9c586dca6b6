"""The target: made, replaced or appended to; names may hold anything; what can't be is refused and says why."""

import os
import subprocess
import sys

import pytest

from askfirst.tasks import work_type_of
from askfirst.tasks.library.csv_import import TargetError, csv_import


def test_the_type_of_work_keeps_its_name():
    assert work_type_of(csv_import).name == "csv.import"


def test_a_table_that_exists_is_an_error_unless_asked_otherwise(import_csv, database):
    import_csv("a\n1\n")
    with pytest.raises(TargetError, match="table 't' exists; if_exists can be replace or append"):
        import_csv("a\n2\n")
    assert database.rows() == [(1,)]


def test_a_table_that_exists_is_found_before_the_file_is_read(import_csv, tmp_path):
    import_csv("a\n1\n")
    (tmp_path / "broken.csv").write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(TargetError, match="exists"):
        import_csv(tmp_path / "broken.csv")


def test_replace_puts_a_table_with_other_columns_in_its_place(import_csv, database):
    import_csv("a\n1\n")
    database.execute("CREATE VIEW v AS SELECT * FROM t")
    import_csv("b,c\nx,2.5\n", if_exists="replace")
    assert database.rows() == [("x", 2.5)]
    assert database.rows("v") == [("x", 2.5)]


@pytest.mark.parametrize("if_exists", ["replace", "append"])
def test_replace_and_append_make_a_table_that_is_not_there(import_csv, database, if_exists):
    import_csv("a\n1\n", if_exists=if_exists)
    assert database.rows() == [(1,)]


def test_append_goes_by_the_names_of_the_columns(import_csv, database):
    import_csv("a,b\n1,x\n")
    import_csv("b,a\ny,2\n", if_exists="append")
    assert database.rows() == [(1, "x"), (2, "y")]


def test_append_reads_the_file_as_the_table_keeps_it(import_csv, database):
    database.execute("CREATE TABLE t (zip TEXT, price DECIMAL(9, 2), ratio FLOAT, seen TIMESTAMP, ok BOOLEAN, n INT)")
    import_csv("zip,price,ratio,seen,ok,n\n10115,1,2,2013-01-01T02:00:00+02:00,true,\n", if_exists="append")
    assert database.rows() == [("10115", 1, 2.0, "2013-01-01 00:00:00.000000", 1, None)]


def test_append_leaves_out_columns_that_the_database_fills(import_csv, database):
    database.execute("CREATE TABLE t (id INTEGER NOT NULL, a INT, b INT DEFAULT 7 NOT NULL, c INT, PRIMARY KEY (id))")
    import_csv("a\n5\n6\n", if_exists="append")
    assert database.rows() == [(1, 5, 7, None), (2, 6, 7, None)]


def test_append_names_every_column_that_does_not_fit(import_csv, database):
    database.execute("CREATE TABLE t (a INT, b BLOB, c INT NOT NULL)")
    with pytest.raises(TargetError) as failure:
        import_csv("a,b,d\nx,1,2\n", if_exists="append")
    assert str(failure.value) == (
        f"{database.url}: table 't' doesn't take the file: it has no column 'd'; the file has no column 'c'; "
        "its column 'a' is INTEGER, the file's is text; its column 'b' is BLOB, the file's is integer"
    )
    assert database.rows() == []


@pytest.mark.parametrize("name", ["select", 'we"ird', "it's; DROP TABLE x --", "50% off", ":a", "ä b", "sqlite", "[x]"])
def test_names_may_hold_anything(import_csv, database, name):
    quoted = name.replace('"', '""')
    for if_exists in ("fail", "append"):
        import_csv(f'"{quoted}","{quoted}?"\n1,2\n', table=name, if_exists=if_exists, delimiter=",")
    assert database.rows(name) == [(1, 2), (1, 2)]
    assert [column for _, column, *_ in database.execute(f'PRAGMA table_info("{quoted}")')] == [name, f"{name}?"]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("flights.db", "expected database to be an SQLAlchemy URL"),
        ("postgresql://u:secret@host:secret/d", "expected database to be an SQLAlchemy URL"),
        ("sqlite://", "SQLite in memory"),
        ("sqlite:///:memory:", "SQLite in memory"),
        ("sqlite:///file::memory:?uri=true", "SQLite in memory"),
        ("sqlite:///file:flights?mode=memory&cache=shared&uri=true", "SQLite in memory"),
        ("sqlite:////no/such/folder/x.db", "folder of the SQLite database doesn't exist: /no/such/folder"),
        ("sqlite:///x.db?timeout=soon", "an option in its query can't be used: .*'soon'"),
        ("sqlite+aiosqlite:///x.db", r"no usable driver|without asyncio"),
        ("oracle9://u:secret@h/d", "no usable driver"),
    ],
)
def test_a_database_that_cannot_be_used_is_refused_before_the_file_is_read(import_csv, tmp_path, url, problem):
    (tmp_path / "broken.csv").write_bytes(b"\xff")
    with pytest.raises(TargetError, match=problem) as failure:
        import_csv(tmp_path / "broken.csv", database=url)
    assert "secret" not in str(failure.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into any folder")
@pytest.mark.parametrize("place", ["closed/x.db", "closed/inner/x.db"])
def test_a_database_where_nobody_lets_us_look_is_refused(import_csv, tmp_path, place):
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(TargetError, match=r"unable to open|doesn't exist"):
        import_csv("a\n1\n", database=f"sqlite:///{tmp_path}/{place}")


def test_what_is_no_database_is_named(import_csv, database):
    database.path.write_bytes(b"no database at all, but long enough to be looked at" * 50)
    with pytest.raises(TargetError, match="not a database"):
        import_csv("a\n1\n")


def test_what_the_database_objects_to_shows_neither_rows_nor_the_cause(import_csv, database):
    database.execute("CREATE TABLE t (a TEXT CHECK (a <> 'secret'))")
    with pytest.raises(TargetError, match="CHECK constraint failed") as failure:
        import_csv("a\nsecret\n", if_exists="append")
    assert "('secret'" not in str(failure.value)
    assert failure.value.__suppress_context__


def test_the_report_shows_the_database_without_password_and_query(import_csv, database):
    assert import_csv("a\n1\n", database=f"{database.url}?timeout=9").database == database.url


def test_without_sqlalchemy_the_import_says_what_to_install():
    code = "import sys; sys.modules['sqlalchemy'] = None; import askfirst.tasks.library.csv_import"
    failed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert failed.stderr.splitlines()[-1] == "ImportError: csv.import needs SQLAlchemy: pip install 'askfirst[library]'"
