"""Staging, for databases that can't take back a table made or dropped: tried on SQLite, worded for the others."""

import pytest
from sqlalchemy import BigInteger, Column, MetaData, Table, insert
from sqlalchemy.dialects import mysql, postgresql

from askfirst.tasks import WorkContext
from askfirst.tasks.library.csv_import import TargetError
from askfirst.tasks.library.csv_import.staging import RenameTables, staged, staging_name
from askfirst.tasks.library.database import Database


@pytest.fixture
def stage(database):
    engine = Database(database.url, TargetError).engine
    return lambda: staged(engine, WorkContext(timeout=60), "t", [Column("a", BigInteger)], False)


def tables(database) -> set[str]:
    return {name for (name,) in database.execute("SELECT name FROM sqlite_master")}


def test_the_table_takes_its_name_when_it_is_complete(stage, database):
    with stage() as (connection, table):
        connection.execute(insert(table), [{"a": 1}])
    assert tables(database) == {"t"}
    assert database.rows() == [(1,)]


@pytest.mark.parametrize("lost", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_no_staging_table(stage, database, lost):
    with pytest.raises(lost), stage():
        raise lost
    assert tables(database) == set()


def test_a_table_that_came_meanwhile_is_not_replaced(stage, database):
    database.execute("CREATE TABLE t (mine)")
    with pytest.raises(Exception, match="already"), stage():
        pass
    assert database.execute("SELECT mine FROM t") == []
    assert tables(database) == {"t"}


def test_what_killed_imports_left_is_swept_but_not_what_may_still_be_filled(stage, database):
    stale, stale_old = staging_name("t", -7_200), staging_name("t", -7_200) + "_old"
    live, live_by_another_clock = staging_name("t", 60), staging_name("t", -600)
    other = staging_name("another", -7_200)
    for name in (stale, stale_old, live, live_by_another_clock, other, "csv_import_mine"):
        database.execute(f"CREATE TABLE {name} (a)")
    with stage():
        pass
    assert tables(database) == {"t", live, live_by_another_clock, other, "csv_import_mine"}


def test_tables_change_names_in_one_statement_where_one_transaction_cannot_hold_two():
    first, second, third = (Table(name, MetaData()) for name in ("a", "b c", "d"))
    assert str(RenameTables((first, second), (third, first)).compile(dialect=mysql.dialect())) == (
        "RENAME TABLE a TO `b c`, d TO a"
    )
    assert str(RenameTables((first, second)).compile(dialect=postgresql.dialect())) == 'ALTER TABLE a RENAME TO "b c"'
